//! Step 1: who asks, and for what. Reads the whole body, scans it once, pins the lineup.

pub(crate) mod body;
pub(crate) mod decode;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use pingora_core::protocols::http::ServerSession;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_runtime::Lineup;

use self::body::{check_length, read_body};
use super::settle::Settlement;
use crate::answer::cors;
use crate::answer::refused::Refused;
use crate::config::Limits;
use crate::gateway::snapshot::Snapshot;
use crate::headers::{self, Spill};
use crate::tenants::keys::Caller;
use crate::text::quote;
use crate::view::View;

/// A request that is all there.
pub(crate) struct Received {
    pub(crate) view: Arc<View>,
    pub(crate) lineup: Arc<Lineup>,
    pub(crate) snapshot: Arc<Snapshot>,
}

/// What becomes of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// A JSON object of at most so many bytes, read whole and scanned.
    Json(usize),
    /// Left where it is, to be passed on piece by piece.
    Streamed,
    /// Nothing reads it. What there is goes to nobody.
    Unused,
}

/// Most bytes of a body that nothing reads. SDKs send `{}` to some endpoints.
const UNUSED: usize = 64 * 1024;

/// Longest name of a model, in bytes.
const LONGEST_MODEL: usize = 1024;

/// Longest `metadata.user_id`, in bytes. Claude Code puts some two hundred into it.
const LONGEST_USER_ID: usize = 8 * 1024;

/// What came in.
pub(crate) enum Arrived {
    /// A request to decide on.
    Request(Received),
    /// A client's check whether anybody is there; it needs no key.
    Probe,
    /// A browser's question what an app may ask, and the answer; it needs no key.
    Preflight(Vec<(HeaderName, HeaderValue)>),
}

