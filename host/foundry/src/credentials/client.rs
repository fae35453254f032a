//! Clients of a tenant of Microsoft Entra.

use std::fmt;

use witgate_dialect::question::may_carry_secrets;
use witgate_dialect::{Question, Secret};

use super::answer::{BadToken, Way};

/// The audience of tokens, by Anthropic's SDKs; Claude Code asks for the older `https://cognitiveservices.azure.com`.
pub const AUDIENCE: &str = "https://ai.azure.com";
/// Microsoft's public authority.
const AUTHORITY: &str = "login.microsoftonline.com";

/// A client (an application) of a tenant.
#[derive(Debug, Clone)]
pub struct Client {
    tenant: String,
    id: String,
    /// The address of the authority, without a slash at its end.
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

// === impl Client ===

impl Client {
    /// Checks a client. `authority` is another host than Microsoft's public one, as sovereign clouds have it, or its address.
    ///
    /// # Errors
    /// [`BadClient`].
    pub fn try_new(
        tenant: &str,
        id: &str,
        authority: Option<&str>,
        proof: Proof,
    ) -> Result<Self, BadClient> {
        let address = match authority.unwrap_or(AUTHORITY) {
            address if address.contains("://") => address.to_owned(),
            host => format!("https://{host}"),
        };
        let address = address.trim_end_matches('/');
        let host = address.split_once("://").map_or("", |(_, host)| host);
        if !may_carry_secrets(address, &[]) {
            let text = address.chars().take(100).collect();
            let what = "authority";
            return Err(BadClient { text, what });
        }
        for (text, what) in [(tenant, "tenant"), (id, "client id"), (host, "authority")] {
            let has_port = what == "authority";
            let plain = |byte: u8| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b'-' | b'.')
                    || (has_port && byte == b':')
            };
            let named = text.bytes().any(|byte| byte.is_ascii_alphanumeric());
            if !named || !text.bytes().all(plain) {
                let text = text.chars().take(100).collect();
                return Err(BadClient { text, what });
            }
        }
        Ok(Self {
            tenant: tenant.to_owned(),
            id: id.to_owned(),
            authority: address.to_owned(),
            proof,
        })
    }

    /// Returns the path of the file with a workload's token.
    pub(super) fn token_file(&self) -> Option<&str> {
        match &self.proof {
            Proof::File(path) => Some(path),
            Proof::Secret(_) => None,
        }
    }

    /// Returns the way, as far as cures depend on it.
    pub(super) fn way(&self) -> Way {
        match &self.proof {
            Proof::Secret(_) => Way::Secret,
            Proof::File(_) => Way::Workload,
        }
    }

    /// Returns the question for a token, with the text of the file that a workload's token is in.
    pub(super) fn ask(&self, assertion: Option<&str>) -> Result<Question, BadToken> {
        let Self {
            tenant, authority, ..
        } = self;
        let url = format!("{authority}/{tenant}/oauth2/v2.0/token");
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
