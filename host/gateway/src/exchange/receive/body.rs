//! Request bodies: their size limits, 100-continue, and reading one body. Memory is charged as the bytes arrive.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::time::timeout;
use witgate_http::Value;
use witgate_messages::endpoint::Endpoint;

use crate::answer::refused::Refused;
use crate::config::Limits;
use crate::listen::STREAM_WINDOW;
use crate::listen::session::{ClientError, HttpSession};
use crate::tenants::concurrency::{Charge, FREE, Permit};

/// The treatment of a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    /// A JSON object up to this size in bytes, read whole and scanned.
    Json(usize),
    /// Left unread, to be passed on piece by piece.
    Streamed,
    /// Read and discarded.
    Unused,
}

/// Largest body that is discarded, in bytes. SDKs send `{}` to some endpoints.
pub(super) const MAX_UNUSED_BYTES: usize = 64 * 1024;

/// Initial buffer for a body of unknown length, in bytes.
const INITIAL_BUFFER: usize = 16 * 1024;

/// Reads a body. Its memory is charged as it arrives, so that a body that is announced and not sent takes none from others.
///
/// # Errors
///
/// The body is too large, too slow, or malformed, or the memory is exhausted.
pub(super) async fn read_body(
    session: &mut HttpSession,
    limits: &Limits,
    limit: usize,
    permit: &Permit,
) -> Result<Bytes, Refused> {
    let request = session.request();
    let chunked = request.headers.contains_key("transfer-encoding");
    let length = declared(session);
    let over = || {
        let message = format!(
            "the body is larger than {limit} bytes, which is the limit of this gateway: send less"
        );
        Refused::client(413, message)
    };
    let announced = match length {
        Some(0) => {
            return Err(Refused::client(
                400,
                "the body is empty: send a JSON object",
            ));
        }
        Some(length) => {
            let length = usize::try_from(length).ok().filter(|len| *len <= limit);
            let length = length.ok_or_else(over)?;
            if length > FREE {
                permit.has_room(length)?;
            }
            Some(length)
        }
        None if chunked || session.is_http2() => None,
        None => {
            return Err(Refused::client(
                411,
                "the body has no length: send content-length",
            ));
        }
    };

    let _window = window(session, announced, permit)?;
    send_continue(session).await?;
    let read = async {
        let mut body = Partial::new(announced, permit);
        let slow = |error| match error {
            // The timeout of one read is as long as the whole body may take.
            ClientError::Stalled => body_timeout(limits.body_timeout),
            other => body_error(other),
        };
        while body.read(session, slow).await? > 0 {
            if body.len() > limit {
                return Err(over());
            }
        }
        Ok(body.into_bytes())
    };
    timeout(limits.body_timeout, read)
        .await
        .unwrap_or_else(|_| Err(body_timeout(limits.body_timeout)))
}

/// Charges the receive window of an HTTP/2 stream, which fills whether it is read or not. Returns `None` over HTTP/1.1 and for
/// small bodies.
///
/// # Errors
///
/// The memory is exhausted.
pub(crate) fn window(
    session: &HttpSession,
    announced: Option<usize>,
    permit: &Permit,
) -> Result<Option<Charge>, Refused> {
    let window = usize::try_from(STREAM_WINDOW).unwrap_or(usize::MAX);
    let most = announced.map_or(window, |announced| announced.min(window));
    if !session.is_http2() || most <= FREE {
        return Ok(None);
    }
    let mut charge = permit.charge();
    charge.cover(most)?;
    Ok(Some(charge))
}

/// Returns the length that the client declares, or `None`.
pub(crate) fn declared(session: &HttpSession) -> Option<u64> {
    session
        .header("content-length")
        .and_then(Value::to_str)
        .and_then(|length| length.trim().parse().ok())
}

/// Returns the length that the client declares, or `None` if it is larger than any memory.
pub(crate) fn announced(session: &HttpSession) -> Option<usize> {
    declared(session).and_then(|length| usize::try_from(length).ok())
}

/// Refuses a body whose declared length is over the limit.
///
/// # Errors
///
/// 413 if it is.
pub(super) fn check_length(session: &HttpSession, limit: u64) -> Result<(), Refused> {
    match declared(session) {
        Some(length) if length > limit => Err(body_too_large(limit)),
        _ => Ok(()),
    }
}

/// Sends 100-continue to a client that waits for it.
///
/// # Errors
///
/// The client disconnected.
pub(crate) async fn send_continue(session: &mut HttpSession) -> Result<(), Refused> {
    if session
        .header("expect")
        .is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        let invited = session.write_continue().await;
        invited.map_err(|_| client_disconnected())?;
    }
    Ok(())
}

