//! Recorded requests: written by `[capture]`, read by `witgate plugin run`, `witgate plugin diff` and `witgate replay`.
//!
//! A file has a JSON object on each line. Only `body` is required, so that lines can also be written by hand. Files never
//! contain credentials: the value of a header is written only if a header of that name holds no secret ([`headers`]), members
//! whose names denote secrets are masked, and the text that people wrote is masked unless the operator decides otherwise
//! ([`mask`]).

mod headers;
mod mask;
mod secret;
pub mod trial;
mod writer;

pub use crate::config::Content;
pub use headers::is_blank;
pub(crate) use writer::Capture;

use std::io::{self, BufRead as _, ErrorKind};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use witgate_http::Headers;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;

use crate::config::CaptureConfig;
use crate::exchange::view::View;
use crate::tenants::keys::Caller;
use crate::text::Cut;

/// Members whose type is easily mistaken, with the right type.
const SHAPES: [(&str, &str); 2] = [
    ("headers", "`headers` must be a list of [name, value] pairs"),
    (
        "caller.labels",
        "`labels` of the `caller` must be a list of [name, value] pairs",
    ),
];

/// Maximum length of a method in bytes.
const MAX_METHOD: usize = 32;

/// Query parameters whose values are never secret.
const PLAIN_QUERY: [&str; 4] = ["beta", "limit", "after_id", "before_id"];

/// A recorded request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Captured {
    /// The gateway's id of the request.
    #[serde(default)]
    pub id: String,
    /// Time of arrival in milliseconds since 1970.
    #[serde(default)]
    pub unix_ms: u64,
    /// HTTP method.
    #[serde(default = "post")]
    pub method: String,
    /// Path and query.
    #[serde(default = "messages")]
    pub path: String,
    /// Headers without credentials; values are masked unless their name is known to hold no secret.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Caller that the gateway identified.
    #[serde(default)]
    pub caller: CapturedCaller,
    /// Body as text or as a JSON object; null for a request without a body.
    #[serde(default)]
    pub body: Value,
    /// Body of the response in the same forms, for lines written by hand: audit plugins are tried with its usage.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub answer: Value,
}

/// The caller of a recorded request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapturedCaller {
    /// Public id of the key.
    #[serde(default)]
    pub key_id: String,
    /// Tenant of the key, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// User of the key, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Tier of the key, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Labels of the key, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, String)>,
}

fn post() -> String {
    "POST".to_owned()
}

fn messages() -> String {
    "/v1/messages".to_owned()
}

/// Returns an error that says why a file is unusable: it is missing, a directory, or unreadable.
pub fn unreadable(file: &Path, error: &io::Error) -> anyhow::Error {
    let file = file.display();
    match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("there is no file {file}"),
        ErrorKind::IsADirectory => anyhow::anyhow!("{file} is a directory, not a file"),
        _ => anyhow::anyhow!("cannot read {file}: {error}"),
    }
}

/// Reads the recorded requests of a file.
///
/// # Errors
///
/// Returns an error if the file cannot be read, or with the number of the first line that is not a recorded request.
pub fn read(file: &Path) -> anyhow::Result<Vec<Captured>> {
    let opened = std::fs::File::open(file).map_err(|error| unreadable(file, &error))?;
    let mut requests = Vec::new();
    for (number, line) in io::BufReader::new(opened).lines().enumerate() {
        let at = || format!("{}:{}", file.display(), number + 1);
        let line = line.map_err(|error| unreadable(file, &error))?;
        if line.trim().is_empty() {
            continue;
        }
        let mut request = Captured::read(&line).map_err(|why| {
            anyhow::anyhow!(
                "{} is not a recorded request: {why}; each line must be a JSON object with a `body`, see docs/plugins.md",
                at()
            )
        })?;
        if request.id.is_empty() {
            request.id = format!("line-{}", number + 1);
        }
        requests.push(request);
    }
    Ok(requests)
}

// === impl Captured ===

impl Captured {
    /// Reads one line.
    ///
    /// # Errors
    ///
    /// Returns a text that names the invalid member.
    fn read(line: &str) -> Result<Self, String> {
        let mut json = serde_json::Deserializer::from_str(line);
        let read: Result<Self, _> = serde_path_to_error::deserialize(&mut json);
        let captured = read.map_err(|error| {
            let path = error.path().to_string();
            match (
                SHAPES.iter().find(|(name, _)| path.starts_with(name)),
                path.as_str(),
            ) {
                (Some((_, shape)), _) => (*shape).to_owned(),
                (None, ".") => error.inner().to_string(),
                (None, path) => format!("`{path}`: {}", error.inner()),
            }
        })?;
        json.end().map_err(|error| error.to_string())?;
        Ok(captured)
    }

    /// Records a request.
    pub(crate) fn of(view: &View, unix_ms: u64, config: &CaptureConfig) -> Self {
        let headers = headers::recorded(&view.headers, &config.headers);
        let Caller {
            id,
            tenant,
            user,
            tier,
            labels,
            models: _,
            workspaces: _,
            environments: _,
            share: _,
            last_use: _,
            seen: _,
        } = &*view.caller;
        // The body was decompressed for the scan: nothing compressed is ever written.
        let body = view.head.as_ref();
        let body = body.map(|head| mask::mask(head.body(), config.content));
        Self {
            id: view.id.to_string(),
            unix_ms,
            method: Cut::to(MAX_METHOD, view.method.as_str()).into(),
            path: mask_query(&view.path),
            headers,
            caller: CapturedCaller {
                key_id: id.to_string(),
                tenant: tenant.as_deref().map(Into::into),
                user: user.as_deref().map(Into::into),
                tier: tier.as_deref().map(Into::into),
                labels: labels.clone(),
            },
            // The scan has verified that the body is UTF-8.
            body: body.map_or(Value::Null, |body| {
                Value::String(String::from_utf8_lossy(&body).into_owned())
            }),
            answer: Value::Null,
        }
    }

