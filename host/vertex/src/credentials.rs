//! Tokens of Google's, from a file of credentials or from the machine.
//!
//! The kinds of files are those of Google's own libraries: the key of a service account, a user's refresh token, and a description of
//! a federated workload ([`Credentials::read`]). The way to a token is one or more questions; [`Credentials::begin`] gives the
//! first step and each answer gives the next one, until there is a [`Bearer`](crate::Bearer). The environment says where to look
//! ([`environment`]). Nothing is read or sent here.

mod account;
mod answer;
pub mod environment;
mod federated;
mod file;
mod key;
mod machine;
mod scope;
mod step;
mod user;

use std::time::SystemTime;

use serde::Deserialize;

pub use account::ServiceAccount;
pub use answer::BadToken;
pub use federated::Federated;
pub use file::BadFile;
pub use machine::Machine;
pub use step::{Pending, Step};
pub use user::User;
pub use witgate_dialect::Answer;

/// A way to tokens.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// The key of a service account.
    ServiceAccount(ServiceAccount),
    /// A user's refresh token, as `gcloud auth application-default login` writes it.
    User(User),
    /// A workload that another identity provider vouches for (workload identity federation).
    Federated(Box<Federated>),
    /// The machine's own service account, which its metadata server gives tokens for.
    Machine(Machine),
}

/// The members that say what a file is.
#[derive(Deserialize)]
struct Kind {
    r#type: String,
    universe_domain: Option<String>,
}

// === impl Credentials ===

impl Credentials {
    /// Reads a file of credentials.
    ///
    /// # Errors
    /// [`BadFile`].
    pub fn read(text: &str) -> Result<Self, BadFile> {
        let form = |_| BadFile::Form;
        let kind: Kind = serde_json::from_str(text).map_err(form)?;
        if let Some(domain) = kind.universe_domain.filter(|it| it != "googleapis.com") {
            let what = format!("`universe_domain` {}", file::short(&domain));
            return Err(BadFile::Unsupported { what });
        }
        match kind.r#type.as_str() {
            "service_account" => {
                let raw = serde_json::from_str(text).map_err(form)?;
                ServiceAccount::read(raw).map(Self::ServiceAccount)
            }
            "authorized_user" => {
                let raw = serde_json::from_str(text).map_err(form)?;
                User::read(raw).map(Self::User)
            }
            "external_account" => {
                let raw = serde_json::from_str(text).map_err(form)?;
                Federated::read(raw).map(Box::new).map(Self::Federated)
            }
            other => Err(BadFile::Unsupported {
                what: format!("the type `{}`", file::short(other)),
            }),
        }
    }

    /// Returns the machine's own way. `host` is another metadata server (`GCE_METADATA_HOST`).
    pub fn machine(host: Option<&str>) -> Self {
        Self::Machine(Machine::at(host))
    }

    /// Returns the project that a file belongs to, if it says one.
    pub fn project(&self) -> Option<&str> {
        match self {
            Self::ServiceAccount(account) => account.project.as_deref(),
            Self::User(_) | Self::Federated(_) | Self::Machine(_) => None,
        }
    }

    /// Returns the first step to a token.
    ///
    /// # Errors
    /// [`BadToken`] if the key cannot sign.
    pub fn begin(&self, now: SystemTime) -> Result<Step<'_>, BadToken> {
        Ok(match self {
            Self::ServiceAccount(account) => Step::only(account.ask(now)?, "service account"),
            Self::User(user) => Step::only(user.ask(), "user"),
            Self::Federated(federated) => Step::first(federated),
            Self::Machine(machine) => Step::only(machine.ask(), "machine"),
        })
    }
}

#[cfg(test)]
mod tests;
