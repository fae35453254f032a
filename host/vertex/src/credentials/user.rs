//! Refresh tokens of users.

use serde::Deserialize;
use witgate_dialect::{Question, Secret};

use super::file::{BadFile, https, there};

/// A user's refresh token.
#[derive(Debug, Clone)]
pub struct User {
    client_id: String,
    client_secret: Secret,
    refresh_token: Secret,
    token_url: String,
}

/// The file as it is written.
#[derive(Deserialize)]
pub(super) struct Raw {
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    token_uri: Option<String>,
}

// === impl User ===

impl User {
    /// Checks a file.
    pub(super) fn read(raw: Raw) -> Result<Self, BadFile> {
        let has = |value, member| there(value, "authorized_user", member);
        Ok(Self {
            client_id: has(raw.client_id, "client_id")?,
            client_secret: Secret::new(has(raw.client_secret, "client_secret")?),
            refresh_token: Secret::new(has(raw.refresh_token, "refresh_token")?),
            token_url: https(raw.token_uri, "token_uri")?,
        })
    }

    /// Returns the question for a token.
    pub(super) fn ask(&self) -> Question {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.reveal()),
            ("refresh_token", self.refresh_token.reveal()),
        ];
        Question::form(self.token_url.as_str(), &fields)
    }
}
