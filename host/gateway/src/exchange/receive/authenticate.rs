//! Authentication by a virtual key or a client certificate.

use std::sync::Arc;

use pingora_core::protocols::http::ServerSession;

use crate::answer::refused::Refused;
use crate::exchange::headers::{self, Spill};
use crate::gateway::snapshot::Snapshot;
use crate::tenants::keys::Caller;

/// Returns the caller of a request, by its key or its connection's client certificate.
///
/// # Errors
///
/// 401 if the request has no key or an unknown one.
pub(super) fn authenticate(
    session: &ServerSession,
    snapshot: &Snapshot,
) -> Result<Arc<Caller>, Refused> {
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

/// Rejects a request that would carry a key of the gateway to an upstream.
///
/// # Errors
///
/// 401 if a key is in a header or a path that is passed on.
pub(super) fn reject_leaked_key(
    session: &ServerSession,
    path: &str,
    snapshot: &Snapshot,
) -> Result<(), Refused> {
    let headers = &session.req_header().headers;
    let location = match headers::spill(headers, path, &snapshot.keyring) {
        None => return Ok(()),
        Some(Spill::Header(name)) => format!("the header {name}"),
        Some(Spill::Target) => "the path".to_owned(),
    };
    Err(Refused::client(
        401,
        format!(
            "a key of this gateway is in {location}, which is passed on to the upstream: send it in x-api-key, authorization or x-witgate-key, and nowhere else"
        ),
    ))
}

/// Returns the caller of the connection's client certificate, or `None` without a known one.
fn by_certificate(session: &ServerSession, snapshot: &Snapshot) -> Option<Arc<Caller>> {
    let tls = session.digest()?.ssl_digest.as_ref()?;
    snapshot.keyring.caller_of_certificate(&tls.cert_digest)
}
