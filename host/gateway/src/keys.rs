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

/// Hex digits behind it.
const DIGITS: usize = 64;

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
    /// Models that it may ask for, as patterns with `*`; none is all of them.
    pub models: Option<Vec<String>>,
    /// Workspaces that it may ask in, as patterns with `*`; none is any of them, and none at all.
    pub workspaces: Option<Vec<String>>,
    /// Environments that it may ask in, in the same way.
    pub environments: Option<Vec<String>>,
}

/// The callers, by the hash of their key.
#[derive(Debug)]
pub struct Keyring {
    entrance: Entrance,
}

/// Callers by what they show.
#[derive(Debug, Default)]
struct Known {
    /// By the hash of their key.
    keys: HashMap<[u8; 32], Arc<Caller>>,
    /// By the hash of their client certificate.
    certificates: HashMap<[u8; 32], Arc<Caller>>,
}

#[derive(Debug)]
enum Entrance {
    Known(Known),
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
    hash: Option<String>,
    /// The hash of a client certificate.
    certificate: Option<String>,
    tenant: Option<String>,
    user: Option<String>,
    tier: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    disabled: bool,
    models: Option<Vec<String>>,
    workspaces: Option<Vec<String>>,
    environments: Option<Vec<String>>,
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
            models: None,
            workspaces: None,
            environments: None,
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
        let mut known = Known::default();
        let mut ids = std::collections::HashSet::new();
        for (index, key) in file.key.into_iter().enumerate() {
            let at = |field: &str| format!("key[{index}].{field}");
            if key.id.is_empty() || !ids.insert(key.id.clone()) {
                problems.push(document.problem(&at("id"), "each key has an id of its own"));
            }
            if key.models.as_ref().is_some_and(Vec::is_empty) {
                let message =
                    "name at least one pattern, or leave the key out: then every model is allowed";
                problems.push(document.problem(&at("models"), message));
            }
            for (field, names) in [
                ("workspaces", &key.workspaces),
                ("environments", &key.environments),
            ] {
                if names.as_ref().is_some_and(Vec::is_empty) {
                    let message =
                        "name at least one pattern, or leave the key out: then it is bound to none";
                    problems.push(document.problem(&at(field), message));
                }
            }
            if key.tenant.as_deref().is_some_and(is_no_tenant) {
                let message = "a name that is not empty and does not begin with `key:`, which keys without a tenant have";
                problems.push(document.problem(&at("tenant"), message));
            }
            let mut read = |field: &str, written: Option<&str>| {
                let hash = written?.strip_prefix("sha256:").and_then(hex::decode32);
                if hash.is_none() {
                    problems.push(document.problem(
                        &at(field),
                        "sha256: and 64 hex digits, as `witgate key new` prints",
                    ));
                }
                hash
            };
            let hash = read("hash", key.hash.as_deref());
            let certificate = read("certificate", key.certificate.as_deref());
            let is_wrong = |field: &str| problems.is_about(&at(field));
            let wrong = is_wrong("hash") || is_wrong("certificate");
            if key.hash.is_none() && key.certificate.is_none() && !wrong {
                problems.push(document.problem(
                    &format!("key[{index}]"),
                    "a key has a hash, a certificate, or both",
                ));
            }
            let caller = Arc::new(Caller {
                id: key.id.into(),
                tenant: key.tenant,
                user: key.user,
                tier: key.tier,
                labels: key.labels.into_iter().collect(),
                models: key.models,
                workspaces: key.workspaces,
                environments: key.environments,
            });
            if key.disabled {
                continue;
            }
            for (field, hash, callers) in [
                ("hash", hash, &mut known.keys),
                ("certificate", certificate, &mut known.certificates),
            ] {
                let taken = hash.and_then(|hash| callers.insert(hash, Arc::clone(&caller)));
                if taken.is_some() {
                    problems.push(document.problem(&at(field), "another key has the same hash"));
                }
            }
        }
        problems.into_result()?;
        Ok(Self {
            entrance: Entrance::Known(known),
        })
    }

    /// The caller who presents `secret`, if it is known.
    #[must_use]
    pub fn caller(&self, secret: Option<&[u8]>) -> Option<Arc<Caller>> {
        match &self.entrance {
            Entrance::Open(everybody) => Some(Arc::clone(everybody)),
            Entrance::Known(known) => known
                .keys
                .get(&<[u8; 32]>::from(Sha256::digest(secret?)))
                .map(Arc::clone),
        }
    }

    /// Whether a secret is a key of this gateway, known, disabled or of old: one that nobody else may see.
    #[must_use]
    pub fn is_ours(&self, secret: &[u8]) -> bool {
        let known = match &self.entrance {
            Entrance::Open(_) => false,
            Entrance::Known(_) => self.caller(Some(secret)).is_some(),
        };
        known || secret.starts_with(PREFIX.as_bytes())
    }

    /// Whether there is something in a value that has the shape of this gateway's keys, whoever they belong to.
    #[must_use]
    pub fn holds_shape(value: &[u8]) -> bool {
        value.len() >= PREFIX.len() + DIGITS
            && memchr::memmem::find_iter(value, PREFIX).any(|at| {
                value
                    .get(at + PREFIX.len()..at + PREFIX.len() + DIGITS)
                    .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            })
    }

    /// Whether everybody may come in, so that there are no keys.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.entrance, Entrance::Open(_))
    }

    /// The caller whose client certificate has this SHA-256, if it is known. The TLS layer has verified the certificate.
    #[must_use]
    pub fn caller_of_certificate(&self, digest: &[u8]) -> Option<Arc<Caller>> {
        match &self.entrance {
            Entrance::Open(everybody) => Some(Arc::clone(everybody)),
            Entrance::Known(known) => known.certificates.get(digest).map(Arc::clone),
        }
    }

    /// Number of keys that let somebody in; none when everybody may.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        match &self.entrance {
            Entrance::Open(_) => None,
            Entrance::Known(known) => Some(known.keys.len() + known.certificates.len()),
        }
    }
}