/// Reads and checks the request.
///
/// # Errors
///
/// 404 for a path that is not served, 401 without a known key, 403 for an app or a workspace that it is not open to, 503 while a required plugin is missing, 411, 413 and
/// 408 for bodies without a length, over the limit and too slow, 429 and 503 without memory for one, 400 for one that is not
/// the JSON that it has to be.
pub(crate) async fn receive(
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Arrived, Refused> {
    let request = session.req_header();
    let method = request.method.clone();
    let path = String::from_utf8_lossy(request.raw_path()).into_owned();
    let snapshot = Arc::clone(settlement.snapshot());
    let mut endpoint = Endpoint::of(method.as_str(), &path);
    if endpoint == Endpoint::Other && snapshot.config.endpoints.pass(&path) && may_pass(&method) {
        endpoint = Endpoint::PassThrough;
    }
    settlement.receipt.endpoint = endpoint.code();
    if let Some(granted) = snapshot.config.cors.preflight(request) {
        settlement.receipt.endpoint = cors::PREFLIGHT;
        return granted.map(Arrived::Preflight);
    }
    if endpoint == Endpoint::Hello {
        return Ok(Arrived::Probe);
    }

    let provenance = &mut settlement.receipt.provenance;
    provenance.trace(&request.headers, &snapshot.config.listen.proxies)?;
    let caller = authenticate(session, &snapshot)?;
    keep_key(session, &path, &snapshot)?;
    settlement.receipt.caller = Some(Arc::clone(&caller));
    settlement.receipt.provenance.enter(&path, &caller)?;
    let place = snapshot
        .pressure
        .enter(&caller.share, &snapshot.config.limits)?;
    let lineup = Arc::clone(settlement.lineup());
    let place = settlement.place.insert(place);
    if endpoint == Endpoint::Other {
        return Err(not_served(&method, &path));
    }
    if let Some(missing) = lineup.missing().first() {
        return Err(Refused::gateway(
            503,
            format!(
                "the required plugin `{missing}` is not there: the gateway serves nothing without it"
            ),
        ));
    }

    let limits = &snapshot.config.limits;
    let (head, sent) = match Body::of(endpoint, &method, limits) {
        Body::Json(limit) => {
            let body = read_body(session, limits, limit, place).await?;
            settlement.receipt.request_bytes = body.len() as u64;
            let coding = session.get_header(header::CONTENT_ENCODING);
            let body = decode::decode(coding, body, limits, place).await?;
            (Some(scan(body.plain)?), body.sent)
        }
        Body::Streamed => {
            check_length(session, limits.upload_bytes)?;
            (None, None)
        }
        Body::Unused => {
            if !session.is_body_empty() {
                // It must not be taken for the connection's next request.
                read_body(session, limits, UNUSED, place).await?;
            }
            (None, None)
        }
    };
    settlement.receipt.requested_model =
        head.as_ref().and_then(|head| head.model().map(Into::into));

    let view = View {
        id: settlement.id_arc(),
        endpoint,
        method,
        version: session.req_header().version,
        path,
        headers: headers::folded(&session.req_header().headers),
        caller,
        head,
        sent,
        joined: OnceLock::new(),
        copies: Vec::new(),
    };
    let view = Arc::new(view);
    if let Some(capture) = &snapshot.capture {
        capture.offer(&view, settlement.receipt.started_unix_ms);
    }
    Ok(Arrived::Request(Received {
        view,
        lineup,
        snapshot,
    }))
}

fn authenticate(session: &ServerSession, snapshot: &Snapshot) -> Result<Arc<Caller>, Refused> {
    let presented = headers::presented(&session.req_header().headers);
    let known = presented
        .iter()
        .find_map(|secret| snapshot.keyring.caller(Some(secret)))
        .or_else(|| by_certificate(session, snapshot));
    if presented.is_empty() {
        return known.or_else(|| snapshot.keyring.caller(None)).ok_or_else(|| {
            Refused::client(
                401,
                "no key: send the virtual key of this gateway in x-api-key or in authorization as a bearer token",
            )
        });
    }
    known.ok_or_else(|| {
        Refused::client(
            401,
            "this key is not known to the gateway: ask its operator for a virtual key",
        )
    })
}

/// Refuses a request that would carry a key of the gateway on to an upstream.
fn keep_key(session: &ServerSession, path: &str, snapshot: &Snapshot) -> Result<(), Refused> {
    let headers = &session.req_header().headers;
    let place = match headers::spill(headers, path, &snapshot.keyring) {
        None => return Ok(()),
        Some(Spill::Header(name)) => format!("the header {name}"),
        Some(Spill::Target) => "the path".to_owned(),
    };
    Err(Refused::client(
        401,
        format!(
            "a key of this gateway is in {place}, which is passed on to the upstream: send it in x-api-key, authorization or x-witgate-key, and nowhere else"
        ),
    ))
}

/// The caller of the connection's client certificate.
fn by_certificate(session: &ServerSession, snapshot: &Snapshot) -> Option<Arc<Caller>> {
    let tls = session.digest()?.ssl_digest.as_ref()?;
    snapshot.keyring.caller_of_certificate(&tls.cert_digest)
}

fn not_served(method: &Method, path: &str) -> Refused {
    let path = path.split('?').next().unwrap_or_default();
    Refused::client(
        404,
        format!(
            "{} {} is not served by this gateway",
            quote(method.as_str()),
            quote(path)
        ),
    )
}

/// Whether requests of this method pass through: those that the API itself has.
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

// === impl Body ===

impl Body {
    fn of(endpoint: Endpoint, method: &Method, limits: &Limits) -> Self {
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

fn scan(body: Bytes) -> Result<Head, Refused> {
    if body.is_empty() {
        return Err(Refused::client(
            400,
            "the body is empty: a JSON object is expected",
        ));
    }
    let head = Head::scan(body).map_err(|malformed| Refused::client(400, malformed.to_string()))?;
    // Policy copies both, and makes names of them.
    for (name, text, most) in [
        ("model", head.model(), LONGEST_MODEL),
        ("metadata.user_id", head.user_id(), LONGEST_USER_ID),
    ] {
        let bytes = text.map_or(0, |text| text.len());
        if bytes > most {
            let message = format!("{name}: has {bytes} bytes, and {most} are possible");
            return Err(Refused::client(400, message));
        }
    }
    Ok(head)
}
