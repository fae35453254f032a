//! A journal: what it gives back after a crash, a loss of power, and trouble with the disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on says so by panicking"
)]

mod clock;
mod crash;
mod disk;
mod draining;
mod files;
mod handover;
mod power;
mod trouble;
mod work;
