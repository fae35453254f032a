//! Answers of Entra and of the machine's metadata service.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer};
use witgate_dialect::{Answer, Bearer, Skew};

/// The least difference of clocks that counts.
const LEAST_SKEW: Duration = Duration::from_secs(60);
/// The longest part of an endpoint's words that is repeated.
const MAX_WORDS: usize = 300;

/// The error of a way to a token. It contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// The endpoint refuses.
    #[error("Microsoft Entra gives no token ({status} {said}): {cure}")]
    Refused {
        /// The status.
        status: u16,
        /// The endpoint's words.
        said: String,
        /// A cure for the operator.
        cure: String,
    },
    /// The endpoint has no answer at the moment; another attempt may help.
    #[error("Microsoft's endpoint for tokens answered {status}: ask again later")]
    Unavailable {
        /// The status.
        status: u16,
    },
    /// The answer has another form.
    #[error("Microsoft's endpoint for tokens gave an answer without {missing}")]
    Form {
        /// The missing part.
        missing: &'static str,
    },
    /// The file with the workload's own token is empty or was not read.
    #[error(
        "the file with the workload's own token is empty: look whether the pod's service account is federated"
    )]
    Assertion,
}

/// The way to a token, as far as cures depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Secret,
    Workload,
    Machine,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<String>,
    /// Seconds; the machine's service writes them as a text.
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OauthError {
    error: String,
    error_description: String,
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    Ok(match Option::<Seconds>::deserialize(deserializer)? {
        Some(Seconds::Number(number)) => Some(number),
        Some(Seconds::Text(text)) => text.parse().ok(),
        None => None,
    })
}

/// Reads a token, by the time `now`.
pub(super) fn bearer(answer: Answer<'_>, way: Way, now: SystemTime) -> Result<Bearer, BadToken> {
    if answer.status != 200 {
        return Err(refused(answer, way, now));
    }
    let read: TokenAnswer =
        serde_json::from_slice(answer.body).map_err(|_| BadToken::Form { missing: "JSON" })?;
    let end = read.expires_in;
    let end = end.and_then(|seconds| Bearer::end_after(seconds, now));
    let end = end.ok_or(BadToken::Form {
        missing: "the token's end",
    })?;
    let token = read.access_token.unwrap_or_default();
    Bearer::until(&token, end).ok_or(BadToken::Form {
        missing: "an access token",
    })
}

fn refused(answer: Answer<'_>, way: Way, now: SystemTime) -> BadToken {
    let status = answer.status;
    // The machine's service says 410 and 404 while it restarts.
    if status >= 500 || matches!(status, 410 | 429) {
        return BadToken::Unavailable { status };
    }
    let read: OauthError = serde_json::from_slice(answer.body).unwrap_or_default();
    let words = read.error_description.lines().next().unwrap_or_default();
    let code = words.split(':').next().unwrap_or_default();
    // AADSTS700024: the assertion is not within its time.
    let skew = Skew::between(answer.date, now, LEAST_SKEW).filter(|_| code == "AADSTS700024");
    let cure = match skew {
        Some(skew) => skew.cure("Microsoft"),
        None => cure(way, &read.error, code).to_owned(),
    };
    let said = match (read.error.as_str(), words) {
        ("", "") => "without words".to_owned(),
        (error, words) => format!("{error}: {words}"),
    };
    BadToken::Refused {
        status,
        said: said.chars().take(MAX_WORDS).collect(),
        cure,
    }
}

/// Returns what an operator can do, by the way, the error and Microsoft's code.
fn cure(way: Way, error: &str, code: &str) -> &'static str {
    match (way, code) {
        (_, "AADSTS7000222") => "the client's secret is expired: make a new one",
        (_, "AADSTS7000215") => {
            "the client's secret is wrong: use the secret's value, not its id, or make a new one"
        }
        (_, "AADSTS700016") => "the tenant has no such client: check the client id and the tenant",
        (_, "AADSTS90002") => "there is no such tenant: check its id",
        (_, "AADSTS70021" | "AADSTS700213" | "AADSTS700211") => {
            "the client has no federated credential for this workload: check its issuer, subject and audience"
        }
        (_, "AADSTS700024") => {
            "the workload's own token is expired: look whether its file is renewed, and check this machine's clock"
        }
        (Way::Machine, _) if error == "invalid_request" => {
            "the machine has no such identity: assign one, and name its client id if there are several"
        }
        (Way::Machine, _) => "allow the metadata service for this process",
        (Way::Secret, _) => "check the tenant, the client id and the secret",
        (Way::Workload, _) => "check the tenant, the client id and the federated credential",
    }
}
