//! Keys of a resource, and tokens of Microsoft Entra.
//!
//! A token comes from a client's secret, from a workload's own token (a federated credential, as Kubernetes writes it to a file), or from
//! the machine (a managed identity). Each is one question ([`Entra::ask`]), and the environment may name one ([`environment`]). Nothing is
//! read or sent here.

mod answer;
mod client;
pub mod environment;

use std::time::SystemTime;

use witgate_dialect::question::form;
use witgate_dialect::{Bearer, Question, Reach, Secret};

pub use answer::BadToken;
pub use client::{AUDIENCE, BadClient, Client, Proof};
pub use witgate_dialect::Answer;

/// The metadata service of a machine.
const MACHINE: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
/// The version of the metadata service that Microsoft's libraries ask.
const MACHINE_VERSION: &str = "2018-02-01";

/// A way to be let in.
#[derive(Debug, Clone)]
pub enum Access {
    /// A key of the resource.
    Key(Secret),
    /// A token of Entra.
    Token(Bearer),
}

/// A way to tokens of Entra.
#[derive(Debug, Clone)]
pub enum Entra {
    /// A client of a tenant.
    Client(Client),
    /// A managed identity of the machine: its own, or the one with this client id.
    Machine(Option<String>),
}

// === impl Access ===

impl Access {
    /// Returns the header that carries the credential, as Anthropic's SDKs send it.
    pub fn header(&self) -> (&'static str, Secret) {
        match self {
            Self::Key(key) => ("x-api-key", key.clone()),
            Self::Token(bearer) => bearer.header(),
        }
    }
}

// === impl Entra ===

impl Entra {
    /// Returns true for a way by the machine's own service.
    pub fn is_machine(&self) -> bool {
        matches!(self, Self::Machine(_))
    }

    /// Returns the path of the file that the caller reads before each question.
    pub fn token_file(&self) -> Option<&str> {
        match self {
            Self::Client(client) => client.token_file(),
            Self::Machine(_) => None,
        }
    }

    /// Returns the question for a token. `assertion` is the text of [`Entra::token_file`], if there is one.
    ///
    /// # Errors
    /// [`BadToken`] without the text that has to be there.
    pub fn ask(&self, assertion: Option<&str>) -> Result<Question, BadToken> {
        match self {
            Self::Client(client) => client.ask(assertion),
            Self::Machine(client) => Ok(machine(client.as_deref())),
        }
    }

    /// Reads the answer to the question, by the time `now`.
    ///
    /// # Errors
    /// [`BadToken`].
    pub fn answer(&self, answer: Answer<'_>, now: SystemTime) -> Result<Bearer, BadToken> {
        answer::bearer(answer, self.way(), now)
    }

    fn way(&self) -> answer::Way {
        match self {
            Self::Client(client) => client.way(),
            Self::Machine(_) => answer::Way::Machine,
        }
    }
}

fn machine(client: Option<&str>) -> Question {
    let mut fields = vec![("api-version", MACHINE_VERSION), ("resource", AUDIENCE)];
    fields.extend(client.map(|id| ("client_id", id)));
    let question = Question::get(format!("{MACHINE}?{}", form(&fields)), Reach::Machine);
    question.with("metadata", Secret::new("true"))
}

#[cfg(test)]
mod tests;
