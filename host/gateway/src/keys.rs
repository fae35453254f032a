//! Virtual keys: who may come in, without ever storing what they show.
//!
//! The keys file holds the SHA-256 of each key. A key is 32 random bytes, so the plain hash cannot be turned back and
//! needs no salt; looking it up by its hash tells an attacker nothing about other keys.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use witgate_runtime::problem::{Document, Problems};

use crate::hex;

/// What every virtual key starts with, so that a leaked one is recognised.
const PREFIX: &str = "wgk-";

/// Who a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Public id of the key.
    pub id: Arc<str>,
    /// Tenant.
    pub tenant: Option<String>,
    /// Person or service.
    pub user: Option<String>,
    /// Tier, for example `free`.
    pub tier: Option<String>,
    /// Further labels, by name.
    pub labels: Vec<(String, String)>,
}

/// The callers, by the hash of their key.
#[derive(Debug)]
pub struct Keyring {
    entrance: Entrance,
}

#[derive(Debug)]
enum Entrance {
    Keys(HashMap<[u8; 32], Arc<Caller>>),
    Open(Arc<Caller>),
}

/// A key that was just made. Its secret is shown once, and can't be shown again.
pub struct NewKey {
    /// What the caller presents.
    pub secret: String,
    /// What the keys file holds.
    pub hash: String,
}

#[derive(Debug, Deserialize)]
struct KeyringFile {
    #[serde(default)]
    key: Vec<KeyFile>,
}

#[derive(Debug, Deserialize)]
struct KeyFile {
    id: String,
    hash: String,
    tenant: Option<String>,
    user: Option<String>,
    tier: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    disabled: bool,
}

// === impl Keyring ===

impl Keyring {
    /// Lets everybody in, as one caller.
    #[must_use]
    pub fn open() -> Self {
        let everybody = Caller {
            id: "open".into(),
            tenant: None,
            user: None,
            tier: None,
            labels: Vec::new(),
        };
        Self {
            entrance: Entrance::Open(Arc::new(everybody)),
        }
    }

    /// Reads a keys file.
    ///
    /// # Errors
    ///
    /// Every problem of the file at once, each with its line.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problems::unreadable(&path.to_string_lossy(), &error))?;
        Self::parse(path, &text)
    }

    /// Checks the text of a keys file that was read from `path`.
    ///
    /// # Errors
    ///
    /// As [`Keyring::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        let document = Document::parse(&path.to_string_lossy(), text)?;
        let (file, mut problems) = document.read_known::<KeyringFile>()?;
        let mut callers = HashMap::with_capacity(file.key.len());
        let mut ids = std::collections::HashSet::new();
        for (index, key) in file.key.into_iter().enumerate() {
            let at = |field: &str| format!("key[{index}].{field}");
            if key.id.is_empty() || !ids.insert(key.id.clone()) {
                problems.push(document.problem(&at("id"), "each key has an id of its own"));
            }
            let Some(hash) = key.hash.strip_prefix("sha256:").and_then(hex::decode32) else {
                problems.push(document.problem(
                    &at("hash"),
                    "sha256: and 64 hex digits, as `witgate key new` prints",
                ));
                continue;
            };
            let caller = Caller {
                id: key.id.into(),
                tenant: key.tenant,
                user: key.user,
                tier: key.tier,
                labels: key.labels.into_iter().collect(),
            };
            if !key.disabled && callers.insert(hash, Arc::new(caller)).is_some() {
                problems.push(document.problem(&at("hash"), "another key has the same hash"));
            }
        }
        problems.into_result()?;
        Ok(Self {
            entrance: Entrance::Keys(callers),
        })
    }

    /// The caller who presents `secret`, if it is known.
    #[must_use]
    pub fn caller(&self, secret: Option<&[u8]>) -> Option<Arc<Caller>> {
        match &self.entrance {
            Entrance::Open(everybody) => Some(Arc::clone(everybody)),
            Entrance::Keys(callers) => callers
                .get(&<[u8; 32]>::from(Sha256::digest(secret?)))
                .map(Arc::clone),
        }
    }

    /// Number of keys that let somebody in; none when everybody may.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        match &self.entrance {
            Entrance::Open(_) => None,
            Entrance::Keys(callers) => Some(callers.len()),
        }
    }
}

// === impl NewKey ===

impl NewKey {
    /// Makes a key of 32 random bytes from the operating system.
    #[must_use]
    pub fn random() -> Self {
        let bytes: [u8; 32] = rand::Rng::r#gen(&mut rand::rngs::OsRng);
        let secret = format!("{PREFIX}{}", hex::encode(&bytes));
        let hash = format!("sha256:{}", hex::encode(&Sha256::digest(secret.as_bytes())));
        Self { secret, hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(key: &NewKey) -> String {
        format!(
            "[[key]]\nid = \"alice\"\nhash = \"{}\"\ntenant = \"acme\"\nlabels = {{ team = \"x\" }}\n",
            key.hash
        )
    }

    #[test]
    fn a_new_key_opens_the_gate_for_its_caller_only() {
        let key = NewKey::random();
        let ring = Keyring::parse(Path::new("keys.toml"), &file(&key)).unwrap();
        let caller = ring
            .caller(Some(key.secret.as_bytes()))
            .expect("the key is known");
        assert_eq!(
            (&*caller.id, caller.tenant.as_deref()),
            ("alice", Some("acme")),
            "whose key it is"
        );
        assert_eq!(
            ring.caller(Some(NewKey::random().secret.as_bytes())),
            None,
            "another key stays outside"
        );
        assert_eq!(ring.caller(None), None, "no key stays outside");
    }

    #[test]
    fn a_disabled_key_stays_outside() {
        let key = NewKey::random();
        let text = file(&key) + "disabled = true\n";
        let ring = Keyring::parse(Path::new("keys.toml"), &text).unwrap();
        assert_eq!(ring.caller(Some(key.secret.as_bytes())), None, "disabled");
    }

    #[test]
    fn every_problem_of_a_keys_file_is_told_at_once() {
        let text = "[[key]]\nid = \"a\"\nhash = \"plain\"\ncolour = 1\n\n[[key]]\nid = \"a\"\nhash = \"sha256:00\"\n";
        let problems = Keyring::parse(Path::new("keys.toml"), text)
            .unwrap_err()
            .to_string();
        for told in ["keys.toml:3", "keys.toml:4", "keys.toml:7", "keys.toml:8"] {
            assert!(problems.contains(told), "{told} is told in:\n{problems}");
        }
    }
}
