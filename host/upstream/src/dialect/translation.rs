//! The translation of a dialect: what each one does, and the values that it does it with.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, StatusCode};
use smallvec::SmallVec;
use witgate_dialect::Asked;
use witgate_http::{Headers, ResponseHead};

use super::decode::{Decode, Figures};
use crate::config::UpstreamConfig;
use crate::credential::leased::Held;
use crate::request::Request;

/// The translation of one dialect.
pub(crate) trait Dialect: Send + Sync {
    /// Returns what the upstream has nothing for, in a sentence that also says where to get it.
    fn lacks(&self) -> &'static str;

    /// Translates a request and adds what proves who asks.
    ///
    /// # Errors
    ///
    /// [`Unfit`]: the request cannot be translated.
    fn compose(&self, request: &Request<'_>, by: &By<'_>) -> Result<Composed, Unfit>;

    /// Returns how the body of a successful answer is read.
    fn reading(&self, composed: &Composed, head: &ResponseHead) -> Reading;

    /// Returns the seconds by which the upstream's clock is ahead of this machine's, once that was found and corrected.
    fn clock_ahead(&self) -> Option<i64> {
        None
    }

    /// Returns the API's answer for an error of the dialect.
    fn failure(&self, sent: &AsSent, head: &ResponseHead, body: &[u8], by: &By<'_>) -> Failure;

    /// Returns the endpoint that a request asks.
    ///
    /// # Errors
    ///
    /// [`Unfit`]: the upstream has nothing for it.
    fn asked(&self, request: &Request<'_>) -> Result<Asked, Unfit> {
        asked(request.method, request.path).ok_or_else(|| Unfit::passed_over(404, self.lacks()))
    }
}

/// The one who asks, and when.
pub(crate) struct By<'a> {
    /// The upstream that is asked.
    pub(crate) config: &'a UpstreamConfig,
    /// Its host and, unless it is the scheme's own, the port.
    pub(crate) authority: &'a str,
    /// The credential of the cloud; `None` for a configured one.
    pub(crate) held: Option<&'a Held>,
    /// The time by the gateway's clock.
    pub(crate) now: SystemTime,
}

/// A translated request, ready to be sent.
pub(crate) struct Composed {
    pub(crate) asked: Asked,
    pub(crate) path: String,
    pub(crate) headers: Headers,
    pub(crate) body: SmallVec<[Bytes; 4]>,
    pub(crate) note: AsSent,
}

/// The differences between a request and what was sent of it, for the caller's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsSent {
    /// Provider of the upstream.
    pub provider: String,
    /// Model as the upstream calls it.
    pub model: String,
    /// Names of what was left out: betas, and paths of members.
    pub removed: Vec<String>,
}

/// The way in which the body of an answer is read.
pub(crate) enum Reading {
    /// As it comes.
    AsIs(Figures),
    /// Piece by piece, into events of the API.
    Stream(Box<dyn Decode>),
    /// As a whole, into the API's, by a function that says what is wrong with it.
    Whole(fn(&[u8]) -> Result<Bytes, String>),
}

/// The API's answer for an error.
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// The same request is worth another attempt at once: what was wrong with it has been corrected.
    pub(crate) is_corrected: bool,
}

/// The error of a request that an upstream's dialect cannot carry. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unfit {
    /// The reason, and the cure.
    pub reason: String,
    /// Consequence for other targets.
    pub consequence: Consequence,
    /// Status for a client that nobody else answers.
    pub status: u16,
}

/// The consequence of a request that an upstream cannot take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consequence {
    /// Another target may take it.
    PassedOver,
    /// It fails, by the operator's word.
    Refused,
}

// === impl Unfit ===

impl Unfit {
    /// Returns the error of a request that another target may take.
    pub(crate) fn passed_over(status: u16, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            consequence: Consequence::PassedOver,
            status,
        }
    }
}

/// Returns the endpoint at a path of the API, or `None` for all that clouds have nothing for.
pub(crate) fn asked(method: &Method, path: &str) -> Option<Asked> {
    let path = path.split('?').next().unwrap_or_default();
    match path {
        "/v1/messages" if *method == Method::POST => Some(Asked::Messages),
        "/v1/messages/count_tokens" if *method == Method::POST => Some(Asked::CountTokens),
        _ => None,
    }
}