/// Whether a tenant's name could be taken for that of a key without one.
fn is_no_tenant(name: &str) -> bool {
    name.is_empty() || name.starts_with("key:")
}

// === impl Caller ===

impl Caller {
    /// Whether it may ask for this model, or resource.
    #[must_use]
    pub fn may_use(&self, model: &str) -> bool {
        match &self.models {
            None => true,
            Some(patterns) => patterns.iter().any(|pattern| Self::matches(pattern, model)),
        }
    }

    /// Whether a text matches a pattern of a keys file, in which `*` stands for any characters.
    #[must_use]
    pub fn matches(pattern: &str, text: &str) -> bool {
        matches(pattern, text)
    }
}

/// Whether a text matches a pattern in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    // The last part is pinned to the end; each one between takes the first place that it finds.
    let mut parts = rest.split('*');
    let last = parts.next_back().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    text.ends_with(last)
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
    fn a_key_with_models_may_ask_for_these_only() {
        let key = NewKey::random();
        let text = file(&key) + "models = [\"claude-sonnet-*\", \"balanced\", \"*-5-5-*x\"]\n";
        let ring = Keyring::parse(Path::new("keys.toml"), &text).unwrap();
        let caller = ring.caller(Some(key.secret.as_bytes())).unwrap();
        for (model, wanted) in [
            ("claude-sonnet-5-5", true),
            ("claude-sonnet-", true),
            ("claude-sonnet", false),
            ("balanced", true),
            ("balanced2", false),
            ("claude-5-5-yx", true),
            ("claude-5-5-y", false),
            ("-5-5-x", true),
            ("-5-5x", false),
            ("", false),
        ] {
            assert_eq!(caller.may_use(model), wanted, "{model}");
        }
        let text = file(&key);
        let ring = Keyring::parse(Path::new("keys.toml"), &text).unwrap();
        let caller = ring.caller(Some(key.secret.as_bytes())).unwrap();
        assert!(caller.may_use("anything"), "without a list every model");
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
