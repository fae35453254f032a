//! Where an upstream's credential comes from. The secret itself is read when it is needed, and shown nowhere.

use std::path::PathBuf;

use http::HeaderValue;

/// A credential and how it is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Where it is read from.
    pub source: CredentialSource,
    /// The header that carries it.
    pub header: CredentialHeader,
}

/// Where a credential is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// An environment variable.
    Env(String),
    /// A file, its surrounding white space left out; read again when it changes.
    File(PathBuf),
}

/// The header that carries a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialHeader {
    /// `x-api-key: SECRET`
    ApiKey,
    /// `Authorization: Bearer SECRET`
    Bearer,
}

// === impl Credential ===

impl Credential {
    /// Reads the secret and puts it into its header value, marked as sensitive.
    ///
    /// # Errors
    ///
    /// Says what is missing and where; never the secret.
    pub fn read(&self) -> Result<HeaderValue, String> {
        let secret = match &self.source {
            CredentialSource::Env(name) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set"))?,
            CredentialSource::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
        };
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(format!("{} is empty", self.source));
        }
        let text = match self.header {
            CredentialHeader::ApiKey => secret.to_owned(),
            CredentialHeader::Bearer => format!("Bearer {secret}"),
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| format!("{} holds characters no header can", self.source))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

// === impl CredentialSource ===

impl std::fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

// === impl CredentialHeader ===

impl CredentialHeader {
    /// The header's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "x-api-key",
            Self::Bearer => "authorization",
        }
    }
}
