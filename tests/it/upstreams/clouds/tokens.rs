//! A stand-in for the endpoints that give tokens: Google's, Microsoft Entra's, and the metadata services of machines.
//!
//! Its rules are those of google-auth and azure-identity, as they were recorded (`host/vertex/tests/fixtures/questions.json`,
//! `host/foundry/tests/fixtures/questions.json`).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Answer, Recorded, Upstream};

/// The beginning of each token, behind which its number follows.
pub(super) const TOKEN: &str = "very-secret-token-";
/// The secret of the client `client-1`.
pub(super) const CLIENT_SECRET: &str = "client-secret-of-the-test";
/// The token of a federated workload.
pub(super) const WORKLOAD: &str = "workload-secret-of-the-test";

/// The endpoints, and the number of tokens that they gave.
pub(super) struct Tokens {
    pub(super) endpoint: Upstream,
    pub(super) given: Arc<AtomicUsize>,
}

// === impl Tokens ===

impl Tokens {
    /// Starts the endpoints. `lasts` says how many seconds each token lasts; they are counted from 1.
    pub(super) async fn start(lasts: impl Fn(usize) -> u64 + Send + 'static) -> Self {
        let given = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&given);
        let endpoint = Upstream::start_with(move |request| {
            let give = || {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                (format!("{TOKEN}{number}"), lasts(number))
            };
            answer(request, give)
        })
        .await;
        Self { endpoint, given }
    }

    pub(super) fn given(&self) -> usize {
        self.given.load(Ordering::SeqCst)
    }

    /// Returns the file with a service account's key.
    pub(super) fn service_account(&self) -> Value {
        let mut file = fixture("service_account");
        file["token_uri"] = format!("{}/token", self.endpoint.url()).into();
        file
    }

    /// Returns the file with a user's refresh token.
    pub(super) fn user(&self) -> Value {
        let mut file = fixture("authorized_user");
        file["token_uri"] = format!("{}/token", self.endpoint.url()).into();
        file
    }

    /// Returns the description of a workload whose own token is in a file, and which acts as a service account.
    pub(super) fn federated(&self, subject: &str) -> Value {
        let mut file = fixture("impersonated");
        let url = self.endpoint.url();
        file["token_url"] = format!("{url}/sts").into();
        file["service_account_impersonation_url"] =
            format!("{url}/accounts/gate:generateAccessToken").into();
        file["credential_source"] = json!({"file": subject});
        file
    }
}

fn fixture(name: &str) -> Value {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/vertex/tests/fixtures/questions.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all[name]["file"].clone()
}

fn answer(request: &Recorded, give: impl FnOnce() -> (String, u64)) -> Answer {
    let path = request.target().split('?').next().unwrap_or_default();
    let header = |name: &str| request.headers.get(name).unwrap_or_default();
    let is_form = header("content-type") == "application/x-www-form-urlencoded";
    let form = if is_form {
        form(&request.body)
    } else {
        BTreeMap::new()
    };
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let grants = match field("grant_type") {
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => field("assertion").split('.').count() == 3,
        "refresh_token" => field("refresh_token") == "1//re+fresh",
        _ => false,
    };
    let checked = match (request.method(), path) {
        ("POST", "/token") if grants => Ok(()),
        ("POST", "/token") => Err(oauth_error(
            "invalid_grant",
            "Token has been expired or revoked.",
        )),
        ("POST", "/sts") if field("subject_token") == WORKLOAD => {
            let exchanged =
                json!({"access_token": "exchanged", "expires_in": 3600, "token_type": "Bearer"});
            return Answer::json(200, &[], &exchanged);
        }
        ("POST", "/sts") => Err(oauth_error(
            "invalid_grant",
            "The subject token is expired.",
        )),
        ("POST", "/accounts/gate:generateAccessToken") => {
            assert_eq!(
                header("authorization"),
                "Bearer exchanged",
                "by the exchange"
            );
            let (token, _) = give();
            let answer = json!({"accessToken": token, "expireTime": "2099-01-01T00:00:00Z"});
            return Answer::json(200, &[], &answer);
        }
        ("GET", "/computeMetadata/v1/instance/service-accounts/default/token")
            if header("metadata-flavor") == "Google" =>
        {
            Ok(())
        }
        ("POST", "/tenant-1/oauth2/v2.0/token") => {
            let is_client = field("client_id") == "client-1"
                && field("scope") == "https://ai.azure.com/.default"
                && field("grant_type") == "client_credentials";
            let proved =
                field("client_secret") == CLIENT_SECRET || field("client_assertion") == WORKLOAD;
            let wrong = "AADSTS7000215: Invalid client secret provided.";
            match (is_client, proved) {
                (true, true) => Ok(()),
                _ => Err(oauth_error("invalid_client", wrong)),
            }
        }
        ("GET", "/metadata/identity/oauth2/token") if header("metadata") == "true" => {
            let (token, lasts) = give();
            let answer = json!({"access_token": token, "expires_in": lasts.to_string()});
            return Answer::json(200, &[], &answer);
        }
        _ => Err(Answer::bytes(404, &[], "")),
    };
    match checked {
        Err(refused) => refused,
        Ok(()) => {
            let (token, lasts) = give();
            let answer =
                json!({"access_token": token, "expires_in": lasts, "token_type": "Bearer"});
            Answer::json(200, &[], &answer)
        }
    }
}

fn oauth_error(error: &str, words: &str) -> Answer {
    let body = json!({"error": error, "error_description": words});
    Answer::json(400, &[], &body)
}

/// Reads a form.
fn form(body: &[u8]) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(body).unwrap();
    let fields = text.split('&').filter_map(|field| field.split_once('='));
    fields
        .map(|(name, value)| (name.to_owned(), unescaped(value)))
        .collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: Vec<u8> = rest.by_ref().take(2).collect();
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
