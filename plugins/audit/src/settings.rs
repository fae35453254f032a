//! The audit plugin's settings.

use crate::hash::Key;
use crate::{PROTECTED, Scribe};
use serde::Deserialize;
use std::collections::BTreeMap;
use witgate_plugin::{Glob, Problems};

/// `[settings]` of `policies/audit.toml`. Lists hold field names with `*`; dropping goes before hashing, hashing before
/// keeping.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Fields that are written; all of them if absent.
    #[serde(default = "everything")]
    keep: Vec<Glob>,
    /// Fields that are written as a keyed hash, so that equal values can still be told to be equal.
    #[serde(default)]
    hash: Vec<Glob>,
    /// Fields that are not written.
    #[serde(default)]
    drop: Vec<Glob>,
    /// The key of the hashes; needed where `hash` names anything.
    salt: Option<String>,
    /// Fixed tags, written as `tags.NAME`.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Tags that copy a field before it is dropped or hashed: name to field.
    #[serde(default)]
    copy: BTreeMap<String, String>,
}

/// Below this a salt can be guessed.
const SHORTEST_SALT: usize = 16;

fn everything() -> Vec<Glob> {
    vec![Glob::new("*")]
}

// === impl Settings ===

impl Settings {
    pub(crate) fn check(self) -> Result<Scribe, Problems> {
        let mut problems = Problems::default();
        for (name, globs) in [("hash", &self.hash), ("drop", &self.drop)] {
            for (index, glob) in globs.iter().enumerate() {
                if PROTECTED.contains(&glob.as_str()) {
                    problems.push(
                        format!("{name}[{index}]"),
                        format!("`{}` is always written as it is", glob.as_str()),
                    );
                }
            }
        }
        let salt = self.salt.unwrap_or_default();
        if !self.hash.is_empty() && salt.len() < SHORTEST_SALT {
            problems.push(
                "salt",
                format!("hashing needs a salt of at least {SHORTEST_SALT} bytes"),
            );
        }
        for name in self
            .copy
            .keys()
            .filter(|name| self.tags.contains_key(*name))
        {
            problems.push(
                format!("copy.{name}"),
                "`tags` has a tag of this name as well",
            );
        }
        problems.or(Scribe {
            keep: self.keep,
            hash: self.hash,
            drop: self.drop,
            key: Key::new(salt.as_bytes()),
            tags: self.tags.into_iter().collect(),
            copies: self.copy.into_iter().collect(),
        })
    }
}
