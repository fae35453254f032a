//! The endpoint of a container (ECS, EKS Pod Identity).

use witgate_dialect::question::may_carry_secrets;

use super::Keys;
use super::answer::{self, BadAnswer};
use crate::{Question, Reach, Secret};

/// The address of ECS's endpoint, below which a relative address is.
const ECS: &str = "http://169.254.170.2";
/// Hosts that may be asked without TLS, beside the loopback: those of ECS, and of EKS in both families of addresses.
const LINK_LOCAL: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// The endpoint of a container, by its environment.
#[derive(Debug, Clone)]
pub struct Container {
    url: String,
    token: Token,
}

/// The proof that a container's process may ask.
#[derive(Debug, Clone)]
enum Token {
    None,
    Text(Secret),
    /// A file, which has to be read for each question, as its text changes.
    File(String),
}

/// The error of an address that may not be asked. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`AWS_CONTAINER_CREDENTIALS_FULL_URI` is `{url}`, and without https it may only name this machine or the container's own endpoint"
)]
pub struct BadAddress {
    /// The address.
    pub url: String,
}

// === impl Container ===

impl Container {
    /// Reads the endpoint of the environment.
    pub(super) fn read(get: &impl Fn(&'static str) -> Option<String>) -> Option<Self> {
        let url = match get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            Some(path) => format!("{ECS}{path}"),
            None => get("AWS_CONTAINER_CREDENTIALS_FULL_URI")?,
        };
        let file = get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Token::File);
        let text =
            || get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|text| Token::Text(Secret::new(text)));
        Some(Self {
            url,
            token: file.or_else(text).unwrap_or(Token::None),
        })
    }

    /// Returns the path of the file with the proof, which the caller reads before each question.
    pub fn token_file(&self) -> Option<&str> {
        match &self.token {
            Token::File(path) => Some(path),
            Token::None | Token::Text(_) => None,
        }
    }

    /// Returns the question for keys. `token` is the text of [`Container::token_file`], if there is one.
    ///
    /// # Errors
    /// [`BadAddress`] for an address to which the proof must not go in the clear.
    pub fn ask(&self, token: Option<&str>) -> Result<Question, BadAddress> {
        if !may_carry_secrets(&self.url, &LINK_LOCAL) {
            let url = self.url.chars().take(200).collect();
            return Err(BadAddress { url });
        }
        let proof = match &self.token {
            Token::None => None,
            Token::Text(text) => Some(text.clone()),
            Token::File(_) => token.map(|text| Secret::new(text.trim())),
        };
        let question = Question::get(self.url.as_str(), Reach::Machine);
        Ok(match proof {
            Some(proof) => question.with("authorization", proof),
            None => question,
        })
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// [`BadAnswer`].
    pub fn answer(status: u16, body: &[u8]) -> Result<Keys, BadAnswer> {
        if status != 200 {
            let hint = "look whether the task or the pod has a role";
            return Err(BadAnswer::Status { status, hint });
        }
        answer::keys(body)
    }
}
