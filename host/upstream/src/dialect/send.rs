//! A request in another dialect, and its answer.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::time::timeout;
use witgate_http::{ResponseHead, Value};
use witgate_messages::error::{self, ErrorType};

use super::translation::{AsSent, By, Composed, Consequence, Dialect, Reading, Unfit, asked};
use crate::Upstream;
use crate::config::DialectConfig;
use crate::connection::departure::Departure;
use crate::connection::error::RequestError;
use crate::connection::response::Response;
use crate::connection::translated::Form;
use crate::limit::Limit;
use crate::request::{Framing, HeadersOf, Request};

/// Largest answer that is read whole to be translated, in bytes.
const MAX_WHOLE_BYTES: usize = 1024 * 1024;

/// Headers in which clouds give the id of a request.
const IDS: [&str; 2] = ["x-amzn-requestid", "apim-request-id"];

/// The content type of bodies that the translation makes.
const JSON: &str = "application/json";

// === impl Upstream ===

impl Upstream {
    /// Returns whether requests are translated on their way to the upstream, which needs bodies that are not compressed.
    pub fn translates(&self) -> bool {
        self.dialect.is_some()
    }

    /// Returns the seconds by which the upstream's clock is ahead of this machine's, if requests are signed for its time; `None` while
    /// the clocks agree.
    pub fn clock_ahead(&self) -> Option<i64> {
        self.dialect.as_ref()?.clock_ahead()
    }

    /// Checks that the upstream has something for a path of the API, whatever the request is.
    ///
    /// # Errors
    ///
    /// [`Unfit`]: its dialect has nothing for it.
    pub fn serves(&self, method: &Method, path: &str) -> Result<(), Unfit> {
        match &self.dialect {
            None => Ok(()),
            Some(dialect) => match asked(method, path) {
                Some(_) => Ok(()),
                None => Err(Unfit::passed_over(404, dialect.lacks())),
            },
        }
    }

    /// Returns the names of models that the operator gave an upstream that has no list of its own; empty for all others.
    pub fn named_models(&self) -> Vec<&str> {
        let dialect = self.config.dialect.as_deref();
        dialect.map_or_else(Vec::new, DialectConfig::models)
    }

    /// Translates a request, sends it, and translates the head of its answer. Says in `note` what was sent.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: nothing of an answer has been read.
    pub(crate) async fn send_translated(
        &self,
        dialect: &dyn Dialect,
        request: &Request<'_>,
        limit: Limit,
        departure: &Departure,
        note: &mut Option<Box<AsSent>>,
    ) -> Result<Response, RequestError> {
        let held = self.credential.leased().await;
        let held = held.map_err(|reason| self.without_credential(reason))?;
        let mut is_first = true;
        loop {
            let by = By {
                config: &self.config,
                authority: &self.authority,
                held: held.as_deref(),
                now: SystemTime::now(),
            };
            let composed = dialect.compose(request, &by);
            let composed = composed.map_err(|unfit| self.unfit(unfit))?;
            *note = Some(Box::new(composed.note.clone()));
            let outgoing = Request {
                method: &Method::POST,
                path: &composed.path,
                headers: composed.headers.clone(),
                headers_of: HeadersOf::Gateway,
                framing: Framing::Length(len(&composed.body)),
                body: &composed.body,
            };
            let mut response = self.send(&outgoing, None, limit, departure).await?;
            response.set_idle_timeout(self.config.idle_timeout);
            if response.status() < 400 {
                let translated = self.translated(dialect, &composed, response, limit).await;
                return Ok(translated);
            }
            let body = whole(&mut response, limit).await;
            let raw = response.head().cloned();
            let raw = raw.unwrap_or_else(|| ResponseHead::new(StatusCode::BAD_GATEWAY));
            let failure = dialect.failure(&composed.note, &raw, &body, &by);
            if failure.is_corrected && std::mem::take(&mut is_first) {
                departure.reset();
                continue;
            }
            let head = head(&raw, failure.status, Some((JSON, failure.body.len())));
            return Ok(response.translated(head, Form::Whole(failure.body)));
        }
    }

