//! Reserve, extend, settle: what holds on every path.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions beside the tests are test code too"
)]

mod charges;

mod balances;
mod clock;
mod marks;
mod reserving;
mod resets;
mod rooms;
mod sessions;
mod settling;
mod sliding;
