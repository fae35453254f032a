//! Reads a request from a session: its line, the few headers that matter here, and the whole body.

use http::Method;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT};
use pingora_core::protocols::http::ServerSession;

use super::error::ApiError;
use super::scenario::Scenario;

/// Maximum size of a body: the API's 32 MB, taken as MiB.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// A parsed request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) credential: Credential,
    pub(super) version: Option<String>,
    pub(super) scenario: Scenario,
    pub(super) body: Vec<u8>,
}

/// The presence of a key. Any key is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    Shown,
    Missing,
}

/// The reason why a request cannot be answered as usual.
#[derive(Debug)]
pub(super) enum Unread {
    /// The request gets an error, and its body was read, so that the connection can be reused.
    Refused(ApiError),
    /// The body is larger than [`BODY_LIMIT`]. Its rest is unread, so the connection cannot be reused.
    TooLarge,
    /// The client disconnected, or its framing is invalid.
    Gone,
}

// === impl Request ===

impl Request {
    /// Reads the body and parses the request.
    pub(super) async fn read(session: &mut ServerSession) -> Result<Self, Unread> {
        let body = read_body(session).await?;
        let head = session.req_header();
        let header = |name: &str| {
            head.headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::trim)
        };
        let bearer = header(AUTHORIZATION.as_str())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(str::trim);
        let shown = [header("x-api-key"), bearer]
            .into_iter()
            .flatten()
            .any(|key| !key.is_empty());
        let scenario = header("x-standin").map_or_else(|| Ok(Scenario::default()), Scenario::parse);
        Ok(Self {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            credential: if shown {
                Credential::Shown
            } else {
                Credential::Missing
            },
            version: header("anthropic-version")
                .filter(|version| !version.is_empty())
                .map(str::to_owned),
            scenario: scenario.map_err(Unread::Refused)?,
            body,
        })
    }
}

async fn read_body(session: &mut ServerSession) -> Result<Vec<u8>, Unread> {
    let declared = declared_length(session);
    if declared > BODY_LIMIT {
        return Err(Unread::TooLarge);
    }
    if session.get_header(EXPECT).is_some() {
        session
            .write_continue_response()
            .await
            .map_err(|_| Unread::Gone)?;
    }
    let mut body = Vec::with_capacity(declared);
    while let Some(piece) = session
        .read_request_body()
        .await
        .map_err(|_| Unread::Gone)?
    {
        if body.len() + piece.len() > BODY_LIMIT {
            return Err(Unread::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Returns the declared size of the body, or 0 for a chunked body. The HTTP layer has refused invalid numbers.
fn declared_length(session: &ServerSession) -> usize {
    let value = session
        .get_header(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    value
        .and_then(|length| length.parse().ok())
        .unwrap_or_default()
}
