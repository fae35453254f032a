//! Tests that every submitted receipt is written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions beside the tests are test code too"
)]

mod numbered;

mod files;
mod outlets;
mod queue;
mod rendering;
mod segments;
mod trouble;
