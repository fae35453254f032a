//! An upstream's answer whose head has been read and whose body is read as it comes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use pingora_core::{Error, ErrorType};
use witgate_http::{ResponseHead, Value};

use super::translated::{Form, Translated};
use super::{h1, h2};
use crate::Upstream;
use crate::dialect::decode::{Figures, Progress as Translation};
use crate::dns::Address;

/// Longest id of a request that is kept of an upstream's, in bytes.
const MAX_ID_BYTES: usize = 256;

/// An answer. Dropped before its end, it closes the connection, or resets its stream.
pub struct Response {
    body: Body,
    address: Arc<Address>,
    progress: Progress,
}

/// The body as it comes, or translated.
pub(super) enum Body {
    Wire(Wire),
    Translated(Box<Translated>),
}

/// The body by the version of HTTP.
pub(super) enum Wire {
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
    pub(super) fn new(wire: Wire, address: Arc<Address>) -> Self {
        Self {
            body: Body::Wire(wire),
            address,
            progress: Progress::Intact,
        }
    }

    /// Returns the head.
    pub fn head(&self) -> Option<&ResponseHead> {
        match &self.body {
            Body::Wire(wire) => wire.head(),
            Body::Translated(translated) => Some(&translated.head),
        }
    }

    /// Returns the answer with another head, and a body that is read in another form.
    pub(crate) fn translated(self, head: ResponseHead, form: Form) -> Self {
        let Self {
            body,
            address,
            progress,
        } = self;
        let body = match body {
            Body::Wire(wire) => Body::Translated(Box::new(Translated {
                wire,
                head,
                form,
                progress: Translation::Open,
            })),
            translated @ Body::Translated(_) => translated,
        };
        Self {
            body,
            address,
            progress,
        }
    }

    /// Returns the upstream's own figures about the answer, as far as it has given them, or `None` for one that was not translated.
    pub fn figures(&self) -> Option<Figures> {
        match &self.body {
            Body::Wire(_) => None,
            Body::Translated(translated) => Some(translated.figures()),
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
            Body::Wire(wire) => wire.read().await,
            // On the heap it does not weigh on the reads of all others.
            Body::Translated(translated) => Box::pin(translated.read()).await,
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
            Body::Wire(wire) => wire.set_idle_timeout(idle),
            Body::Translated(translated) => translated.wire.set_idle_timeout(idle),
        }
    }

    /// Returns whether the body has been read to its clean end.
    pub fn is_done(&mut self) -> bool {
        if self.progress == Progress::Broken {
            return false;
        }
        let done = match &mut self.body {
            Body::Wire(wire) => wire.is_done(),
            Body::Translated(translated) => translated.is_done(),
        };
        done.unwrap_or_else(|_| {
            self.progress = Progress::Broken;
            false
        })
    }

    /// Returns the trailers behind the body, once it is done.
    pub fn trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.body {
            Body::Wire(Wire::Http2(incoming)) => incoming.trailers(),
            Body::Wire(Wire::Http1(_)) | Body::Translated(_) => None,
        }
    }

    /// Gives the connection back to the pool, if it can be reused.
    pub(crate) fn release(self, upstream: &Upstream) {
        let wire = match self.body {
            Body::Wire(wire) => wire,
            Body::Translated(mut translated) => {
                // A translation may end before its answer does.
                if !translated.wire.is_done().is_ok_and(|is_done| is_done) {
                    return;
                }
                translated.wire
            }
        };
        match wire {
            Wire::Http1(incoming) => incoming.release(upstream, &self.address),
            Wire::Http2(incoming) => incoming.release(upstream, &self.address.peer),
        }
    }
}

// === impl Wire ===

impl Wire {
    fn head(&self) -> Option<&ResponseHead> {
        match self {
            Self::Http1(incoming) => incoming.head(),
            Self::Http2(incoming) => incoming.head(),
        }
    }

    pub(super) async fn read(&mut self) -> pingora_core::Result<Option<Bytes>> {
        match self {
            Self::Http1(incoming) => incoming.read().await,
            Self::Http2(incoming) => incoming.read().await,
        }
    }

    fn set_idle_timeout(&mut self, idle: Duration) {
        match self {
            Self::Http1(incoming) => incoming.set_idle_timeout(idle),
            Self::Http2(incoming) => incoming.set_idle_timeout(idle),
        }
    }

    pub(super) fn is_done(&mut self) -> pingora_core::Result<bool> {
        match self {
            Self::Http1(incoming) => Ok(incoming.is_done()),
            Self::Http2(incoming) => incoming.is_done(),
        }
    }
}
