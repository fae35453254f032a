//! `[batches]`: how batches are decided and settled.

use std::time::Duration;

use serde::Deserialize;
use witgate_config_file::Check;

/// The times that batches are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches {
    /// Time between two polls of batches whose results no client has read.
    pub poll: Duration,
    /// Maximum time for the plugins to decide about all requests of one batch.
    pub decide: Duration,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct BatchesFile {
    poll_ms: Option<u64>,
    decide_ms: Option<u64>,
}

// === impl BatchesFile ===

impl BatchesFile {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Batches {
        Batches {
            poll: check.millis("poll_ms", self.poll_ms, Duration::from_secs(60)),
            decide: check.millis("decide_ms", self.decide_ms, Duration::from_secs(10)),
        }
    }
}
