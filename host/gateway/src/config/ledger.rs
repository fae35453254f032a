//! `[ledger]`: the number of accounts that budgets keep.

use serde::Deserialize;
use witgate_config_file::Check;

pub use witgate_ledger::Bounds;

/// Maximum of `accounts`. So many take about five gigabytes.
const MAX_ACCOUNTS: usize = 1 << 24;

#[derive(Debug, Default, Deserialize)]
pub(super) struct LedgerFile {
    accounts: Option<usize>,
    accounts_per_tenant: Option<usize>,
}

// === impl LedgerFile ===

impl LedgerFile {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Bounds {
        let default = Bounds::default().accounts;
        let accounts = check.number("accounts", self.accounts, default, 1..=MAX_ACCOUNTS);
        let quarter = (accounts / 4).max(1);
        Bounds {
            accounts,
            per_owner: check.number(
                "accounts_per_tenant",
                self.accounts_per_tenant,
                quarter,
                1..=accounts,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Bounds, Config};

    fn parse(more: &str) -> Result<Bounds, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witgate.toml");
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n[plugins]\ndirectory = \".\"\n\
             [upstreams.a]\nbase_url = \"http://127.0.0.1:1\"\n{more}"
        );
        Config::parse(Path::new(&path), &text)
            .map(|config| config.ledger)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_tenant_has_a_quarter_of_the_accounts_unless_the_operator_says_otherwise() {
        assert_eq!(parse(""), Ok(Bounds::default()), "what the ledger says");
        assert_eq!(
            parse("[ledger]\naccounts = 1000\n"),
            Ok(Bounds {
                accounts: 1000,
                per_owner: 250
            }),
            "a quarter"
        );
        assert_eq!(
            parse("[ledger]\naccounts = 1000\naccounts_per_tenant = 900\n"),
            Ok(Bounds {
                accounts: 1000,
                per_owner: 900
            }),
            "both"
        );
    }

    #[test]
    fn no_tenant_may_have_more_accounts_than_there_are() {
        let told = parse("[ledger]\naccounts = 10\naccounts_per_tenant = 11\n").unwrap_err();
        assert!(told.contains("ledger.accounts_per_tenant"), "{told}");
        let told = parse("[ledger]\naccounts = 0\n").unwrap_err();
        assert!(told.contains("ledger.accounts"), "{told}");
    }
}
