//! Authentication by a virtual key or a client certificate.

use std::sync::Arc;

use witgate_ledger::UnixMillis;

use crate::answer::refused::Refused;
use crate::clock::now;
use crate::exchange::headers::{self, Spill};
use crate::gateway::snapshot::Snapshot;
use crate::listen::session::HttpSession;
use crate::tenants::keys::{Caller, Unidentified};

/// Returns the caller of a request, by its key or its connection's client certificate.
///
/// # Errors
///
/// 401 if the request has no key, an unknown one or one that has expired.
pub(super) fn authenticate(
    session: &HttpSession,
    snapshot: &Snapshot,
) -> Result<Arc<Caller>, Refused> {
    let now = now();
    let caller = identify(session, snapshot, now)?;
    caller.last_use.set(now);
    Ok(caller)
}

fn identify(
    session: &HttpSession,
    snapshot: &Snapshot,
    now: UnixMillis,
) -> Result<Arc<Caller>, Refused> {
    let presented = headers::presented(&session.request().headers);
    let mut refused = Unidentified::Unknown;
    for secret in &presented {
        match snapshot.keyring.caller(Some(secret), now) {
            Ok(caller) => return Ok(caller),
            Err(Unidentified::Unknown) => {}
            Err(expired) => refused = expired,
        }
    }
    match by_certificate(session, snapshot, now) {
        Ok(caller) => return Ok(caller),
        Err(Unidentified::Unknown) => {}
        Err(expired) => refused = expired,
    }
    if presented.is_empty()
        && let Ok(anyone) = snapshot.keyring.caller(None, now)
    {
        return Ok(anyone);
    }
    Err(Refused::client(
        401,
        match refused {
            Unidentified::Expired(_) => {
                "this key has expired: ask the operator of this gateway for a new one"
            }
            Unidentified::Unknown if presented.is_empty() => {
                "no key: send the virtual key of this gateway in x-api-key or in authorization as a bearer token"
            }
            Unidentified::Unknown => {
                "this key is not known to the gateway: ask its operator for a virtual key"
            }
        },
    ))
}

/// Rejects a request that would carry a key of the gateway to an upstream.
///
/// # Errors
///
/// 401 if a key is in a header or a path that is passed on.
pub(super) fn reject_leaked_key(
    session: &HttpSession,
    path: &str,
    snapshot: &Snapshot,
) -> Result<(), Refused> {
    let headers = &session.request().headers;
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

/// Returns the caller of the connection's client certificate.
fn by_certificate(
    session: &HttpSession,
    snapshot: &Snapshot,
    now: UnixMillis,
) -> Result<Arc<Caller>, Unidentified> {
    let tls = session.tls().ok_or(Unidentified::Unknown)?;
    snapshot
        .keyring
        .caller_of_certificate(&tls.cert_digest, now)
}
