//! The promises of the crate, a module for each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the readers that tests compare with stand outside of test functions"
)]

mod batches;
mod bills;
mod content;
mod corpus;
mod documents;
mod edited;
mod errors;
mod framing;
mod heads;
mod made;
mod meters;
mod plain;
mod prices;
mod recorded;
mod reference;
mod references;
mod refusals;
mod retries;
mod splices;
mod streams;
mod unusual;
