//! `[receipts.forget]`: fields that are removed from old receipts.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use witgate_config_file::Check;

/// Fields that no rule removes: receipts without them prove nothing.
const KEPT: [&str; 3] = ["id", "outcome", "chain"];

/// Shortest key for hashes, in bytes.
const MIN_KEY_BYTES: usize = 16;

/// A rule that removes fields from receipts some time after their segment was closed.
#[derive(Clone, PartialEq, Eq)]
pub struct Forget {
    /// The time.
    pub age: Duration,
    /// Names of fields that are dropped, dotted. `*` at the end stands for all below.
    pub drop: Vec<String>,
    /// Names of fields whose values are replaced by hashes.
    pub hash: Vec<String>,
    /// The key of the hashes.
    pub key: Arc<[u8]>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ForgetFile {
    after_days: NonZeroU32,
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default)]
    hash: Vec<String>,
    hash_key: Option<KeyFile>,
}

/// The source of the key.
#[derive(Debug, Deserialize)]
struct KeyFile {
    env: Option<String>,
    file: Option<PathBuf>,
}

// === impl ForgetFile ===

impl ForgetFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> Forget {
        if self.drop.is_empty() && self.hash.is_empty() {
            check.problem("", "must have fields to `drop` or to `hash`");
        }
        for (key, list) in [("drop", &self.drop), ("hash", &self.hash)] {
            for (index, name) in list.iter().enumerate() {
                if let Some(problem) = problem_of(name) {
                    check.problem(&format!("{key}[{index}]"), problem);
                }
            }
        }
        let key = match (self.hash_key, self.hash.is_empty()) {
            (None, true) => Ok(String::new()),
            (None, false) => Err("is missing: `hash` needs a key, { env = … } or { file = … }, so that values can't be guessed".to_owned()),
            (Some(key), _) => key.read(check),
        };
        let key = key.unwrap_or_else(|problem| {
            check.problem("hash_key", problem);
            String::new()
        });
        Forget {
            age: super::days(self.after_days),
            drop: self.drop,
            hash: self.hash,
            key: key.into_bytes().into(),
        }
    }
}

fn problem_of(name: &str) -> Option<&'static str> {
    let plain = name.strip_suffix(".*").unwrap_or(name);
    if plain.is_empty() || plain.contains('*') || plain.split('.').any(str::is_empty) {
        return Some(
            "must be the name of a field, such as `client.address`, or `metadata.*` for all below",
        );
    }
    if KEPT.contains(&plain) {
        return Some("is never removed: a receipt without it proves nothing");
    }
    None
}

// === impl KeyFile ===

impl KeyFile {
    /// Returns the key, which no error has in it.
    fn read(self, check: &Check<'_>) -> Result<String, String> {
        let key = match (self.env, self.file) {
            (Some(name), None) => std::env::var(&name)
                .map_err(|_| format!("the environment variable {name} is not set"))?,
            (None, Some(file)) => {
                let file = check.resolve(file);
                std::fs::read_to_string(&file)
                    .map_err(|error| format!("{} cannot be read: {error}", file.display()))?
            }
            _ => return Err("must have one of `env` and `file`".to_owned()),
        };
        let key = key.trim();
        if key.len() < MIN_KEY_BYTES {
            return Err(format!("is shorter than {MIN_KEY_BYTES} bytes"));
        }
        Ok(key.to_owned())
    }
}

// === impl Forget ===

// Written by hand because of the key.
impl std::fmt::Debug for Forget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forget")
            .field("age", &self.age)
            .field("drop", &self.drop)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}