/// Returns the refusal for a body that is too slow.
pub(crate) fn body_timeout(limit: Duration) -> Refused {
    Refused::client(
        408,
        format!(
            "the body did not arrive within {} ms: send it faster, or send less",
            limit.as_millis()
        ),
    )
}

/// Returns the refusal for a body that can't be read.
pub(crate) fn body_error(error: ClientError) -> Refused {
    match error {
        ClientError::Stalled => {
            Refused::client(408, "the body stalled: no byte of it arrived for too long")
        }
        ClientError::Gone => client_disconnected(),
        ClientError::Malformed => Refused::client(
            400,
            "the body is malformed: its framing contradicts its headers",
        ),
    }
}

/// Returns the refusal for a client that disconnected. Only the receipt shows it.
fn client_disconnected() -> Refused {
    Refused::client(
        499,
        "the client disconnected before its request was complete",
    )
}

/// Returns the refusal for an upload that is too large.
pub(crate) fn body_too_large(limit: u64) -> Refused {
    Refused::client(
        413,
        format!(
            "the upload is larger than {limit} bytes, which is the limit of this gateway: send less"
        ),
    )
}

/// A partly read body. It keeps the first part as it is, and copies into a buffer only when there is a second.
struct Partial<'a> {
    permit: &'a Permit,
    announced: Option<usize>,
    first: Bytes,
    joined: Vec<u8>,
    charge: Option<Charge>,
}

// === impl Partial ===

impl<'a> Partial<'a> {
    fn new(announced: Option<usize>, permit: &'a Permit) -> Self {
        Self {
            permit,
            announced,
            first: Bytes::new(),
            joined: Vec::new(),
            charge: None,
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    /// Reads the next bytes. Returns their number, 0 at the end. Of a body whose length is known, all but the first part is read
    /// straight into the buffer.
    ///
    /// # Errors
    ///
    /// The memory is exhausted, or what `unread` makes of the client's error.
    async fn read(
        &mut self,
        session: &mut HttpSession,
        unread: impl Fn(ClientError) -> Refused,
    ) -> Result<usize, Refused> {
        let begun = self.len();
        if let Some(announced) = self.announced.filter(|all| (1..*all).contains(&begun)) {
            if self.joined.is_empty() {
                // Unwritten pages cost address space only.
                self.joined.reserve_exact(announced);
                self.joined
                    .extend_from_slice(&std::mem::take(&mut self.first));
            }
            let read = session.read_body_into(&mut self.joined).await;
            let count = read.map_err(unread)?;
            self.charge(self.len())?;
            return Ok(count);
        }
        let part = session.read_body().await.map_err(unread)?;
        self.push(part.unwrap_or_default())?;
        Ok(self.len() - begun)
    }

    /// Adds a part of which nothing was known before it came.
    fn push(&mut self, part: Bytes) -> Result<(), Refused> {
        let len = self.len() + part.len();
        if self.len() == 0 {
            self.charge(len)?;
            self.first = part;
        } else if !part.is_empty() {
            self.charge
                .get_or_insert_with(|| self.permit.charge())
                .grow(&mut self.joined, len.max(INITIAL_BUFFER), usize::MAX)?;
            self.joined
                .extend_from_slice(&std::mem::take(&mut self.first));
            self.joined.extend_from_slice(&part);
        }
        Ok(())
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Refused> {
        if bytes <= FREE {
            return Ok(());
        }
        let charge = self.charge.get_or_insert_with(|| self.permit.charge());
        charge.cover(bytes)
    }

    /// Returns the body, which keeps its charge.
    fn into_bytes(mut self) -> Bytes {
        let bytes = if self.joined.is_empty() {
            self.first
        } else {
            self.joined.shrink_to_fit();
            Bytes::from(self.joined)
        };
        match self.charge {
            Some(charge) => charge.tie(bytes),
            None => bytes,
        }
    }
}

// === impl BodyKind ===

impl BodyKind {
    /// Returns the treatment of the body of a request to an endpoint.
    pub(super) fn of(endpoint: Endpoint, method: &Method, limits: &Limits) -> Self {
        let post = method == Method::POST;
        match endpoint {
            Endpoint::Messages | Endpoint::CountTokens => Self::Json(limits.body_bytes),
            Endpoint::Batches if post => Self::Json(limits.batch_bytes),
            Endpoint::Files | Endpoint::Skills | Endpoint::SkillVersions if post => Self::Streamed,
            Endpoint::PassThrough => Self::Streamed,
            _ => Self::Unused,
        }
    }
}
