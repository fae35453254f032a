//! Detached minisign signatures of plugins, checked against trusted keys.

use std::path::Path;

use minisign_verify::{PublicKey, Signature};

/// The public keys that plugins must be signed with. An empty set turns signatures off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

/// An error in a file of trusted keys, which the operator has to fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedKeysError {
    /// The file can't be read.
    #[error("the trusted keys {0} can't be read: {1}")]
    Read(String, #[source] std::io::Error),
    /// A line is not a key.
    #[error(
        "{file}:{line}: not a minisign public key; use the line of 56 characters that `minisign -G` prints, one key per line"
    )]
    Key {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// The file has no key, so no plugin would be trusted.
    #[error(
        "{0} has no key; put one on each line, or don't configure a file to load plugins without signatures"
    )]
    Empty(String),
}

// === impl TrustedKeys ===

impl TrustedKeys {
    /// Reads a file of minisign public keys, one per line. Blank lines are skipped, and so are comments, which start with
    /// `#`, or with `untrusted comment:` as minisign writes them.
    ///
    /// # Errors
    ///
    /// The file can't be read, a line is not a key, or there is no key.
    pub fn read(file: &Path) -> Result<Self, TrustedKeysError> {
        let name = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&name, &text),
            Err(error) => Err(TrustedKeysError::Read(name, error)),
        }
    }

    /// Parses the text of such a file.
    ///
    /// # Errors
    ///
    /// A line is not a key, or there is no key.
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
    /// The reason that the bytes are not trusted.
    pub(crate) fn check(&self, bytes: &[u8], signature: Option<&str>) -> Result<(), &'static str> {
        if self.0.is_empty() {
            return Ok(());
        }
        let text = signature.ok_or("it has no signature, and this host requires one")?;
        let signature =
            Signature::decode(text).map_err(|_| "its signature is not a minisign signature")?;
        // The older form, which signs the bytes themselves instead of their hash, is just as good.
        let signed = |key: &PublicKey| key.verify(bytes, &signature, true).is_ok();
        match self.0.iter().any(signed) {
            true => Ok(()),
            false => Err("its signature is for a different file, or by a key that is not trusted"),
        }
    }
}
