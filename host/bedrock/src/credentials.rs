//! Credentials from where AWS's own tools find them.
//!
//! The order is AWS's: the environment ([`environment`]), the shared files ([`profile`]), the container's endpoint ([`container`]) and the
//! instance's ([`instance`]). Nothing is read here: variables and texts are arguments, and a question to an endpoint is a
//! value ([`Question`](crate::Question)) that the caller sends over its own HTTP, and whose answer it brings back. Keys that end have a [`Lease`], which
//! says when to renew them.

mod answer;
pub mod container;
pub mod environment;
mod ini;
pub mod instance;
pub mod profile;

use std::fmt;
use std::time::SystemTime;

use aws_credential_types::Credentials;

use crate::Secret;

pub use answer::BadAnswer;
pub use witgate_dialect::{Lease, State};

/// A way to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// A signature with keys.
    Keys(Keys),
    /// An API key of Bedrock's (`AWS_BEARER_TOKEN_BEDROCK`).
    ApiKey(Secret),
}

/// The keys of an account or a role.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    id: String,
    secret: Secret,
    session: Option<Secret>,
    expires: Option<SystemTime>,
}

// === impl Keys ===

impl Keys {
    /// Returns keys. `session` is the token that keys of roles have, and `expires` their end.
    pub fn new(
        id: impl Into<String>,
        secret: impl Into<String>,
        session: Option<String>,
        expires: Option<SystemTime>,
    ) -> Self {
        Self {
            id: id.into(),
            secret: Secret::new(secret),
            session: session.map(Secret::new),
            expires,
        }
    }

    /// Returns the end of the keys.
    pub fn lease(&self) -> Lease {
        Lease::until(self.expires)
    }

    /// Returns the public half, by which AWS's logs name the keys.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn for_signer(&self) -> Credentials {
        let session = self.session.as_ref().map(|token| token.reveal().to_owned());
        Credentials::new(
            self.id.as_str(),
            self.secret.reveal(),
            session,
            None,
            "witgate",
        )
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("id", &self.id)
            .field("session", &self.session.is_some())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
