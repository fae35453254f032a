//! Step 1: authenticates the request, reads its body whole and scans it once.

mod authenticate;
pub(crate) mod body;
pub(crate) mod decode;
mod translate;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Method;
use witgate_http::Headers;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_runtime::Lineup;

use self::authenticate::{authenticate, reject_leaked_key};
use self::body::{BodyKind, MAX_UNUSED_BYTES, check_length, read_body};
use super::own::{self, OwnPage};
use super::settle::Settlement;
use crate::answer::cors;
use crate::answer::refused::Refused;
use crate::exchange::view::View;
use crate::gateway::snapshot::Snapshot;
use crate::listen::session::HttpSession;
use crate::tenants::keys::Caller;
use crate::text::quote;

/// A request that was read completely.
pub(crate) struct Received {
    pub(crate) view: Arc<View>,
    pub(crate) lineup: Arc<Lineup>,
    pub(crate) snapshot: Arc<Snapshot>,
}

/// Longest name of a model, in bytes.
const MAX_MODEL_BYTES: usize = 1024;

/// Longest `metadata.user_id`, in bytes. Claude Code sends about two hundred.
const MAX_USER_ID_BYTES: usize = 8 * 1024;

/// A request by the way it is answered.
pub(crate) enum Arrived {
    /// A request to decide on.
    Request(Received),
    /// A client's health probe, which needs no key.
    Probe,
    /// A CORS preflight, which needs no key, and the headers of its answer.
    Preflight(Headers),
    /// A request for a page of the gateway's own.
    OwnPage(OwnPage, Arc<Caller>),
}

/// Reads and checks the request.
///
/// # Errors
///
/// - 400: the body is not the expected JSON object.
/// - 401: no known key.
/// - 403: an origin or a workspace that is not allowed.
/// - 404: a path that is not served.
/// - 408, 411, 413: the body is too slow, has no length, or is over the limit.
/// - 429, 503: a concurrency limit or the memory is exhausted.
/// - 503: a required plugin is missing.
pub(crate) async fn receive(
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Arrived, Refused> {
    let request = session.request();
    let method = request.method.clone();
    let path = String::from(&*request.path);
    let snapshot = Arc::clone(settlement.snapshot());
    let mut endpoint = Endpoint::of(method.as_str(), &path);
    if endpoint == Endpoint::Other && snapshot.config.endpoints.pass(&path) && may_pass(&method) {
        endpoint = Endpoint::PassThrough;
    }
    settlement.request().endpoint = endpoint.code();
    if let Some(granted) = snapshot.config.cors.preflight(request) {
        settlement.request().endpoint = cors::PREFLIGHT;
        return granted.map(Arrived::Preflight);
    }
    if endpoint == Endpoint::Hello {
        return Ok(Arrived::Probe);
    }

    let is_translated = translate::is_claimed(endpoint, session, settlement);
    let provenance = &mut settlement.request().provenance;
    provenance.trace(&session.request().headers, &snapshot.config.listen.proxies)?;
    let caller = authenticate(session, &snapshot)?;
    reject_leaked_key(session, &path, &snapshot)?;
    settlement.request().caller = Some(Arc::clone(&caller));
    settlement.request().provenance.bind(&path, &caller)?;
    let permit = snapshot
        .concurrency
        .acquire(&caller.share, &snapshot.config.limits)?;
    let lineup = Arc::clone(settlement.lineup());
    let (permit, facts) = settlement.keep_permit(permit);
    if endpoint == Endpoint::Other && !is_translated {
        if let Some(page) = OwnPage::of(&method, &path) {
            facts.endpoint = own::CODE;
            if !session.is_body_empty() {
                // An unread body would be taken for the next request on the connection.
                read_body(session, &snapshot.config.limits, MAX_UNUSED_BYTES, permit).await?;
            }
            return Ok(Arrived::OwnPage(page, caller));
        }
        return Err(not_served(&method, &path));
    }
    if let Some(missing) = lineup.missing().first() {
        return Err(Refused::gateway(
            503,
            format!(
                "the required plugin `{missing}` is not loaded, and the gateway serves nothing without it: its operator has to install it"
            ),
        ));
    }

    if is_translated {
        let arrived = translate::receive(session, settlement, caller, snapshot);
        return Box::pin(arrived).await.map(Arrived::Request);
    }

    let limits = &snapshot.config.limits;
    let (head, sent) = match BodyKind::of(endpoint, &method, limits) {
        BodyKind::Json(limit) => {
            let body = read_body(session, limits, limit, permit).await?;
            facts.bytes = body.len() as u64;
            let coding = session.header("content-encoding");
            let body = decode::decode(coding, body, limits, permit).await?;
            (Some(scan(body.plain)?), body.sent)
        }
        BodyKind::Streamed => {
            check_length(session, limits.upload_bytes)?;
            (None, None)
        }
        BodyKind::Unused => {
            if !session.is_body_empty() {
                // An unread body would be taken for the next request on the connection.
                read_body(session, limits, MAX_UNUSED_BYTES, permit).await?;
            }
            (None, None)
        }
    };
    facts.model = head.as_ref().and_then(|head| head.model().map(Into::into));

    let view = View {
        id: settlement.shared_id(),
        endpoint,
        method,
        version: session.request().version,
        path,
        headers: session.request().headers.folded(),
        caller,
        head,
        sent,
        joined: OnceLock::new(),
        copies: Vec::new(),
    };
    let view = Arc::new(view);
    if let Some(capture) = &snapshot.capture {
        capture.offer(&view, settlement.started_unix_ms());
    }
    Ok(Arrived::Request(Received {
        view,
        lineup,
        snapshot,
    }))
}

fn not_served(method: &Method, path: &str) -> Refused {
    let path = path.split('?').next().unwrap_or_default();
    Refused::client(
        404,
        format!(
            "{} {} is not served by this gateway: check the method and the path",
            quote(method.as_str()),
            quote(path)
        ),
    )
}

/// Returns whether requests with this method pass through: those that the API uses.
fn may_pass(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ]
    .contains(method)
}

/// Scans a JSON body.
///
/// # Errors
///
/// 400 if it is empty, is no JSON object, or names something too long.
fn scan(body: Bytes) -> Result<Head, Refused> {
    if body.is_empty() {
        return Err(Refused::client(
            400,
            "the body is empty: send a JSON object",
        ));
    }
    let head = Head::scan(body).map_err(|malformed| Refused::client(400, malformed.to_string()))?;
    check_lengths(&head)?;
    Ok(head)
}

/// Checks the texts that plugins copy and build names from.
///
/// # Errors
///
/// 400 if one is too long.
pub(crate) fn check_lengths(head: &Head) -> Result<(), Refused> {
    let own = [
        ("model", head.model(), MAX_MODEL_BYTES),
        ("metadata.user_id", head.user_id(), MAX_USER_ID_BYTES),
    ];
    let others = head.other_models();
    let others = others.map(|model| ("a further model", Some(model), MAX_MODEL_BYTES));
    for (name, text, max) in own.into_iter().chain(others) {
        let bytes = text.map_or(0, |text| text.len());
        if bytes > max {
            let message = format!("{name}: it is {bytes} bytes long, and the limit is {max} bytes");
            return Err(Refused::client(400, message));
        }
    }
    Ok(())
}
