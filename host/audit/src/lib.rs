//! Receipts that get written, whatever happens.
//!
//! [`Audit::submit`] puts a receipt into a bounded queue and returns. One thread takes batches out of it, has the
//! embedder's [`Render`] turn each into lines, and appends the lines to a [`Sink`] with one `write(2)`. What is
//! written survives the death of the process; nothing is synced to the disk, so a power cut may take what the system
//! had not written back.
//!
//! No receipt is dropped while memory lasts, and what waits is bounded, in number and in bytes. One that the queue has no
//! room for is written at once, in its raw form, by the thread that submits it, or put aside while the sink stands still.
//! Lines that the sink does not take are kept, up to a number of bytes, and tried again; [`Audit::health`] says so. Only
//! what does not fit there is lost, counted and logged as an error.

mod audit;
mod journal;
mod lines;
mod queue;
mod render;
pub mod sink;
mod stats;

pub use audit::{Audit, Settings};
pub use lines::Lines;
pub use render::{Mark, Receipt, Render};
pub use sink::Sink;
pub use stats::{Health, Stats};
