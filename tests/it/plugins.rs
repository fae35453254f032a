//! Plugins in the gateway: the shipped ones, hostile ones, changed ones, and the tools of their authors.

mod guard;
mod hostile;
mod hot_swap;
mod policies;
mod tables;
pub(crate) mod tools;
mod translate;
