//! Where an upstream's credential comes from. The secret itself is read when it is needed, and shown nowhere.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;

/// What an upstream is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A credential of its own, which takes the place of the caller's.
    Own(OwnCredential),
    /// The caller's own `authorization` and `x-api-key`, as they came. The gateway knows the caller by something else.
    Client,
}

/// A credential and how it is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCredential {
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
    /// What a command prints; run again when that expires.
    Command(CredentialCommand),
}

/// A command that prints a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialCommand {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How long a credential is used that does not say when it expires.
    pub refresh: Duration,
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
    /// The file that it is read from, if it is.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Own(own) => match &own.source {
                CredentialSource::File(path) => Some(path),
                CredentialSource::Env(_) | CredentialSource::Command(_) => None,
            },
            Self::Client => None,
        }
    }
}

// === impl OwnCredential ===

impl OwnCredential {
    /// Reads the secret from where it lies; none for one that a command has to be run for.
    ///
    /// # Errors
    ///
    /// Says what is missing and where; never the secret.
    pub fn read(&self) -> Option<Result<HeaderValue, String>> {
        let secret = match &self.source {
            CredentialSource::Env(name) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set")),
            CredentialSource::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display())),
            CredentialSource::Command(_) => return None,
        };
        Some(secret.and_then(|secret| self.header_value(&secret)))
    }

    /// Puts a secret into its header value, marked as sensitive.
    ///
    /// # Errors
    ///
    /// Says where it came from and what is wrong with it; never the secret.
    pub fn header_value(&self, secret: &str) -> Result<HeaderValue, String> {
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
            // Its arguments may be secrets.
            Self::Command(command) => write!(f, "the output of {}", command.program),
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
