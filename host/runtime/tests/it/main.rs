//! The promises of the plugin host, a module for each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that can't go on says so by panicking"
)]

mod admission;
mod bench;
mod cache;
mod compiler;
mod faults;
mod folder;
mod grants;
mod guest;
mod instances;
mod limits;
mod lineup;
mod memory;
mod preinit;
mod reload;
mod request;
mod sidecar;
mod signature;
mod versions;
