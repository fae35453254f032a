//! Virtual keys: who may come in, without ever storing what they show.
//!
//! The keys file holds the SHA-256 of each key. A key is 32 random bytes, so the plain hash cannot be turned back and
//! needs no salt; looking it up by its hash tells an attacker nothing about other keys.
//!
//! Memory: about 300 bytes for a key without labels and lists of its own.

pub(crate) mod hex;
mod read;

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::tenants::concurrency::Share;

/// What every virtual key starts with, so that a leaked one is recognised.
const PREFIX: &str = "wgk-";

/// Hex digits behind it.
const DIGITS: usize = 64;

/// Who a key belongs to. There may be hundreds of thousands: what many have in common is kept once.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Public id of the key.
    pub id: Arc<str>,
    /// Tenant.
    pub tenant: Option<Arc<str>>,
    /// Person or service.
    pub user: Option<Arc<str>>,
    /// Tier, for example `free`.
    pub tier: Option<Arc<str>>,
    /// Further labels, by name.
    pub labels: Vec<(String, String)>,
    /// Models that it may ask for, as patterns with `*`; none is all of them.
    pub models: Option<Vec<String>>,
    /// Workspaces that it may ask in, as patterns with `*`; none is any of them, and none at all.
    pub workspaces: Option<Vec<String>>,
    /// Environments that it may ask in, in the same way.
    pub environments: Option<Vec<String>>,
    /// What it has under way.
    pub(crate) share: Share,
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
            share: Share::default(),
        };
        Self {
            entrance: Entrance::Open(Arc::new(everybody)),
        }
    }

    /// Goes on with what the keys of the same ids had under way in the keyring of before.
    pub(crate) fn go_on(&self, previous: &Self) {
        let under_way: HashMap<&str, &Share> = previous
            .callers()
            .filter(|caller| caller.share.is_under_way())
            .map(|caller| (&*caller.id, &caller.share))
            .collect();
        if under_way.is_empty() {
            return;
        }
        for caller in self.callers() {
            if let Some(share) = under_way.get(&*caller.id) {
                caller.share.go_on(share);
            }
        }
    }

    fn callers(&self) -> impl Iterator<Item = &Arc<Caller>> {
        let (known, everybody) = match &self.entrance {
            Entrance::Known(known) => (Some(known), None),
            Entrance::Open(everybody) => (None, Some(everybody)),
        };
        let known = known.into_iter();
        known
            .flat_map(|known| known.keys.values().chain(known.certificates.values()))
            .chain(everybody)
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
    use std::path::Path;

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
        let other = NewKey::random();
        assert!(
            ring.caller(Some(other.secret.as_bytes())).is_none(),
            "another key stays outside"
        );
        assert!(ring.caller(None).is_none(), "no key stays outside");
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
        assert!(
            ring.caller(Some(key.secret.as_bytes())).is_none(),
            "disabled"
        );
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