    /// Checks that a body may be sent piece by piece, which none can be that is translated.
    ///
    /// # Errors
    ///
    /// [`RequestError::Unfit`].
    pub(crate) fn takes_uploads(&self) -> Result<(), RequestError> {
        match &self.dialect {
            None => Ok(()),
            Some(dialect) => Err(self.unfit(Unfit::passed_over(404, dialect.lacks()))),
        }
    }

    /// Translates a successful answer.
    async fn translated(
        &self,
        dialect: &dyn Dialect,
        composed: &Composed,
        mut response: Response,
        limit: Limit,
    ) -> Response {
        let Some(raw) = response.head().cloned() else {
            return response;
        };
        match dialect.reading(composed, &raw) {
            Reading::AsIs(figures) => {
                let head = head(&raw, raw.status, None);
                response.translated(head, Form::AsIs(figures))
            }
            Reading::Whole(read) => {
                let body = whole(&mut response, limit).await;
                let (status, body) = match read(&body) {
                    Ok(body) => (raw.status, body),
                    Err(reason) => {
                        let message = format!("the upstream {}: {reason}", self.config.name);
                        let body = error::body(&ErrorType::Api, &message, None);
                        (StatusCode::BAD_GATEWAY, body)
                    }
                };
                let head = head(&raw, status, Some((JSON, body.len())));
                response.translated(head, Form::Whole(body))
            }
            Reading::Stream(decode) => {
                let mut head = head(&raw, raw.status, None);
                head.headers.remove("content-type");
                head.headers.remove("content-length");
                head.headers
                    .push_text("content-type", decode.content_type());
                response.translated(head, Form::Stream(decode))
            }
        }
    }

    fn unfit(&self, unfit: Unfit) -> RequestError {
        RequestError::Unfit {
            upstream: self.config.name.clone(),
            unfit,
        }
    }

    fn without_credential(&self, reason: String) -> RequestError {
        RequestError::NoCredential {
            upstream: self.config.name.clone(),
            reason,
        }
    }
}

/// Reads a body to its end, or as much of it as comes in time.
async fn whole(response: &mut Response, limit: Limit) -> Vec<u8> {
    let mut body = Vec::new();
    let read = async {
        while !response.is_done() {
            match response.read().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_WHOLE_BYTES => {
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => {}
                // The name of an error stands in the head, so its message may be missing.
                Ok(Some(_)) | Err(_) => return,
            }
        }
    };
    let _ = timeout(limit.after, read).await;
    body
}

/// Returns the head of a translated answer: as it came, with the API's name for the id of the request, and the type and the length of a
/// body that was made anew.
fn head(
    raw: &ResponseHead,
    status: StatusCode,
    body: Option<(&'static str, usize)>,
) -> ResponseHead {
    let mut head = ResponseHead {
        status,
        reason: raw.reason.clone().filter(|_| status == raw.status),
        version: raw.version,
        headers: raw.headers.clone(),
    };
    let id = IDS
        .iter()
        .find_map(|name| raw.headers.get(name).and_then(Value::to_owned));
    if let Some(id) = id.filter(|_| !raw.headers.contains_key("request-id")) {
        head.headers
            .push(&http::HeaderName::from_static("request-id"), &id);
    }
    if let Some((kind, length)) = body {
        for name in [
            "content-type",
            "content-length",
            "transfer-encoding",
            "content-encoding",
            "x-amzn-errortype",
        ] {
            head.headers.remove(name);
        }
        head.headers.push_text("content-type", kind);
        head.headers
            .push_text("content-length", &length.to_string());
    }
    head
}

fn len(parts: &[Bytes]) -> u64 {
    parts.iter().map(|part| part.len() as u64).sum()
}

// === impl RequestError ===

impl RequestError {
    /// Returns whether the request did not fit, so that another target may be asked as if this one were not there.
    pub fn is_passed_over(&self) -> bool {
        matches!(self, Self::Unfit { unfit, .. } if unfit.consequence == Consequence::PassedOver)
    }
}
