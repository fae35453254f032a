//! `[state]`: the directory of what lasts: the store, and the journal of the ledger.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use witgate_config_file::Check;
use witgate_journal::Lease;

use crate::text::picousd;

/// The directory of the store and the ledger's journal, and the rules for trouble with the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The directory, which need not exist yet.
    pub directory: PathBuf,
    /// The rule for requests while the journal can't be written.
    pub on_journal_failure: OnJournalFailure,
    /// The rule for a start with a damaged journal.
    pub on_journal_damage: OnJournalDamage,
    /// The most that a loss of power may forget.
    pub lease: Lease,
}

/// The usual lease: a busy gateway spends a hundredth of it between two syncs of a usual disk.
const LEASE: Lease = Lease {
    picousd: 10_000_000_000_000,
    tokens: 10_000_000,
    requests: 10_000,
};

/// The rule for requests with charges while the ledger's journal can't be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnJournalFailure {
    /// Refuses them. Exchanges that run go on.
    #[default]
    Refuse,
    /// Serves them. If the process is killed meanwhile, their spending is forgotten.
    Serve,
}

/// The rule for a start with a journal that is damaged before its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnJournalDamage {
    /// Refuses to start.
    #[default]
    Refuse,
    /// Starts with the part that can be read.
    Serve,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct StateFile {
    directory: Option<PathBuf>,
    on_journal_failure: Option<OnJournalFailure>,
    on_journal_damage: Option<OnJournalDamage>,
    unsynced_usd: Option<String>,
    unsynced_tokens: Option<u64>,
    unsynced_requests: Option<u64>,
}

// === impl State ===

impl State {
    /// Returns the directory of the ledger's journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.directory.join("ledger")
    }

    /// Returns the directory of compiled plugins, unless another one is configured.
    pub(super) fn code(state: Option<&Self>) -> Option<&Path> {
        state.map(|state| state.directory.as_path())
    }
}

// === impl StateFile ===

impl StateFile {
    /// Returns the state, or `None` without a directory.
    pub(super) fn check(self, check: &mut Check<'_>) -> Option<State> {
        let Some(directory) = self.directory else {
            let rules = [
                ("on_journal_failure", self.on_journal_failure.is_some()),
                ("on_journal_damage", self.on_journal_damage.is_some()),
                ("unsynced_usd", self.unsynced_usd.is_some()),
                ("unsynced_tokens", self.unsynced_tokens.is_some()),
                ("unsynced_requests", self.unsynced_requests.is_some()),
            ];
            for (key, _) in rules.into_iter().filter(|(_, is_set)| *is_set) {
                check.problem(key, "needs `directory`: without one there is no journal");
            }
            return None;
        };
        let lease = Lease {
            picousd: match self.unsynced_usd.as_deref().map(picousd) {
                None => LEASE.picousd,
                Some(Some(picousd)) => picousd,
                Some(None) => {
                    check.problem(
                        "unsynced_usd",
                        "must be an amount in US dollars as text, such as \"10.00\"",
                    );
                    LEASE.picousd
                }
            },
            tokens: self.unsynced_tokens.unwrap_or(LEASE.tokens),
            requests: self.unsynced_requests.unwrap_or(LEASE.requests),
        };
        let path = check.resolve(directory);
        if path.exists() && !path.is_dir() {
            check.problem(
                "directory",
                format!("{} is not a directory", path.display()),
            );
        }
        Some(State {
            directory: path,
            on_journal_failure: self.on_journal_failure.unwrap_or_default(),
            on_journal_damage: self.on_journal_damage.unwrap_or_default(),
            lease,
        })
    }
}
