//! The logs of receipts.

use std::path::PathBuf;

use crate::database::UsageError;

/// A log of receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file that is written to.
    pub path: PathBuf,
    /// The kind of its receipts.
    pub kind: Kind,
}

/// The kind of the receipts in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Receipts of exchanges that something may have been sent for.
    Evidence,
    /// Receipts of requests that were refused before.
    Refusals,
}

// === impl Source ===

impl Source {
    /// Returns the error for a file of the log that can't be read.
    pub(crate) fn failed(&self, source: std::io::Error) -> UsageError {
        UsageError::Receipts {
            path: self.path.clone(),
            source,
        }
    }
}