    /// Returns the bytes of the body.
    pub fn body(&self) -> Bytes {
        bytes_of(&self.body)
    }

    /// Returns the bytes of the recorded response; empty without a response.
    pub fn answer(&self) -> Bytes {
        bytes_of(&self.answer)
    }

    /// Returns the request as plugins see it.
    ///
    /// # Errors
    ///
    /// Returns an error if the method or a header is invalid, or the body is not valid JSON.
    pub(crate) fn view(&self) -> anyhow::Result<View> {
        let method: Method = self.method.parse()?;
        let mut headers = Headers::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            headers.push(&name.parse::<HeaderName>()?, &value.parse::<HeaderValue>()?);
        }
        let body = self.body();
        let head = match body.is_empty() {
            true => None,
            false => Some(Head::scan(body).map_err(|malformed| anyhow::anyhow!("{malformed}"))?),
        };
        let caller = self.caller.clone();
        Ok(View {
            id: self.id.as_str().into(),
            endpoint: Endpoint::of(method.as_str(), &self.path),
            method,
            version: http::Version::HTTP_11,
            path: self.path.clone(),
            headers,
            caller: Arc::new(Caller {
                id: caller.key_id.into(),
                tenant: caller.tenant.map(Into::into),
                user: caller.user.map(Into::into),
                tier: caller.tier.map(Into::into),
                labels: caller.labels,
                ..Caller::default()
            }),
            head,
            sent: None,
            joined: OnceLock::new(),
            copies: Vec::new(),
        })
    }
}

/// Returns the bytes of a body that is kept as text or as a JSON object.
fn bytes_of(kept: &Value) -> Bytes {
    match kept {
        Value::Null => Bytes::new(),
        Value::String(text) => Bytes::from(text.clone()),
        other => Bytes::from(other.to_string()),
    }
}

/// Returns a path in whose query all values are masked that may be secret.
fn mask_query(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else {
        return path.to_owned();
    };
    let parts: Vec<_> = query
        .split('&')
        .map(|part| match part.split_once('=') {
            Some((name, value)) if !PLAIN_QUERY.contains(&name) => {
                format!("{name}={}", "x".repeat(value.len()))
            }
            _ => part.to_owned(),
        })
        .collect();
    format!("{path}?{}", parts.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_reported_as_missing() {
        let missing = Path::new("/nowhere/at-all.wasm");
        let error = std::fs::metadata(missing).unwrap_err();
        let told = unreadable(missing, &error).to_string();
        assert_eq!(told, "there is no file /nowhere/at-all.wasm");
    }

    #[test]
    fn a_line_needs_a_body_only() {
        let line = r#"{"body": {"model": "m", "max_tokens": 1, "messages": []}}"#;
        let captured: Captured = serde_json::from_str(line).unwrap();
        let view = captured.view().unwrap();
        assert_eq!(view.endpoint, Endpoint::Messages);
        assert_eq!(view.head.unwrap().model().as_deref(), Some("m"));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.jsonl");
        std::fs::write(&file, "{\"body\": {}}\n\n{\"bodi\": {}}\n").unwrap();
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("c.jsonl:3"), "{error}");
        assert!(error.contains("bodi"), "{error}");
    }

    #[test]
    fn a_member_of_another_shape_is_named_with_the_shape_that_it_has() {
        for (line, told) in [
            (
                r#"{"headers": {"x-team": "blue"}, "body": {}}"#,
                "`headers` must be a list of [name, value] pairs",
            ),
            (
                r#"{"headers": [["x-team"]], "body": {}}"#,
                "`headers` must be a list of [name, value] pairs",
            ),
            (
                r#"{"caller": {"labels": {"a": "b"}}, "body": {}}"#,
                "`labels` of the `caller` must be a list of [name, value] pairs",
            ),
            (r#"{"caller": {"tier": 1}}"#, "`caller.tier`: invalid type"),
        ] {
            let error = Captured::read(line).unwrap_err();
            assert!(error.contains(told), "{told} in {error}");
        }
    }

    #[test]
    fn no_credential_is_recorded_and_queries_are_blanked() {
        let mut view = Captured {
            id: "r".into(),
            unix_ms: 0,
            method: post(),
            path: "/v1/messages?beta=true&key=hunter2".into(),
            headers: [
                ("x-api-key", "sk-1"),
                ("authorization", "Bearer sk-2"),
                ("cookie", "sk-3"),
                ("x-witgate-key", "sk-4"),
                ("content-length", "7"),
                ("anthropic-beta", "b"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            caller: CapturedCaller::default(),
            body: Value::Null,
            answer: Value::Null,
        }
        .view()
        .unwrap();
        view.id = "r".into();
        let config = CaptureConfig {
            directory: "recorded".into(),
            sample: std::num::NonZeroU64::MIN,
            max_bytes: std::num::NonZeroU64::MAX,
            content: Content::Masked,
            headers: Vec::new(),
        };
        let captured = Captured::of(&view, 1, &config);
        assert_eq!(
            captured.headers,
            [("anthropic-beta".to_owned(), "b".to_owned())]
        );
        assert_eq!(captured.path, "/v1/messages?beta=true&key=xxxxxxx");
        let text = serde_json::to_string(&captured).unwrap();
        assert!(!text.contains("sk-") && !text.contains("hunter2"), "{text}");
    }
}
