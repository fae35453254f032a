//! A question of the gateway's own, outside of traffic: to an upstream with its credential, or to an endpoint.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, DATE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method};
use tokio::time::timeout;
use witgate_http::{Headers, Value};

use super::Upstream;
use super::admission::Admission;
use super::connection::departure::Departure;
use super::connection::response::Response;
use super::limit::Limit;
use super::request::{Framing, HeadersOf, Request};

/// Largest answer of an upstream that is read, in bytes. The connection of a longer one is closed.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// A question.
pub(crate) struct Asking<'a> {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: &'a str,
    pub(crate) headers: Headers,
    pub(crate) body: Option<Bytes>,
    /// The time for the head of the answer, and for its body.
    pub(crate) within: Duration,
    /// The most bytes of the answer that are read.
    pub(crate) most: usize,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The status code.
    pub status: u16,
    /// The other side's clock, as its header `Date` says it.
    pub date: Option<String>,
    /// The first 256 KiB of the body; less if it broke off. Where it repeats the credential, `[credential]` stands instead.
    pub body: Vec<u8>,
    /// False if the body broke off or is longer.
    pub is_whole: bool,
}

// === impl Upstream ===

impl Upstream {
    /// Sends a `GET` for a path of the API and reads the answer. It is not counted in any statistics.
    ///
    /// # Errors
    ///
    /// There is no answer within the time, and why not.
    pub async fn ask(self: &Arc<Self>, path: &str, within: Duration) -> Result<Answered, String> {
        let asking = Asking {
            method: Method::GET,
            path,
            headers: headers(),
            body: None,
            within,
            most: MAX_ANSWER_BYTES,
        };
        let answered = self.question(asking).await?;
        Ok(match self.own_credential().current().own() {
            Some((_, secret)) => answered.without(secret.as_bytes()),
            None => answered,
        })
    }

    /// Sends a question and reads the answer. It is not counted in any statistics.
    ///
    /// # Errors
    ///
    /// There is no answer within the time, and why not.
    pub(crate) async fn question(self: &Arc<Self>, asking: Asking<'_>) -> Result<Answered, String> {
        let Asking { within, most, .. } = asking;
        let body: Vec<Bytes> = asking.body.into_iter().collect();
        let length = body.iter().map(|part| part.len() as u64).sum();
        let request = Request {
            framing: match asking.method {
                Method::GET => Framing::None,
                _ => Framing::Length(length),
            },
            method: &asking.method,
            path: asking.path,
            headers: asking.headers,
            headers_of: HeadersOf::Gateway,
            body: &body,
        };
        let mut attempt = self
            .attempt(Admission::HealthCheck)
            .map_err(|closed| closed.to_string())?;
        let departure = Departure::default();
        let sent = attempt.send(&request, Limit::of_upstream(within), &departure);
        let mut response = timeout(within, Box::pin(sent))
            .await
            .map_err(|_| format!("no answer within {within:?}"))?
            .map_err(|error| error.to_string())?;
        let answered = Answered::read(&mut response, within, most).await;
        if answered.is_whole {
            attempt.release(response);
        }
        Ok(answered)
    }
}

// === impl Answered ===

impl Answered {
    /// Reads an answer. The status is the answer; a body that breaks off afterwards costs its connection and no more.
    pub(crate) async fn read(response: &mut Response, within: Duration, most: usize) -> Self {
        let date = response
            .head()
            .and_then(|head| head.headers.get(DATE.as_str()).and_then(Value::to_str))
            .map(str::to_owned);
        let mut body = Vec::new();
        let read = timeout(within, read(response, &mut body, most)).await;
        Self {
            status: response.status(),
            date,
            is_whole: read.is_ok() && response.is_done(),
            body,
        }
    }

    /// Returns the answer without a credential that it repeats.
    pub(crate) fn without(mut self, secret: &[u8]) -> Self {
        let secret = secret.strip_prefix(b"Bearer ").unwrap_or(secret);
        self.body = without(&self.body, secret);
        self
    }
}

async fn read(response: &mut Response, body: &mut Vec<u8>, most: usize) {
    while !response.is_done() && body.len() < most {
        match response.read().await {
            Ok(Some(part)) => body.extend_from_slice(&part),
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

/// Returns a body without a secret that it repeats.
fn without(body: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(body.len());
    let mut kept = 0;
    for at in memchr::memmem::find_iter(body, secret) {
        clean.extend_from_slice(body.get(kept..at).unwrap_or_default());
        clean.extend_from_slice(b"[credential]");
        kept = at + secret.len();
    }
    clean.extend_from_slice(body.get(kept..).unwrap_or_default());
    clean
}

fn headers() -> Headers {
    let mut headers = Headers::with_capacity(4);
    for (name, value) in [
        (ACCEPT, "application/json"),
        (USER_AGENT, "witgate-health"),
        (HeaderName::from_static("anthropic-version"), "2023-06-01"),
    ] {
        headers.push(&name, &HeaderValue::from_static(value));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_that_an_answer_repeats_is_left_out() {
        let body = without(b"no key sk-1 here, sk-1", b"sk-1");
        assert_eq!(body, b"no key [credential] here, [credential]");
    }
}
