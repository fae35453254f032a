//! Receipts, log and captures: who can make the gateway write, forget or reveal.

mod captures;
mod chain;
mod disk;
mod headers;
mod log;
mod redaction;
mod size;
