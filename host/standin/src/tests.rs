//! The stand-in over a real connection, seen as a client sees it.

mod answers;
mod batches;
mod caller;
mod trouble;
