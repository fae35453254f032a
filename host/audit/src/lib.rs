//! A writer of receipts that loses none.
//!
//! [`Audit::submit`] puts a receipt into a bounded queue and returns. A thread takes batches out of the queue, has the
//! embedder's [`Render`] turn each into lines, and appends the lines to a [`Sink`] with one `write(2)`. Written lines survive
//! the death of the process. Nothing is synced to the disk, so a power failure may lose what the system had not written back.
//!
//! The queue is bounded by number and by bytes, and a full one drops no receipt: the submitting thread writes it directly, in
//! its raw form, or puts it aside while the sink stalls. Lines that the sink does not accept are kept in a backlog of bounded
//! size and retried, which [`Audit::health`] reports. Only lines that do not fit into the backlog are lost, counted and
//! logged as an error.

mod audit;
mod chain;
mod journal;
mod lines;
pub mod outlet;
mod queue;
mod render;
pub mod segments;
pub mod sink;
mod stats;

pub use audit::{Audit, Settings};
pub use chain::{Place, without_chain};
pub use lines::Lines;
pub use render::{Mark, Receipt, Render};
pub use sink::Sink;
pub use stats::{Health, Stats};
