//! Answers of endpoints with keys.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use serde::Deserialize;

use super::Keys;

/// The error of an answer without keys. It never contains a part of the answer that could be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// The endpoint refuses: the role is missing, or the metadata service is not for this process.
    #[error("the endpoint for AWS credentials answered {status}: {hint}")]
    Status {
        /// The status.
        status: u16,
        /// A remedy.
        hint: &'static str,
    },
    /// The endpoint says that it has no keys.
    #[error("the endpoint for AWS credentials has none: {code}")]
    Refused {
        /// The endpoint's code, such as `AssumeRoleUnauthorizedAccess`.
        code: String,
    },
    /// The answer has another form.
    #[error("the endpoint for AWS credentials gave an answer without {missing}")]
    Form {
        /// The missing part.
        missing: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    token: Option<String>,
    expiration: Option<String>,
}

/// Reads keys.
pub(super) fn keys(body: &[u8]) -> Result<Keys, BadAnswer> {
    let without = |missing| BadAnswer::Form { missing };
    let answer: Answer = serde_json::from_slice(body).map_err(|_| without("JSON"))?;
    match answer.code {
        Some(code) if code != "Success" => {
            let code = code.chars().take(100).collect();
            return Err(BadAnswer::Refused { code });
        }
        _ => {}
    }
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let id = text(answer.access_key_id).ok_or(without("`AccessKeyId`"))?;
    let secret = text(answer.secret_access_key).ok_or(without("`SecretAccessKey`"))?;
    let expires = match text(answer.expiration) {
        Some(date) => Some(time(&date).ok_or(without("a date in `Expiration`"))?),
        None => None,
    };
    Ok(Keys::new(id, secret, text(answer.token), expires))
}

/// Reads a date of RFC 3339.
fn time(date: &str) -> Option<SystemTime> {
    let date = DateTime::parse_from_rfc3339(date).ok()?;
    let seconds = u64::try_from(date.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
