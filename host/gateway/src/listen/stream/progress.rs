//! How far a connection has come with asking, for whoever has to choose one that gives way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// What a connection has asked, in the order in which connections give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    /// Nothing yet.
    Nothing,
    /// Something, which has been answered.
    Before,
    /// Something that is being answered.
    Now,
}

/// The progress of one connection, shared between the connection and whoever chooses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU8>);

// === impl Progress ===

impl Progress {
    /// Says how far it is.
    pub(crate) fn asked(&self) -> Asked {
        match self.0.load(Relaxed) {
            0 => Asked::Nothing,
            1 => Asked::Before,
            _ => Asked::Now,
        }
    }

    /// Notes that a head is whole.
    pub(crate) fn begin(&self) {
        self.0.store(2, Relaxed);
    }

    /// Notes that the next head is waited for.
    pub(crate) fn wait(&self) {
        if self.asked() == Asked::Now {
            self.0.store(1, Relaxed);
        }
    }
}
