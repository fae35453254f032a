//! Plugins in the gateway: the shipped ones, hostile ones, changed ones, and the tools of their authors.

mod guard;
mod hostile;
mod hot_swap;
mod policies;
pub(crate) mod tools;
