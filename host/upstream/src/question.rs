//! A question of the gateway's own to an upstream, outside of traffic: a `GET` with the upstream's credential.

use std::sync::Arc;
use std::time::Duration;

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

/// Largest answer that is read, in bytes. The connection of a longer one is closed.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The status code.
    pub status: u16,
    /// The upstream's clock, as its header `Date` says it.
    pub date: Option<String>,
    /// The first 256 KiB of the body; less if it broke off. Where it repeats the credential, `[credential]` stands instead.
    pub body: Vec<u8>,
}

// === impl Upstream ===

impl Upstream {
    /// Sends a `GET` for a path of the API and reads the answer. It is not counted in any statistics.
    ///
    /// # Errors
    ///
    /// There is no answer within the time, and why not.
    pub async fn ask(self: &Arc<Self>, path: &str, within: Duration) -> Result<Answered, String> {
        let request = Request {
            method: &Method::GET,
            path,
            headers: headers(),
            headers_of: HeadersOf::Gateway,
            framing: Framing::None,
            body: &[],
        };
        let mut attempt = self
            .attempt(Admission::HealthCheck)
            .map_err(|closed| closed.to_string())?;
        let departure = Departure::default();
        let sent = attempt.send(&request, Limit::of_upstream(within), &departure);
        let mut response = timeout(within, sent)
            .await
            .map_err(|_| format!("no answer within {within:?}"))?
            .map_err(|error| error.to_string())?;
        let date = response
            .head()
            .and_then(|head| head.headers.get(DATE.as_str()).and_then(Value::to_str))
            .map(str::to_owned);
        let status = response.status();
        let mut body = Vec::new();
        // The status is the answer; a body that breaks off afterwards costs its connection and no more.
        let read = timeout(within, read(&mut response, &mut body)).await;
        if read.is_ok() && response.is_done() {
            attempt.release(response);
        }
        if let Some((_, secret)) = self.own_credential().current().own() {
            let secret = secret.as_bytes();
            body = without(&body, secret.strip_prefix(b"Bearer ").unwrap_or(secret));
        }
        Ok(Answered { status, date, body })
    }
}

async fn read(response: &mut Response, body: &mut Vec<u8>) {
    while !response.is_done() && body.len() < MAX_ANSWER_BYTES {
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
