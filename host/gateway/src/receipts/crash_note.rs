//! An exchange that a crash ended, on the receipt of its settlement.

use std::sync::Arc;

/// The amounts that were settled in the place of an exchange that a crash ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CrashNote {
    /// The tenant or key whose budgets it was charged to.
    pub(crate) owner: Arc<str>,
    /// Tokens of all kinds.
    pub(crate) tokens: u64,
    pub(crate) requests: u64,
}
