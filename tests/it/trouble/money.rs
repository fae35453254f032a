//! Accounts that callers invent, holds, and answers whose usage is written in an unusual way.

mod accounts;
mod holds;
mod oversized;
mod usage;
