//! Workload identity federation: a token of another identity provider is exchanged for one of Google's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use witgate_dialect::{Question, Reach, Secret};

use super::answer::BadToken;
use super::file::{BadFile, https, there};
use super::scope;

/// The name of this kind in errors.
const KIND: &str = "external_account";
/// The lifetime of a service account's token, where the file doesn't say another one.
const LIFETIME: u32 = 3600;

/// A federated workload.
#[derive(Debug, Clone)]
pub struct Federated {
    audience: String,
    subject: Subject,
    subject_type: String,
    token_url: String,
    client: Option<Secret>,
    account: Option<Account>,
}

/// The place of the subject's token.
#[derive(Debug, Clone)]
struct Subject {
    place: SubjectPlace,
    /// The member of the JSON that has the token; `None` if it is the text itself.
    member: Option<String>,
}

#[derive(Debug, Clone)]
enum SubjectPlace {
    File(String),
    Url(Question),
}

/// A service account that the workload acts as.
#[derive(Debug, Clone)]
struct Account {
    url: String,
    lifetime: u32,
}

/// The place of a workload's own token, for whoever gets it from there.
pub(super) enum Source<'a> {
    File(&'a str),
    Url(&'a Question),
}

/// The file as it is written.
#[derive(Deserialize)]
pub(super) struct Raw {
    audience: Option<String>,
    subject_token_type: Option<String>,
    token_url: Option<String>,
    credential_source: Option<RawSource>,
    service_account_impersonation_url: Option<String>,
    service_account_impersonation: Option<RawAccount>,
    workforce_pool_user_project: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

#[derive(Deserialize)]
struct RawSource {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    format: Option<RawFormat>,
    environment_id: Option<String>,
    executable: Option<serde_json::Value>,
    certificate: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct RawFormat {
    r#type: Option<String>,
    subject_token_field_name: Option<String>,
}

#[derive(Deserialize)]
struct RawAccount {
    token_lifetime_seconds: Option<u32>,
}

// === impl Federated ===

impl Federated {
    /// Checks a file.
    pub(super) fn read(raw: Raw) -> Result<Self, BadFile> {
        let has = |value, member| there(value, KIND, member);
        if raw.workforce_pool_user_project.is_some() {
            let what = "`workforce_pool_user_project`".to_owned();
            return Err(BadFile::Unsupported { what });
        }
        let missing = BadFile::Missing {
            kind: KIND,
            member: "credential_source",
        };
        let url = raw.service_account_impersonation_url;
        let lifetime = raw
            .service_account_impersonation
            .and_then(|account| account.token_lifetime_seconds);
        let account = match url {
            None => None,
            Some(url) => Some(Account {
                url: https(Some(url), "service_account_impersonation_url")?,
                lifetime: lifetime.unwrap_or(LIFETIME),
            }),
        };
        let basic = |id: String| {
            let secret = raw.client_secret.unwrap_or_default();
            let pair = STANDARD.encode(format!("{id}:{secret}"));
            Secret::new(format!("Basic {pair}"))
        };
        Ok(Self {
            subject: Subject::read(raw.credential_source.ok_or(missing)?)?,
            audience: has(raw.audience, "audience")?,
            subject_type: has(raw.subject_token_type, "subject_token_type")?,
            token_url: https(Some(has(raw.token_url, "token_url")?), "token_url")?,
            client: raw.client_id.map(basic),
            account,
        })
    }

    /// Returns the place of the subject's token.
    pub(super) fn source(&self) -> Source<'_> {
        match &self.subject.place {
            SubjectPlace::File(path) => Source::File(path),
            SubjectPlace::Url(question) => Source::Url(question),
        }
    }

    /// Returns true if the token of the exchange asks for that of a service account.
    pub(super) fn acts_as_account(&self) -> bool {
        self.account.is_some()
    }

    /// Returns the question that exchanges the subject's token, in the text of its place.
    pub(super) fn exchange(&self, text: &str) -> Result<Question, BadToken> {
        let subject = self.subject.token(text)?;
        let scope = if self.acts_as_account() {
            scope::IAM
        } else {
            scope::PLATFORM
        };
        let fields = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("audience", self.audience.as_str()),
            ("scope", scope),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token", subject.reveal()),
            ("subject_token_type", self.subject_type.as_str()),
        ];
        let mut question = Question::form(self.token_url.as_str(), &fields);
        if let Some(client) = &self.client {
            question = question.with("authorization", client.clone());
        }
        Ok(question)
    }

    /// Returns the question for the service account's token, with that of the exchange; `None` without an account.
    pub(super) fn impersonate(&self, token: &Secret) -> Option<Question> {
        let Account { url, lifetime } = self.account.as_ref()?;
        let body = json!({"scope": [scope::PLATFORM], "lifetime": format!("{lifetime}s")});
        let bearer = Secret::new(format!("Bearer {}", token.reveal()));
        Some(Question {
            method: "POST",
            url: url.clone(),
            headers: vec![
                ("content-type".into(), Secret::new("application/json")),
                ("authorization".into(), bearer),
            ],
            body: Some(Secret::new(body.to_string())),
            reach: Reach::Internet,
        })
    }
}

// === impl Subject ===

impl Subject {
    fn read(raw: RawSource) -> Result<Self, BadFile> {
        let unsupported = |what: &str| BadFile::Unsupported {
            what: format!("`credential_source.{what}`"),
        };
        let other = [
            ("environment_id", raw.environment_id.is_some()),
            ("executable", raw.executable.is_some()),
            ("certificate", raw.certificate.is_some()),
        ];
        if let Some((what, _)) = other.into_iter().find(|(_, there)| *there) {
            return Err(unsupported(what));
        }
        let place = match (raw.file, raw.url) {
            (Some(file), None) => SubjectPlace::File(file),
            (None, Some(url)) => {
                let reach = if url.starts_with("https://") {
                    Reach::Internet
                } else {
                    Reach::Machine
                };
                let headers = raw.headers.into_iter();
                let headers = headers.map(|(name, value)| {
                    let name = Cow::from(name.to_ascii_lowercase());
                    (name, Secret::new(value))
                });
                SubjectPlace::Url(Question {
                    headers: headers.collect(),
                    ..Question::get(url, reach)
                })
            }
            _ => {
                let member = "credential_source.file` or `credential_source.url";
                return Err(BadFile::Missing { kind: KIND, member });
            }
        };
        let format = raw.format.map(|format| {
            (
                format.r#type.unwrap_or_default(),
                format.subject_token_field_name,
            )
        });
        let member = match format {
            None => None,
            Some((kind, _)) if kind == "text" || kind.is_empty() => None,
            Some((kind, Some(member))) if kind == "json" => Some(member),
            Some(_) => return Err(unsupported("format")),
        };
        Ok(Self { place, member })
    }

    /// Returns the token in a text.
    fn token(&self, text: &str) -> Result<Secret, BadToken> {
        let token = match &self.member {
            None => text.trim().to_owned(),
            Some(member) => {
                let value: serde_json::Value =
                    serde_json::from_str(text).map_err(|_| BadToken::Subject)?;
                let token = value.get(member).and_then(|token| token.as_str());
                token.ok_or(BadToken::Subject)?.to_owned()
            }
        };
        if token.is_empty() {
            return Err(BadToken::Subject);
        }
        Ok(Secret::new(token))
    }
}
