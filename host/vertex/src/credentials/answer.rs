//! Answers of endpoints for tokens.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use serde::Deserialize;
use witgate_dialect::{Answer, Bearer, Skew};

use crate::fault::GoogleError;

/// The least difference of clocks that counts. An assertion is refused if it was signed in Google's future.
const LEAST_SKEW: Duration = Duration::from_secs(60);
/// The longest part of an endpoint's words that is repeated.
const MAX_WORDS: usize = 200;

/// The error of a way to a token. It contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// The endpoint refuses.
    #[error("Google gives the {way} no token ({status} {said}): {cure}")]
    Refused {
        /// The way, such as `service account`.
        way: &'static str,
        /// The status.
        status: u16,
        /// The endpoint's words.
        said: String,
        /// A cure for the operator.
        cure: String,
    },
    /// The endpoint has no answer at the moment; another attempt may help.
    #[error("Google's endpoint for tokens of the {way} answered {status}: ask again later")]
    Unavailable {
        /// The way.
        way: &'static str,
        /// The status.
        status: u16,
    },
    /// The answer has another form.
    #[error("Google's endpoint for tokens gave an answer without {missing}")]
    Form {
        /// The missing part.
        missing: &'static str,
    },
    /// The subject's token is missing where the file says that it is.
    #[error(
        "the federated workload's own token is missing or has another form than `credential_source.format` says"
    )]
    Subject,
    /// The server of the subject's token refuses.
    #[error(
        "the server of `credential_source.url` answered {status}: look whether this machine may ask it"
    )]
    SubjectStatus {
        /// The status.
        status: u16,
    },
    /// The key cannot sign.
    #[error("the key of Google's service account cannot sign: make a new one")]
    Unsignable,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountAnswer {
    access_token: Option<String>,
    expire_time: Option<String>,
}

/// An error of OAuth.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OauthError {
    error: String,
    error_description: String,
}

/// Reads the token in an answer of OAuth's form.
pub(super) fn token(
    answer: Answer<'_>,
    way: &'static str,
    now: SystemTime,
) -> Result<Bearer, BadToken> {
    if answer.status != 200 {
        return Err(refused(answer, way, now));
    }
    let read: TokenAnswer = json(answer.body)?;
    let end = read.expires_in;
    let end = end.and_then(|seconds| Bearer::end_after(seconds, now));
    bearer(read.access_token, end)
}

/// Reads the token of a service account (`generateAccessToken`).
pub(super) fn account(answer: Answer<'_>, now: SystemTime) -> Result<Bearer, BadToken> {
    if answer.status != 200 {
        return Err(refused(answer, "service account of the workload", now));
    }
    let read: AccountAnswer = json(answer.body)?;
    let end = read.expire_time.as_deref().and_then(time);
    bearer(read.access_token, end)
}

fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, BadToken> {
    serde_json::from_slice(body).map_err(|_| BadToken::Form { missing: "JSON" })
}

fn bearer(token: Option<String>, end: Option<SystemTime>) -> Result<Bearer, BadToken> {
    let end = end.ok_or(BadToken::Form {
        missing: "the token's end",
    })?;
    let token = token.unwrap_or_default();
    Bearer::until(&token, end).ok_or(BadToken::Form {
        missing: "an access token",
    })
}

/// Reads a date of RFC 3339.
fn time(date: &str) -> Option<SystemTime> {
    let date = DateTime::parse_from_rfc3339(date).ok()?;
    let seconds = u64::try_from(date.timestamp()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn refused(answer: Answer<'_>, way: &'static str, now: SystemTime) -> BadToken {
    let status = answer.status;
    if status >= 500 || status == 429 {
        return BadToken::Unavailable { way, status };
    }
    let oauth: OauthError = serde_json::from_slice(answer.body).unwrap_or_default();
    let google = GoogleError::read(answer.body).unwrap_or_default();
    let said = match (oauth.error.as_str(), google.status.as_str()) {
        ("", "") => "without words".to_owned(),
        ("", _) => format!("{}: {}", google.status, google.message),
        (error, _) => format!("{error}: {}", oauth.error_description),
    };
    let skew = Skew::between(answer.date, now, LEAST_SKEW);
    let by_time = matches!(oauth.error.as_str(), "invalid_grant" | "invalid_token");
    let cure = match skew {
        Some(skew) if by_time => skew.cure("Google"),
        _ => cure(way, status, &oauth.error).to_owned(),
    };
    BadToken::Refused {
        way,
        status,
        said: said.chars().take(MAX_WORDS).collect(),
        cure,
    }
}

/// Returns what an operator can do, by the way and the error.
fn cure(way: &str, status: u16, error: &str) -> &'static str {
    match (way, error) {
        ("service account", "invalid_grant") => {
            "the key or its account was deleted or disabled: make a new key"
        }
        ("user", "invalid_grant") => {
            "the refresh token is expired or revoked: run `gcloud auth application-default login` again"
        }
        ("user" | "service account", _) => "look whether the file is whole and of this project",
        ("federated workload", "invalid_grant") => {
            "the workload's own token is expired, or not for this pool: renew it where it comes from"
        }
        ("federated workload", _) => {
            "check `audience`, `subject_token_type` and the provider of the pool"
        }
        ("machine", _) if status == 404 => {
            "the machine has no service account: attach one, or set up workload identity in the cluster"
        }
        ("machine", _) => "allow the metadata server for this process",
        _ => {
            "give the workload the role roles/iam.workloadIdentityUser on the service account, and enable iamcredentials.googleapis.com"
        }
    }
}
