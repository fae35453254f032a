//! `[ledger]`, checked.

use super::Check;
use crate::config::Bounds;
use crate::config::file::ledger::LedgerFile;

/// Accounts that take some five gigabytes.
const MOST: usize = 1 << 24;

// === impl Check ===

impl Check<'_> {
    pub(super) fn ledger(&mut self, file: &LedgerFile) -> Bounds {
        let default = Bounds::default();
        let accounts = self.within("ledger.accounts", file.accounts, default.accounts, 1..=MOST);
        let per_owner = self.within(
            "ledger.accounts_per_tenant",
            file.accounts_per_tenant,
            (accounts / 4).max(1),
            1..=accounts,
        );
        Bounds {
            accounts,
            per_owner,
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
