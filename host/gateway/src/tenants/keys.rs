//! Virtual keys: authenticates callers without storing their secrets.
//!
//! The keys file holds the SHA-256 of each key. A key is 32 random bytes, so its plain hash can't be reversed and needs no
//! salt, and a lookup by hash tells an attacker nothing about other keys.
//!
//! A key may expire, and may have a predecessor that stays valid until its holder has changed over.
//!
//! Memory: about 300 bytes for a key without labels and lists of its own.

mod caller;
pub(crate) mod fields;
mod last_use;
mod read;
mod validity;

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use witgate_ledger::UnixMillis;

pub use self::caller::Caller;
use self::last_use::LastUse;
pub use self::validity::{InvalidTime, Validity};

/// Prefix of every virtual key, by which a leaked one is recognized.
const PREFIX: &str = "wgk-";

/// Number of hex digits behind the prefix.
const DIGITS: usize = 64;

/// The callers of all keys.
#[derive(Debug)]
pub struct Keyring {
    access: Access,
}

/// Callers by their credential.
#[derive(Debug, Default)]
struct Known {
    /// Credentials by the hash of the key.
    keys: HashMap<[u8; 32], Credential>,
    /// Credentials by the hash of the client certificate.
    certificates: HashMap<[u8; 32], Credential>,
}

/// A key or a client certificate of a caller.
#[derive(Debug, Clone)]
struct Credential {
    caller: Arc<Caller>,
    kind: CredentialKind,
    validity: Validity,
}

/// The kind of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    Key,
    /// The key before the last rotation.
    PreviousKey,
    Certificate,
}

/// A credential without its secret and hash.
pub(crate) struct Entry<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) kind: CredentialKind,
    pub(crate) validity: Validity,
}

/// The reason for which a credential does not identify a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unidentified {
    /// There is no credential, or no caller has it.
    Unknown,
    /// The credential was valid until this time.
    Expired(UnixMillis),
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

    /// Takes over the counts of requests in flight and the times of the last use from the keys with the same ids in the
    /// previous keyring.
    pub(crate) fn inherit(&self, previous: &Self) {
        let used: HashMap<&str, &Caller> = previous
            .callers()
            .filter(|caller| caller.last_use.get().is_some() || caller.share.is_in_flight())
            .map(|caller| (&*caller.id, caller))
            .collect();
        if used.is_empty() {
            return;
        }
        for caller in self.callers() {
            if let Some(before) = used.get(&*caller.id) {
                if before.share.is_in_flight() {
                    caller.share.inherit(&before.share);
                }
                caller.last_use.inherit(&before.last_use);
            }
        }
    }

    /// Returns the callers, one of several credentials more than once.
    fn callers(&self) -> impl Iterator<Item = &Caller> {
        let anyone = match &self.access {
            Access::Known(_) => None,
            Access::Open(anyone) => Some(&**anyone),
        };
        self.entries().map(|entry| entry.caller).chain(anyone)
    }

    /// Returns the credentials, in an order that does not change.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let known = match &self.access {
            Access::Known(known) => Some(known),
            Access::Open(_) => None,
        };
        let known = known.into_iter();
        known
            .flat_map(|known| known.keys.values().chain(known.certificates.values()))
            .map(|credential| Entry {
                caller: &credential.caller,
                kind: credential.kind,
                validity: credential.validity,
            })
    }

    /// Returns the caller with this secret.
    ///
    /// # Errors
    ///
    /// The secret is missing or unknown, or was valid until before `now`.
    pub fn caller(
        &self,
        secret: Option<&[u8]>,
        now: UnixMillis,
    ) -> Result<Arc<Caller>, Unidentified> {
        match &self.access {
            Access::Open(anyone) => Ok(Arc::clone(anyone)),
            Access::Known(known) => {
                let secret = secret.ok_or(Unidentified::Unknown)?;
                known.keys.get(&hash(secret)).identify(now)
            }
        }
    }

    /// Returns whether a secret is a key of this gateway, known, expired, disabled or removed, which no upstream may see.
    #[must_use]
    pub fn is_ours(&self, secret: &[u8]) -> bool {
        let known = match &self.access {
            Access::Open(_) => false,
            Access::Known(known) => known.keys.contains_key(&hash(secret)),
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

    /// Returns the caller whose client certificate has this SHA-256. The TLS layer has verified the certificate.
    ///
    /// # Errors
    ///
    /// The certificate is unknown, or its key was valid until before `now`.
    pub fn caller_of_certificate(
        &self,
        digest: &[u8],
        now: UnixMillis,
    ) -> Result<Arc<Caller>, Unidentified> {
        match &self.access {
            Access::Open(anyone) => Ok(Arc::clone(anyone)),
            Access::Known(known) => known.certificates.get(digest).identify(now),
        }
    }

    /// Returns the number of credentials that may be used for any model or resource, or `None` if every request is admitted.
    pub(crate) fn count_unlimited(&self) -> Option<usize> {
        match &self.access {
            Access::Open(_) => None,
            Access::Known(_) => {
                let unlimited = |entry: &Entry<'_>| entry.caller.models.is_none();
                Some(self.entries().filter(unlimited).count())
            }
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

/// Returns the SHA-256 of a secret, by which its credential is found.
pub(crate) fn hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

impl CredentialKind {
    /// Returns the name, as on the admin page.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::PreviousKey => "previous key",
            Self::Certificate => "certificate",
        }
    }
}

/// A credential that may be unknown.
trait Identify {
    /// Returns the caller if the credential is known and still valid.
    fn identify(self, now: UnixMillis) -> Result<Arc<Caller>, Unidentified>;
}

impl Identify for Option<&Credential> {
    fn identify(self, now: UnixMillis) -> Result<Arc<Caller>, Unidentified> {
        let credential = self.ok_or(Unidentified::Unknown)?;
        match credential.validity.ended(now) {
            Some(end) => Err(Unidentified::Expired(end)),
            None => Ok(Arc::clone(&credential.caller)),
        }
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
mod tests;
