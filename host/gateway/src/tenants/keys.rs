//! Virtual keys: authenticates callers without storing their secrets.
//!
//! The keys file holds the SHA-256 of each key. A key is 32 random bytes, so its plain hash can't be reversed and needs no
//! salt, and a lookup by hash tells an attacker nothing about other keys.
//!
//! Memory: about 300 bytes for a key without labels and lists of its own.

mod read;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use witgate_runtime as contract;

use crate::tenants::concurrency::Share;

/// Prefix of every virtual key, by which a leaked one is recognized.
const PREFIX: &str = "wgk-";

/// Number of hex digits behind the prefix.
const DIGITS: usize = 64;

/// The holder of a key. There may be hundreds of thousands, so common names are shared.
#[derive(Debug, Clone, Default)]
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
    /// Models that the key may use, as patterns with `*`, or `None` for all.
    pub models: Option<Vec<String>>,
    /// Workspaces that the key is bound to, as patterns with `*`, or `None` if it is bound to none.
    pub workspaces: Option<Vec<String>>,
    /// Environments that the key is bound to, in the same way.
    pub environments: Option<Vec<String>>,
    /// The key's requests in flight.
    pub(crate) share: Share,
    /// The caller in the form of the contract, made at its first request.
    pub(crate) seen: OnceLock<Box<contract::Caller>>,
}

/// The callers of all keys.
#[derive(Debug)]
pub struct Keyring {
    access: Access,
}

/// Callers by their credential.
#[derive(Debug, Default)]
struct Known {
    /// Callers by the hash of their key.
    keys: HashMap<[u8; 32], Arc<Caller>>,
    /// Callers by the hash of their client certificate.
    certificates: HashMap<[u8; 32], Arc<Caller>>,
}

#[derive(Debug)]
enum Access {
    Known(Known),
    Open(Arc<Caller>),
}

/// A new key. Its secret can't be recovered from the hash.
pub struct NewKey {
    /// The secret that the caller presents.
    pub secret: String,
    /// The hash for the keys file.
    pub hash: String,
}

// === impl Keyring ===

impl Keyring {
    /// Returns a keyring that admits every request, as one caller.
    #[must_use]
    pub fn open() -> Self {
        let anyone = Caller {
            id: "open".into(),
            ..Caller::default()
        };
        Self {
            access: Access::Open(Arc::new(anyone)),
        }
    }

    /// Takes over the counts of requests in flight from the keys with the same ids in the previous keyring.
    pub(crate) fn inherit(&self, previous: &Self) {
        let in_flight: HashMap<&str, &Share> = previous
            .callers()
            .filter(|caller| caller.share.is_in_flight())
            .map(|caller| (&*caller.id, &caller.share))
            .collect();
        if in_flight.is_empty() {
            return;
        }
        for caller in self.callers() {
            if let Some(share) = in_flight.get(&*caller.id) {
                caller.share.inherit(share);
            }
        }
    }

    fn callers(&self) -> impl Iterator<Item = &Arc<Caller>> {
        let (known, anyone) = match &self.access {
            Access::Known(known) => (Some(known), None),
            Access::Open(anyone) => (None, Some(anyone)),
        };
        let known = known.into_iter();
        known
            .flat_map(|known| known.keys.values().chain(known.certificates.values()))
            .chain(anyone)
    }

    /// Returns the caller with this secret, or `None` if it is unknown.
    #[must_use]
    pub fn caller(&self, secret: Option<&[u8]>) -> Option<Arc<Caller>> {
        match &self.access {
            Access::Open(anyone) => Some(Arc::clone(anyone)),
            Access::Known(known) => known
                .keys
                .get(&<[u8; 32]>::from(Sha256::digest(secret?)))
                .map(Arc::clone),
        }
    }

    /// Returns whether a secret is a key of this gateway, known, disabled or removed, which no upstream may see.
    #[must_use]
    pub fn is_ours(&self, secret: &[u8]) -> bool {
        let known = match &self.access {
            Access::Open(_) => false,
            Access::Known(_) => self.caller(Some(secret)).is_some(),
        };
        known || secret.starts_with(PREFIX.as_bytes())
    }

    /// Returns whether a value contains something with the shape of a virtual key, of this gateway or another.
    #[must_use]
    pub fn holds_shape(value: &[u8]) -> bool {
        value.len() >= PREFIX.len() + DIGITS
            && memchr::memmem::find_iter(value, PREFIX).any(|at| {
                value
                    .get(at + PREFIX.len()..at + PREFIX.len() + DIGITS)
                    .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            })
    }

    /// Returns the caller whose client certificate has this SHA-256, or `None` if it is unknown. The TLS layer has verified the
    /// certificate.
    #[must_use]
    pub fn caller_of_certificate(&self, digest: &[u8]) -> Option<Arc<Caller>> {
        match &self.access {
            Access::Open(anyone) => Some(Arc::clone(anyone)),
            Access::Known(known) => known.certificates.get(digest).map(Arc::clone),
        }
    }

    /// Returns the number of credentials, or `None` if every request is admitted.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        match &self.access {
            Access::Open(_) => None,
            Access::Known(known) => Some(known.keys.len() + known.certificates.len()),
        }
    }
}

// === impl Caller ===

impl Caller {
    /// Returns the caller as plugins see it.
    pub(crate) fn as_plugins_see_it(&self) -> &contract::Caller {
        self.seen.get_or_init(|| {
            Box::new(contract::Caller {
                key_id: self.id.to_string(),
                tenant: self.tenant.as_deref().map(Into::into),
                user: self.user.as_deref().map(Into::into),
                tier: self.tier.as_deref().map(Into::into),
                labels: self.labels.clone(),
            })
        })
    }

    /// Returns whether the key may use this model or resource.
    #[must_use]
    pub fn may_use(&self, model: &str) -> bool {
        match &self.models {
            None => true,
            Some(patterns) => patterns.iter().any(|pattern| Self::matches(pattern, model)),
        }
    }

    /// Returns whether a text matches a pattern of a keys file, in which `*` stands for any characters.
    pub(crate) fn matches(pattern: &str, text: &str) -> bool {
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
}

// === impl NewKey ===

impl NewKey {
    /// Generates a key of 32 random bytes from the operating system.
    #[must_use]
    pub fn random() -> Self {
        let bytes: [u8; 32] = rand::Rng::r#gen(&mut rand::rngs::OsRng);
        let secret = format!("{PREFIX}{}", hex::encode(bytes));
        let hash = format!("sha256:{}", hex::encode(Sha256::digest(secret.as_bytes())));
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
