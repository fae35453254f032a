//! An upstream's answer whose head has been read and whose body is read as it comes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use pingora_core::{Error, ErrorType};
use witgate_http::{ResponseHead, Value};

use super::{h1, h2};
use crate::Upstream;
use crate::dns::Address;

/// Longest id of a request that is kept of an upstream's, in bytes.
const MAX_ID_BYTES: usize = 256;

/// An answer. Dropped before its end, it closes the connection, or resets its stream.
pub struct Response {
    body: Body,
    address: Arc<Address>,
    progress: Progress,
}

/// The body by the version of HTTP.
pub(super) enum Body {
    Http1(Box<h1::Incoming>),
    Http2(Box<h2::Incoming>),
}

/// The progress of a body. The HTTP layer takes a body whose connection broke for complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Intact,
    Broken,
}

// === impl Response ===

impl Response {
    pub(super) fn new(body: Body, address: Arc<Address>) -> Self {
        Self {
            body,
            address,
            progress: Progress::Intact,
        }
    }

    /// Returns the head.
    pub fn head(&self) -> Option<&ResponseHead> {
        match &self.body {
            Body::Http1(incoming) => incoming.head(),
            Body::Http2(incoming) => incoming.head(),
        }
    }

    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.head().map_or(0, |head| head.status.as_u16())
    }

    /// Returns the id that the upstream gave the request: the API's own, or the header that other servers use.
    pub(crate) fn request_id(&self) -> Option<&str> {
        let head = self.head()?;
        ["request-id", "x-request-id"]
            .into_iter()
            .find_map(|name| head.headers.get(name).and_then(Value::to_str))
            .filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()))
    }

    /// Reads the next bytes of the body; `None` is its clean end. Cancel safe.
    ///
    /// # Errors
    ///
    /// The connection broke, or nothing came within the idle timeout.
    pub async fn read(&mut self) -> pingora_core::Result<Option<Bytes>> {
        if self.progress == Progress::Broken {
            return Error::e_explain(ErrorType::ReadError, "the body broke off");
        }
        let read = match &mut self.body {
            Body::Http1(incoming) => incoming.read().await,
            Body::Http2(incoming) => incoming.read().await,
        };
        if read.is_err() {
            self.progress = Progress::Broken;
        }
        read
    }

    /// Returns whether the body broke off or exceeded the idle timeout.
    pub(crate) fn is_broken(&self) -> bool {
        self.progress == Progress::Broken
    }

    /// Sets the idle timeout of reads.
    pub(crate) fn set_idle_timeout(&mut self, idle: Duration) {
        match &mut self.body {
            Body::Http1(incoming) => incoming.set_idle_timeout(idle),
            Body::Http2(incoming) => incoming.set_idle_timeout(idle),
        }
    }

    /// Returns whether the body has been read to its clean end.
    pub fn is_done(&mut self) -> bool {
        if self.progress == Progress::Broken {
            return false;
        }
        let done = match &mut self.body {
            Body::Http1(incoming) => Ok(incoming.is_done()),
            Body::Http2(incoming) => incoming.is_done(),
        };
        done.unwrap_or_else(|_| {
            self.progress = Progress::Broken;
            false
        })
    }

    /// Returns the trailers behind the body, once it is done.
    pub fn trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.body {
            Body::Http1(_) => None,
            Body::Http2(incoming) => incoming.trailers(),
        }
    }

    /// Gives the connection back to the pool, if it can be reused.
    pub(crate) fn release(self, upstream: &Upstream) {
        match self.body {
            Body::Http1(incoming) => incoming.release(upstream, &self.address),
            Body::Http2(incoming) => incoming.release(upstream, &self.address.peer),
        }
    }
}
