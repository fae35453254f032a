//! Keys of service accounts.

use std::time::SystemTime;

use serde::Deserialize;
use witgate_dialect::Question;

use super::answer::BadToken;
use super::file::{BadFile, https, there};
use super::key::Key;
use super::scope;

/// The key of a service account.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    pub(super) email: String,
    pub(super) key: Key,
    pub(super) token_url: String,
    pub(super) project: Option<String>,
}

/// The file as it is written.
#[derive(Deserialize)]
pub(super) struct Raw {
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<String>,
    token_uri: Option<String>,
    project_id: Option<String>,
}

// === impl ServiceAccount ===

impl ServiceAccount {
    /// Checks a file.
    pub(super) fn read(raw: Raw) -> Result<Self, BadFile> {
        let has = |value, member| there(value, "service_account", member);
        let pem = has(raw.private_key, "private_key")?;
        let id = raw.private_key_id.unwrap_or_default();
        Ok(Self {
            email: has(raw.client_email, "client_email")?,
            key: Key::read(&id, &pem).ok_or(BadFile::Key)?,
            token_url: https(raw.token_uri, "token_uri")?,
            project: raw.project_id,
        })
    }

    /// Returns the question for a token, with an assertion of the time `now`.
    pub(super) fn ask(&self, now: SystemTime) -> Result<Question, BadToken> {
        let assertion = self
            .key
            .assertion(&self.email, &self.token_url, scope::PLATFORM, now)?;
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        let fields = [("assertion", assertion.reveal()), ("grant_type", grant)];
        Ok(Question::form(self.token_url.as_str(), &fields))
    }
}
