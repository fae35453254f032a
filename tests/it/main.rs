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
#![allow(
    dead_code,
    unused_imports,
    reason = "the harness offers more than the tests of today use"
)]

mod harness;

mod arrows;
mod attack;
mod batches;
mod budget;
mod bytes;
mod captures;
mod compressed_requests;
mod credentials;
mod endings;
mod errors;
mod examples;
mod fallback;
mod fidelity;
mod files;
mod groups;
mod guide;
mod harness_works;
mod heads;
mod health;
mod hostile;
mod hot_swap;
mod http2;
mod http2_upstream;
mod models;
mod operate;
mod packaging;
mod passthrough;
mod policies;
mod pressure;
mod promises;
mod readme;
mod smuggling;
mod soak;
mod splits;
mod streams;
mod tenants;
mod tls;
mod tls_upstream;
mod tools;
mod trouble;
mod upgrade;
mod upstreams;
