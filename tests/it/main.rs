//! The end-to-end tests: one binary, and a module for each promise. They share one harness.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on says so by panicking"
)]
#![allow(
    unreachable_pub,
    reason = "the harness is a library to the modules beside it"
)]

mod harness;

mod attack;
mod operations;
mod plugins;
mod repo;
mod tenants;
mod texts;
mod traffic;
mod trouble;
mod upstreams;
