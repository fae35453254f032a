//! The credentials of upstreams that have several, on the admin pages: names and figures, never a secret.

use std::fmt;
use std::time::Instant;

use serde_json::{Value, json};
use witgate_upstream::{CredentialState, CredentialStatus, LimitStatus, Upstream, Upstreams};

use crate::admin::metrics::families::{Families, label};
use crate::clock::WholeUnits as _;

/// Returns the part of `/upstreams` about the credentials of an upstream; null for one without a pool.
pub(super) fn page(upstream: &Upstream, now: Instant) -> Value {
    let list: Vec<Value> = upstream.credentials(now).iter().map(describe).collect();
    match list.is_empty() {
        true => Value::Null,
        false => list.into(),
    }
}

fn describe(credential: &CredentialStatus) -> Value {
    let windows = credential.windows.iter().map(|window| {
        json!({
            "window": window.name,
            "used_permille": window.used_permille,
            "ends_in_ms": window.ends_in.whole_millis(),
        })
    });
    json!({
        "name": credential.name,
        "state": credential.state.code(),
        "refused_with": match credential.state {
            CredentialState::Refused(status) => Some(status),
            CredentialState::Available
            | CredentialState::Low
            | CredentialState::Exhausted
            | CredentialState::Cooling => None,
        },
        "for_ms": credential.left.map(|left| left.whole_millis()),
        "left_permille": credential.left_permille,
        "unanswered": credential.unanswered,
        "sessions": credential.sessions,
        "requests": credential.requests,
        "limited": credential.limited,
        "moved": credential.moved,
        "limits": credential.limits.iter().map(describe_limit).collect::<Vec<_>>(),
        "windows": windows.collect::<Vec<_>>(),
    })
}

fn describe_limit(limit: &LimitStatus) -> Value {
    json!({"model": limit.model, "kind": limit.kind, "limit": limit.limit, "left": limit.left})
}

/// Writes the metric families of all credentials.
pub(super) fn collect(upstreams: &Upstreams, now: Instant, to: &mut Families<'_>) -> fmt::Result {
    let all: Vec<(&str, Vec<CredentialStatus>)> = upstreams
        .iter()
        .filter(|upstream| upstream.has_pool())
        .map(|upstream| (&*upstream.config.name, upstream.credentials(now)))
        .collect();
    if all.is_empty() {
        return Ok(());
    }
    let each = || {
        all.iter().flat_map(|(upstream, credentials)| {
            credentials.iter().map(move |credential| {
                let labels = [
                    label("upstream", upstream),
                    label("credential", &credential.name),
                ];
                (labels, credential)
            })
        })
    };
    to.gauges(
        "upstream_credential_available",
        "1 if the credential takes requests of every model that it was used for.",
        each().map(|(labels, credential)| {
            let takes = matches!(
                credential.state,
                CredentialState::Available | CredentialState::Low
            );
            (labels, u32::from(takes))
        }),
    )?;
    to.gauges(
        "upstream_credential_left_permille",
        "Thousandths that are left of the credential's limit with the least.",
        each().map(|(labels, credential)| (labels, credential.left_permille)),
    )?;
    to.gauges(
        "upstream_credential_unanswered",
        "Number of requests with the credential that are not answered yet.",
        each().map(|(labels, credential)| (labels, credential.unanswered)),
    )?;
    to.gauges(
        "upstream_credential_sessions",
        "Number of sessions that use the credential.",
        each().map(|(labels, credential)| (labels, credential.sessions)),
    )?;
    to.counters(
        "upstream_credential_requests",
        "Number of requests that were sent with the credential.",
        each().map(|(labels, credential)| (labels, credential.requests)),
    )?;
    to.counters(
        "upstream_credential_limited",
        "Number of requests with the credential that were answered with 429.",
        each().map(|(labels, credential)| (labels, credential.limited)),
    )?;
    to.counters(
        "upstream_credential_moved",
        "Number of sessions that left the credential for another one.",
        each().map(|(labels, credential)| (labels, credential.moved)),
    )
}
