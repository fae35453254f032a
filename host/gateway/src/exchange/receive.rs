//! Step 1: who asks, and for what. Reads the whole body, scans it once, pins the lineup.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header;
use pingora_core::protocols::http::ServerSession;
use tokio::time::timeout;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_runtime::Lineup;

use super::settle::Settlement;
use crate::config::Limits;
use crate::headers;
use crate::keys::Caller;
use crate::live::Live;
use crate::refused::Refused;
use crate::view::View;

/// A request that is all there.
pub(super) struct Received {
    pub(super) view: Arc<View>,
    pub(super) lineup: Arc<Lineup>,
    pub(super) live: Arc<Live>,
}

/// What came in.
pub(super) enum Arrived {
    /// A request to decide on.
    Request(Received),
    /// A client's check whether anybody is there; it needs no key.
    Probe,
}

/// Reads and checks the request.
///
/// # Errors
///
/// 404 for a path that is not served, 401 without a known key, 503 while a required plugin is missing, 411, 413 and
/// 408 for bodies without a length, over the limit and too slow, 400 for one that is not the JSON that it has to be.
pub(super) async fn receive(
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Arrived, Refused> {
    let request = session.req_header();
    let method = request.method.clone();
    let path = String::from_utf8_lossy(request.raw_path()).into_owned();
    let endpoint = Endpoint::of(method.as_str(), &path);
    settlement.receipt.endpoint = endpoint.code();
    if endpoint == Endpoint::Hello {
        return Ok(Arrived::Probe);
    }

    let live = Arc::clone(settlement.live());
    let caller = authenticate(session, &live)?;
    settlement.receipt.caller = Some(Arc::clone(&caller));
    check_served(endpoint, &method, &path)?;
    let lineup = Arc::clone(settlement.lineup());
    if let Some(missing) = lineup.missing().first() {
        return Err(Refused::gateway(
            503,
            format!(
                "the required plugin `{missing}` is not there: the gateway serves nothing without it"
            ),
        ));
    }

    let body = if method == http::Method::POST {
        let body = read_body(session, &live.config.limits).await?;
        settlement.receipt.request_bytes = body.len() as u64;
        Some(scan(session, body)?)
    } else {
        None
    };
    settlement.receipt.requested_model =
        body.as_ref().and_then(|head| head.model().map(Into::into));

    let view = View {
        id: settlement.id_arc(),
        endpoint,
        method,
        path,
        headers: session.req_header().headers.clone(),
        caller,
        head: body,
    };
    Ok(Arrived::Request(Received {
        view: Arc::new(view),
        lineup,
        live,
    }))
}

fn authenticate(session: &ServerSession, live: &Live) -> Result<Arc<Caller>, Refused> {
    let presented = headers::presented(&session.req_header().headers);
    if presented.is_empty() {
        return live.keyring.caller(None).ok_or_else(|| {
            Refused::client(
                401,
                "no key: send the virtual key of this gateway in x-api-key or in authorization as a bearer token",
            )
        });
    }
    presented
        .iter()
        .find_map(|secret| live.keyring.caller(Some(secret)))
        .ok_or_else(|| {
            Refused::client(
                401,
                "this key is not known to the gateway: ask its operator for a virtual key",
            )
        })
}

fn check_served(endpoint: Endpoint, method: &http::Method, path: &str) -> Result<(), Refused> {
    match endpoint {
        Endpoint::Messages
        | Endpoint::CountTokens
        | Endpoint::Models
        | Endpoint::Model
        | Endpoint::Hello => Ok(()),
        _ => {
            let path = path.split('?').next().unwrap_or_default();
            Err(Refused::client(
                404,
                format!("{method} {path} is not served by this gateway"),
            ))
        }
    }
}

async fn read_body(session: &mut ServerSession, limits: &Limits) -> Result<Bytes, Refused> {
    let request = session.req_header();
    let chunked = request.headers.contains_key(header::TRANSFER_ENCODING);
    let length = request
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.trim().parse::<u64>().ok());
    let over = || {
        let message = format!(
            "the body is larger than the {} bytes that this gateway takes",
            limits.body_bytes
        );
        Refused::client(413, message)
    };
    let room = match length {
        Some(0) => {
            return Err(Refused::client(
                400,
                "the body is empty: a JSON object is expected",
            ));
        }
        Some(length) => usize::try_from(length)
            .ok()
            .filter(|length| *length <= limits.body_bytes)
            .ok_or_else(over)?,
        None if chunked || session.is_http2() => 16 * 1024,
        None => {
            return Err(Refused::client(
                411,
                "the body has no length: send content-length",
            ));
        }
    };

    if request
        .headers
        .get(header::EXPECT)
        .is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        // Otherwise an answer that starts before the body has ended would close the connection behind it.
        session.set_close_on_response_before_downstream_finish(false);
        let invited = session.write_continue_response().await;
        session.set_close_on_response_before_downstream_finish(true);
        invited.map_err(|_| gone())?;
    }

    let read = async {
        let mut whole = Whole::default();
        while let Some(part) = session
            .read_request_body()
            .await
            .map_err(|error| broken(&error))?
        {
            if whole.len() + part.len() > limits.body_bytes {
                return Err(over());
            }
            whole.push(part, room);
        }
        Ok(whole.into_bytes())
    };
    timeout(limits.body_timeout, read)
        .await
        .unwrap_or_else(|_| Err(slow(limits.body_timeout)))
}

/// A body in the making: the first part as it is, a buffer only when there is a second.
#[derive(Default)]
struct Whole {
    first: Bytes,
    joined: BytesMut,
}

// === impl Whole ===

impl Whole {
    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    fn push(&mut self, part: Bytes, room: usize) {
        if self.len() == 0 {
            self.first = part;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(room.max(self.first.len() + part.len()));
            self.joined.extend_from_slice(&self.first);
            self.first = Bytes::new();
        }
        self.joined.extend_from_slice(&part);
    }

    fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        }
    }
}

fn slow(limit: Duration) -> Refused {
    Refused::client(
        408,
        format!("the body did not arrive within {} ms", limit.as_millis()),
    )
}

fn broken(error: &pingora_core::Error) -> Refused {
    match error.etype() {
        pingora_core::ErrorType::ReadTimedout => {
            Refused::client(408, "the body stood still for too long")
        }
        pingora_core::ErrorType::ConnectionClosed | pingora_core::ErrorType::ReadError => gone(),
        _ => Refused::client(400, "the body is not framed as its headers say"),
    }
}

/// Nobody will read this; the receipt does.
fn gone() -> Refused {
    Refused::client(
        499,
        "the client closed the connection before its request was complete",
    )
}

fn scan(session: &ServerSession, body: Bytes) -> Result<Head, Refused> {
    let coding = session.get_header(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Refused::client(
            400,
            "the body is compressed, and this gateway reads bodies as they are: send it without content-encoding",
        ));
    }
    if body.is_empty() {
        return Err(Refused::client(
            400,
            "the body is empty: a JSON object is expected",
        ));
    }
    Head::scan(body).map_err(|malformed| Refused::client(400, malformed.to_string()))
}
