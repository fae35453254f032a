//! The dialects of upstreams that serve the same models and don't speak the API's own: requests are translated on their way there, and
//! answers on their way back, so that the rest of the gateway knows the API alone.
//!
//! A further dialect is a [`Dialect`] here and its settings in `config/`. Nothing of it is in the way of upstreams without one.

mod bedrock;
pub(crate) mod decode;
mod send;

use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, StatusCode};
use smallvec::SmallVec;
use witgate_http::{Headers, ResponseHead};

use crate::config::UpstreamConfig;
use crate::credential::aws::Held;
use crate::request::Request;

pub(crate) use self::bedrock::Bedrock;
use self::decode::Decode;

/// The translation of one dialect.
pub(crate) trait Dialect: Send + Sync {
    /// Returns what the upstream has nothing for, in a sentence that also says where to get it.
    fn lacks(&self) -> String;

    /// Translates a request and adds what proves who asks.
    ///
    /// # Errors
    ///
    /// [`Unfit`]: the request cannot be translated.
    fn compose(&self, request: &Request<'_>, by: &By<'_>) -> Result<Composed, Unfit>;

    /// Returns how the body of a successful answer is read.
    fn reading(&self, composed: &Composed, head: &ResponseHead) -> Reading;

    /// Returns the API's answer to a count, by the body of the dialect's.
    ///
    /// # Errors
    ///
    /// There is no count in it.
    fn count(&self, body: &[u8]) -> Result<Bytes, String>;

    /// Returns the seconds by which the upstream's clock is ahead of this machine's, once that was found and corrected.
    fn clock_ahead(&self) -> Option<i64>;

    /// Returns the API's answer for an error of the dialect.
    fn failure(&self, head: &ResponseHead, body: &[u8], by: &By<'_>) -> Failure;
}

/// The endpoints of the API that a dialect may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Messages,
    CountTokens,
}

/// The one who asks, and when.
pub(crate) struct By<'a> {
    /// The upstream that is asked.
    pub(crate) config: &'a UpstreamConfig,
    /// Its host and, unless it is the scheme's own, the port.
    pub(crate) authority: &'a str,
    /// Keys to sign with; `None` for a credential that is a header.
    pub(crate) keys: Option<&'a Held>,
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

/// The figures of an upstream about an answer of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Milliseconds from the request to the end of the answer.
    pub latency_ms: Option<u64>,
    /// Milliseconds from the request to the first byte of the answer.
    pub first_byte_ms: Option<u64>,
}

/// The way in which the body of an answer is read.
pub(crate) enum Reading {
    /// As it comes.
    AsIs(Figures),
    /// Piece by piece, into events of the API.
    Stream(Box<dyn Decode>),
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

// === impl Asked ===

impl Asked {
    /// Returns the endpoint at a path of the API, or `None` for all others.
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or_default();
        match path {
            "/v1/messages" if *method == Method::POST => Some(Self::Messages),
            "/v1/messages/count_tokens" if *method == Method::POST => Some(Self::CountTokens),
            _ => None,
        }
    }
}

/// Returns the dialect of an upstream, or `None` for one that speaks the API's own.
pub(crate) fn of(config: &UpstreamConfig) -> Option<Box<dyn Dialect>> {
    let bedrock = config.bedrock.as_deref()?;
    Some(Box::new(Bedrock::new(bedrock, &config.name)))
}
