//! `[ledger]`, as written.

use serde::Deserialize;

/// `[ledger]`
#[derive(Debug, Default, Deserialize)]
pub struct LedgerFile {
    /// Accounts of all tenants.
    pub accounts: Option<usize>,
    /// Accounts of one tenant.
    pub accounts_per_tenant: Option<usize>,
}
