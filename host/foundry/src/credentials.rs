//! Keys of a resource, and tokens of Microsoft Entra.
//!
//! A token comes from a client's secret, from a workload's own token (a federated credential, as Kubernetes writes it to a file), or from
//! the machine (a managed identity). Each is one question ([`Entra::ask`]); nothing is read or sent here.

mod answer;

use std::fmt;
use std::time::SystemTime;

use witgate_dialect::question::form;
use witgate_dialect::{Bearer, Question, Reach, Secret};

pub use answer::{Answer, BadToken};

/// The audience of tokens, by Anthropic's SDKs; Claude Code asks for the older `https://cognitiveservices.azure.com`.
pub const AUDIENCE: &str = "https://ai.azure.com";
/// Microsoft's public authority.
const AUTHORITY: &str = "login.microsoftonline.com";
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

/// A client (an application) of a tenant.
#[derive(Debug, Clone)]
pub struct Client {
    tenant: String,
    id: String,
    authority: String,
    proof: Proof,
}

/// The proof of a client.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A secret.
    Secret(Secret),
    /// A file with a token of another identity provider, which has to be read for each question, as its text changes.
    File(String),
}

/// The error of settings that are none. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what} of Microsoft Entra: use the one that the Azure portal shows")]
pub struct BadClient {
    /// The text.
    pub text: String,
    /// `tenant`, `client id` or `authority`.
    pub what: &'static str,
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
    /// Returns the path of the file that the caller reads before each question.
    pub fn token_file(&self) -> Option<&str> {
        match self {
            Self::Client(Client {
                proof: Proof::File(path),
                ..
            }) => Some(path),
            Self::Client(_) | Self::Machine(_) => None,
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
            Self::Client(Client {
                proof: Proof::Secret(_),
                ..
            }) => answer::Way::Secret,
            Self::Client(_) => answer::Way::Workload,
            Self::Machine(_) => answer::Way::Machine,
        }
    }
}

// === impl Client ===

impl Client {
    /// Checks a client. `authority` is another host than Microsoft's public one, as sovereign clouds have it.
    ///
    /// # Errors
    /// [`BadClient`].
    pub fn try_new(
        tenant: &str,
        id: &str,
        authority: Option<&str>,
        proof: Proof,
    ) -> Result<Self, BadClient> {
        let host = authority.unwrap_or(AUTHORITY);
        let host = host.strip_prefix("https://").unwrap_or(host);
        let host = host.trim_end_matches('/');
        for (text, what) in [(tenant, "tenant"), (id, "client id"), (host, "authority")] {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            let named = text.bytes().any(|byte| byte.is_ascii_alphanumeric());
            if !named || !text.bytes().all(plain) {
                let text = text.chars().take(100).collect();
                return Err(BadClient { text, what });
            }
        }
        Ok(Self {
            tenant: tenant.to_owned(),
            id: id.to_owned(),
            authority: host.to_owned(),
            proof,
        })
    }

    fn ask(&self, assertion: Option<&str>) -> Result<Question, BadToken> {
        let Self {
            tenant, authority, ..
        } = self;
        let url = format!("https://{authority}/{tenant}/oauth2/v2.0/token");
        let scope = format!("{AUDIENCE}/.default");
        let mut fields = vec![
            ("client_id", self.id.as_str()),
            ("grant_type", "client_credentials"),
            ("scope", &scope),
        ];
        match &self.proof {
            Proof::Secret(secret) => fields.push(("client_secret", secret.reveal())),
            Proof::File(_) => {
                let text = assertion.map(str::trim).filter(|text| !text.is_empty());
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                fields.push(("client_assertion", text.ok_or(BadToken::Assertion)?));
                fields.push(("client_assertion_type", kind));
            }
        }
        Ok(Question::form(url, &fields))
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {} of tenant {}", self.id, self.tenant)
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
