//! The endpoint of an instance (EC2, IMDSv2): a token, then the name of the role, then its keys.

use super::Keys;
use super::answer::{self, BadAnswer};
use crate::{Question, Reach, Secret};

/// The endpoint.
const ENDPOINT: &str = "http://169.254.169.254";
/// The path of the role's name, and before the name that of its keys.
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// The lifetime of a token in seconds, which is asked for. Each renewal asks for a new one.
const LIFETIME: &str = "300";

/// A token, which later questions carry.
#[derive(Debug, Clone)]
pub struct Token(Secret);

/// The name of the instance's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role(String);

/// Returns the first question, for a token.
pub fn ask_token() -> Question {
    let question = Question {
        method: "PUT",
        ..Question::get(format!("{ENDPOINT}/latest/api/token"), Reach::Machine)
    };
    question.with(
        "x-aws-ec2-metadata-token-ttl-seconds",
        Secret::new(LIFETIME),
    )
}

// === impl Token ===

impl Token {
    /// Reads the answer to the first question.
    ///
    /// # Errors
    /// [`BadAnswer`].
    pub fn answer(status: u16, body: &[u8]) -> Result<Self, BadAnswer> {
        let hint = "allow the metadata service (IMDSv2) for this instance; in a container its hop limit must be 2";
        line(status, body, hint, "a token").map(|token| Self(Secret::new(token)))
    }

    /// Returns the second question, for the role's name.
    pub fn ask_role(&self) -> Question {
        self.ask(ROLES)
    }

    /// Returns the third question, for the keys of the role.
    pub fn ask_keys(&self, role: &Role) -> Question {
        self.ask(&format!("{ROLES}{}", role.0))
    }

    fn ask(&self, path: &str) -> Question {
        let question = Question::get(format!("{ENDPOINT}{path}"), Reach::Machine);
        question.with("x-aws-ec2-metadata-token", self.0.clone())
    }
}

// === impl Role ===

impl Role {
    /// Reads the answer to the second question.
    ///
    /// # Errors
    /// [`BadAnswer`].
    pub fn answer(status: u16, body: &[u8]) -> Result<Self, BadAnswer> {
        let hint = "give the instance a role";
        let name = line(status, body, hint, "a role")?;
        // The characters of a role's name (IAM), so that it is one segment of a path.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@-_".contains(&byte);
        if !name.bytes().all(plain) || name.starts_with('.') {
            return Err(BadAnswer::Form {
                missing: "a role's name",
            });
        }
        Ok(Self(name.to_owned()))
    }
}

/// Reads the answer to the third question.
///
/// # Errors
/// [`BadAnswer`].
pub fn answer_keys(status: u16, body: &[u8]) -> Result<Keys, BadAnswer> {
    if status != 200 {
        let hint = "look whether the instance's role still exists";
        return Err(BadAnswer::Status { status, hint });
    }
    answer::keys(body)
}

/// Returns the first line of an answer.
fn line<'a>(
    status: u16,
    body: &'a [u8],
    hint: &'static str,
    missing: &'static str,
) -> Result<&'a str, BadAnswer> {
    if status != 200 {
        return Err(BadAnswer::Status { status, hint });
    }
    let text = std::str::from_utf8(body).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default().trim();
    let printable = line.bytes().all(|byte| byte.is_ascii_graphic());
    if line.is_empty() || !printable {
        return Err(BadAnswer::Form { missing });
    }
    Ok(line)
}
