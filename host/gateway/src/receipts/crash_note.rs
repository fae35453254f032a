//! An exchange that a crash ended, on the receipt of its settlement.

use std::sync::Arc;

use witgate_ledger::Amounts;

/// The amounts that were settled in the place of an exchange that a crash ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CrashNote {
    /// The tenant or key whose budgets it was charged to.
    pub(crate) owner: Arc<str>,
    /// The amounts, of which the receipt has the money elsewhere.
    pub(crate) amounts: Amounts,
}
