//! The promises of the plugin host, a module for each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that can't go on says so by panicking"
)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test has nobody else to tell its figures to"
)]

mod admission;
mod cache;
mod call_memory;
mod child;
mod compiler;
mod facts;
mod faults;
mod folder;
mod fuzz;
mod grants;
mod guards;
mod guest;
mod instances;
mod interests;
mod languages;
mod layout;
mod limits;
mod lines;
mod lineup;
mod memory;
mod preinitialize;
mod reload;
mod request;
mod secrets;
mod sidecar;
mod signature;
mod suspension;
mod tables;
mod versions;
mod wasi;
