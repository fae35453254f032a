//! Receipts, log and captures: who can make the gateway write, forget or reveal.

mod captures;
mod headers;
mod log;
