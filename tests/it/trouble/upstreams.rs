//! Failures that count against an upstream, and those that do not.

mod headers;
mod limits;
mod rate;
