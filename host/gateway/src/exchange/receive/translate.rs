//! Requests of another API, which a plugin translates to one of the Messages API. From there on they are as any other.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use witgate_http::{Headers, RequestHead};
use witgate_messages::endpoint::Endpoint;
use witgate_runtime::{Hook, Rejection, TranslatedRequest, Translation};

use super::body::{MAX_UNUSED_BYTES, read_body};
use super::{Received, decode, scan};
use crate::answer::refused::{Blame, Refused};
use crate::exchange::own::OwnPage;
use crate::exchange::settle::Settlement;
use crate::exchange::view::View;
use crate::gateway::snapshot::Snapshot;
use crate::listen::session::HttpSession;
use crate::receipts::receipt::DialectNote;
use crate::tenants::concurrency::FREE;
use crate::tenants::keys::Caller;

/// Bytes of a body from which on it is translated on a blocking thread.
const BLOCKING: usize = 32 << 10;

/// Headers that describe the client's body, or a form of the answer that nothing could translate.
const OF_THE_CLIENT: [&str; 5] = [
    "accept-encoding",
    "content-encoding",
    "content-length",
    "expect",
    "transfer-encoding",
];

/// Returns whether a plugin claims the request, whose response is translated from now on then. Endpoints of the Messages API
/// itself can't be claimed, so their requests ask nobody.
pub(super) fn is_claimed(
    endpoint: Endpoint,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> bool {
    match endpoint {
        Endpoint::Other | Endpoint::PassThrough | Endpoint::Models | Endpoint::Model => {
            claim(session, settlement)
        }
        _ => false,
    }
}

#[cold]
fn claim(session: &mut HttpSession, settlement: &mut Settlement) -> bool {
    let request = session.request();
    if OwnPage::of(&request.method, &request.path).is_some() {
        return false;
    }
    let has_header = |name: &str| request.headers.contains_key(name);
    let lineup = settlement.lineup();
    let method = request.method.as_str();
    let Some(translation) = lineup.translation(method, &request.path, &has_header) else {
        return false;
    };
    let note = DialectNote {
        plugin: Arc::clone(translation.plugin()),
        path: request.path_only().to_owned(),
        failure: None,
    };
    settlement.request().dialect = Some(Box::new(note));
    session.translate(translation);
    true
}

/// Reads the client's request, and returns the one that is asked in its place.
///
/// # Errors
///
/// As for any request; and the plugin's refusal or fault.
pub(super) async fn receive(
    session: &mut HttpSession,
    settlement: &mut Settlement,
    caller: Arc<Caller>,
    snapshot: Arc<Snapshot>,
) -> Result<Received, Refused> {
    let lineup = Arc::clone(settlement.lineup());
    let id = settlement.shared_id();
    let view = |endpoint, head: &RequestHead| View {
        id: Arc::clone(&id),
        endpoint,
        method: head.method.clone(),
        version: head.version,
        path: String::from(&*head.path),
        headers: head.headers.folded(),
        caller: Arc::clone(&caller),
        head: None,
        sent: None,
        joined: OnceLock::new(),
        copies: Vec::new(),
    };
    let body = read(session, settlement, &snapshot).await?;
    let asked_by = Arc::new(view(Endpoint::Other, session.request()));
    let mut asked = translate(session, asked_by, body).await?;
    let body = asked.body.take();
    let endpoint = Endpoint::of(&asked.method, &asked.path);
    let head = head(session.request(), &asked)?;
    let mut view = view(endpoint, &head);
    if let Some(body) = body {
        let mut body = Bytes::from(body);
        if let Some(permit) = settlement.permit.as_ref().filter(|_| body.len() > FREE) {
            let mut charge = permit.charge();
            charge.cover(body.len())?;
            body = charge.tie(body);
        }
        view.head = Some(scan(body)?);
    }
    if let Some(dialect) = session.dialect() {
        dialect.ask(head);
    }
    let facts = settlement.request();
    facts.endpoint = endpoint.code();
    facts.model = view
        .head
        .as_ref()
        .and_then(|head| head.model().map(Into::into));
    let view = Arc::new(view);
    if let Some(capture) = &snapshot.capture {
        capture.offer(&view, settlement.started_unix_ms());
    }
    Ok(Received {
        view,
        lineup,
        snapshot,
    })
}

/// Reads the client's body as a text, which is empty if the method has none.
async fn read(
    session: &mut HttpSession,
    settlement: &mut Settlement,
    snapshot: &Snapshot,
) -> Result<Bytes, Refused> {
    let limits = &snapshot.config.limits;
    let has_body = session.request().method == Method::POST;
    let Some(permit) = settlement.permit.as_ref() else {
        return Err(Refused::gateway(503, "the request has no place: try again"));
    };
    if !has_body {
        if !session.is_body_empty() {
            read_body(session, limits, MAX_UNUSED_BYTES, permit).await?;
        }
        return Ok(Bytes::new());
    }
    let body = read_body(session, limits, limits.body_bytes, permit).await?;
    let length = body.len() as u64;
    let coding = session.header("content-encoding");
    let body = decode::decode(coding, body, limits, permit).await?;
    settlement.request().bytes = length;
    Ok(body.plain)
}

/// Lets the plugin translate the request, a large one on a blocking thread.
async fn translate(
    session: &mut HttpSession,
    asked_by: Arc<View>,
    body: Bytes,
) -> Result<TranslatedRequest, Refused> {
    let stopping = || Refused::gateway(503, "the request could not be translated: try again");
    let dialect = session.dialect().ok_or_else(stopping)?;
    let mut translation = dialect.take().ok_or_else(stopping)?;
    translation.set_request(asked_by);
    let is_small = body.len() < BLOCKING;
    let run = move || {
        let asked = request(&mut translation, &body);
        (translation, asked)
    };
    let (translation, asked) = match is_small {
        true => run(),
        false => tokio::task::spawn_blocking(run)
            .await
            .map_err(|_| stopping())?,
    };
    dialect.put(translation);
    asked
}

fn request(translation: &mut Translation, body: &[u8]) -> Result<TranslatedRequest, Refused> {
    let body = std::str::from_utf8(body)
        .map_err(|_| Refused::client(400, "the body is not UTF-8: send a JSON object"))?;
    translation
        .request(body)
        .map_err(|rejection| match rejection {
            // A translation says what is wrong with the request, which is no policy.
            Rejection::Refusal {
                plugin,
                hook: Hook::Translate,
                refusal,
            } if refusal.status < 500 => Refused {
                blame: Blame::Client,
                ..Refused::policy(plugin.to_string(), Hook::Translate, refusal)
            },
            other => Refused::rejection(other),
        })
}

/// Returns the head of the request that is asked, from the client's.
fn head(client: &RequestHead, asked: &TranslatedRequest) -> Result<RequestHead, Refused> {
    let unusable = || Refused::gateway(503, "the translated request can't be sent");
    let mut headers = Headers::with_capacity_of(&[&client.headers], asked.headers.len() + 1);
    let is_removed = |name: &str| {
        let mut without = asked.without_headers.iter();
        OF_THE_CLIENT.contains(&name)
            || asked.headers.iter().any(|(set, _)| set == name)
            || without.any(|without| match without.strip_suffix('*') {
                Some(prefix) => name.starts_with(prefix),
                None => name == without,
            })
    };
    for line in client.headers.iter() {
        if !is_removed(line.name) {
            headers.copy(line);
        }
    }
    for (name, value) in &asked.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        let value = HeaderValue::from_str(value).map_err(|_| unusable())?;
        headers.push(&name, &value);
    }
    headers.push(
        &header::ACCEPT_ENCODING,
        &HeaderValue::from_static("identity"),
    );
    Ok(RequestHead {
        method: Method::from_bytes(asked.method.as_bytes()).map_err(|_| unusable())?,
        path: asked.path.as_str().into(),
        version: client.version,
        headers,
    })
}
