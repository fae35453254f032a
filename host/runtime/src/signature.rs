//! Who made a plugin: detached minisign signatures, checked against the keys that an operator trusts.

use minisign_verify::{PublicKey, Signature};
use std::path::Path;

/// The public keys that plugins have to be signed with. Without any, signatures are not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

/// A file of trusted keys that can't be used: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum TrustedKeysError {
    /// It can't be read.
    #[error("the trusted keys {0} can't be read: {1}")]
    Read(String, #[source] std::io::Error),
    /// A line is no key.
    #[error(
        "{file}:{line}: not a minisign public key; give the line of 56 characters that `minisign -G` prints, one key a line"
    )]
    Key {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// There is no key in it, which would trust nobody.
    #[error("{0} has no key; give one a line, or name no file to load plugins without signatures")]
    Empty(String),
}

// === impl TrustedKeys ===

impl TrustedKeys {
    /// Reads a file of minisign public keys, one a line. Blank lines and comments, which start with `#` or with
    /// `untrusted comment:` as minisign writes it, are left out.
    ///
    /// # Errors
    ///
    /// When it can't be read, a line is no key, or there is none.
    pub fn read(file: &Path) -> Result<Self, TrustedKeysError> {
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&name, &text),
            Err(error) => Err(TrustedKeysError::Read(name, error)),
        }
    }

    /// Reads the text of such a file.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn parse(file: &str, text: &str) -> Result<Self, TrustedKeysError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with("untrusted comment:") {
                continue;
            }
            let key = PublicKey::from_base64(line).map_err(|_| TrustedKeysError::Key {
                file: file.to_owned(),
                line: index + 1,
            })?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(TrustedKeysError::Empty(file.to_owned()));
        }
        Ok(Self(keys))
    }

    /// Checks that bytes are signed by one of the keys.
    ///
    /// # Errors
    ///
    /// The reason that they are not.
    pub(crate) fn check(&self, bytes: &[u8], signature: Option<&str>) -> Result<(), &'static str> {
        if self.0.is_empty() {
            return Ok(());
        }
        let text = signature.ok_or("it has no signature, and plugins have to be signed here")?;
        let signature =
            Signature::decode(text).map_err(|_| "its signature is not one of minisign")?;
        // The older form without a hash in between is taken as well: it signs the same bytes.
        let signed = |key: &PublicKey| key.verify(bytes, &signature, true).is_ok();
        match self.0.iter().any(signed) {
            true => Ok(()),
            false => Err("its signature is of other bytes, or of a key that is not trusted"),
        }
    }
}
