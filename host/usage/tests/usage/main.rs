//! Receipts files and the sums that are kept of them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the log that tests write to stands outside of test functions"
)]

mod log;

mod after;
mod follow;
mod segments;
mod sums;
