//! Header hygiene: the headers that a message carries to the other side, in the order and case in which they came.
//!
//! Hop-by-hop headers end here, on both sides, and so do credentials and a caller's `x-vmx-*`. Everything else passes:
//! an unknown `anthropic-*` header is part of a feature. Heads are built in one ordered pass, because removing from a
//! header map reorders it.

mod of_plugins;
mod secrets;

pub(crate) use self::of_plugins::{of_the_host, plugin_header, that_plugins_may_set};

use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use pingora_http::{RequestHeader, ResponseHeader};
use smallvec::SmallVec;
use witgate_upstream::config::VmxHeaders;
use witgate_upstream::{Headers, Role};

use crate::answer::cors::{self, CorsSource};
use crate::budgets::left::UNIFIED;

pub(crate) use self::secrets::{Spill, shows_ours, spill};

/// Headers that may carry a caller's credential. They never reach a plugin or a log, nor an upstream that has not been
/// configured to get them.
const CREDENTIALS: [&str; 5] = [
    "authorization",
    "x-api-key",
    "x-witgate-key",
    "proxy-authorization",
    "cookie",
];

/// The header of a caller's own cap on the cost of a run. It ends at the gateway.
pub(crate) const MAX_COST: &str = "x-witgate-max-cost";

/// Headers of one connection (RFC 9110, section 7.6.1, RFC 7540, section 3.2.1, and older ones).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
];

/// The changes to a client's headers on their way to an upstream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passing {
    pub(crate) coding: BodyCoding,
    pub(crate) form: AnswerForm,
    /// Treatment of headers that are meant for a gateway.
    pub(crate) vmx_headers: VmxHeaders,
}

/// The coding of a request's body on its way to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyCoding {
    /// The coding that the client sent.
    AsSent,
    /// Plain, although the client's was compressed: it was decoded to be edited.
    Decoded,
}

/// The form in which the gateway needs an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerForm {
    /// The form that the client asked for.
    AsAsked,
    /// Not compressed.
    Plain,
    /// Not compressed, and whole, whatever the client has cached.
    PlainAndWhole,
}

const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// Headers that would make an answer depend on what the client has already.
const CONDITIONS: [HeaderName; 6] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// Returns the names of the headers that may carry a credential, which plugins do not see.
pub(crate) fn credentials() -> Arc<[String]> {
    CREDENTIALS.map(str::to_owned).into()
}

/// Returns whether a header may carry a credential.
pub(crate) fn is_credential(name: &str) -> bool {
    CREDENTIALS
        .iter()
        .any(|credential| name.eq_ignore_ascii_case(credential))
}

/// Returns whether a header is meant for a gateway and means nothing to the API.
fn is_for_gateway(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-vmx-")
}

/// Returns whether a header belongs to one connection. A request's `Connection` names no others: `listen/head/check`
/// refuses those.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(&name.as_str())
}

/// Returns the headers that the `Connection` of an answer names. It cannot name those that describe the body.
fn named_by_connection(headers: &HeaderMap) -> SmallVec<[HeaderName; 2]> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse::<HeaderName>().ok())
        .filter(|name| !name.as_str().starts_with("content-"))
        .collect()
}

/// Returns the secrets that a caller presents, in the order in which they are tried. Beside an `x-witgate-key` the
/// other headers are not for the gateway: they may be the caller's own credential at an upstream.
pub(crate) fn presented(headers: &HeaderMap) -> SmallVec<[&[u8]; 2]> {
    let key = |name: &'static str| headers.get(name).map(HeaderValue::as_bytes);
    let secrets = match key("x-witgate-key") {
        Some(own) => [Some(own), None],
        None => [key("x-api-key"), key("authorization").and_then(bearer)],
    };
    secrets
        .into_iter()
        .flatten()
        .filter(|secret| !secret.is_empty())
        .collect()
}

/// Returns the token of a bearer (RFC 6750, section 2.1), without white space around it.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(6)?;
    let begins = token
        .first()
        .is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    (begins && scheme.eq_ignore_ascii_case(b"bearer")).then(|| token.trim_ascii())
}

/// Returns the headers with the lines of each name joined to a list (RFC 9110, section 5.3), for readers of a single
/// value.
pub(crate) fn folded(headers: &HeaderMap) -> HeaderMap {
    if headers.keys_len() == headers.len() {
        return headers.clone();
    }
    let mut folded = HeaderMap::with_capacity(headers.keys_len());
    for name in headers.keys() {
        let lines: Vec<&[u8]> = headers
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        // Valid values joined are a valid value.
        if let Ok(value) = HeaderValue::from_bytes(&lines.join(&b", "[..])) {
            folded.insert(name.clone(), value);
        }
    }
    folded
}

/// Returns the client's headers as an upstream gets them, in their order and case.
pub(crate) fn to_upstream(client: &RequestHeader, passing: Passing) -> Headers {
    let mut headers = Headers::with_capacity(client.headers.len() + 1);
    let plain = passing.form != AnswerForm::AsAsked;
    let mut identity = plain.then_some(IDENTITY);
    let mut pass = |name: &HeaderName, spelling: &[u8], value: &HeaderValue| {
        let value = if plain && *name == header::ACCEPT_ENCODING {
            identity.take()
        } else {
            passing.keeps(name).then(|| value.clone())
        };
        let role = if is_credential(name.as_str()) {
            Role::Credential
        } else {
            Role::Plain
        };
        if let Some(value) = value {
            headers.push(name.clone(), spelling, value, role);
        }
    };
    if client.has_case() {
        for ((name, value), (spelling, _)) in client.headers.iter().zip(client.case_header_iter()) {
            pass(name, spelling.as_slice(), value);
        }
    } else {
        for (name, value) in &client.headers {
            pass(name, name.as_str().as_bytes(), value);
        }
    }
    if let Some(identity) = identity {
        headers.push_own(&header::ACCEPT_ENCODING, identity);
    }
    headers
}

// === impl Passing ===

impl Passing {
    fn keeps(self, name: &HeaderName) -> bool {
        // The plugins have read headers for the gateway, and a decoded body has no coding any more.
        let ends_here = *name == MAX_COST
            || self.vmx_headers == VmxHeaders::EndHere && is_for_gateway(name)
            || self.coding == BodyCoding::Decoded && *name == header::CONTENT_ENCODING
            || self.form == AnswerForm::PlainAndWhole && CONDITIONS.contains(name);
        !ends_here && !is_hop_by_hop(name)
    }
}

/// The framing of an answer on the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The upstream's `Content-Length`, or none.
    AsGiven,
    /// In chunks.
    Chunked,
    /// By the end of the connection, for HTTP/1.0 clients.
    UntilClose,
}

/// The gateway's additions to an upstream's answer.
pub(crate) struct Additions {
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The party that answers CORS requests.
    pub(crate) cors: CorsSource,
}

/// Builds the head of the client's answer from the upstream's, with `additions` behind it.
///
/// # Errors
///
/// The HTTP layer refuses the status or a header, which the parsed head of an upstream does not cause.
pub(crate) fn response_head(
    upstream: &ResponseHeader,
    framing: Framing,
    additions: &Additions,
) -> pingora_core::Result<ResponseHeader> {
    let extra = &additions.headers;
    let mut head = ResponseHeader::build(
        upstream.status,
        Some(upstream.headers.len() + extra.len() + 3),
    )?;
    head.set_reason_phrase(upstream.get_reason_phrase())?;
    let named = named_by_connection(&upstream.headers);
    // One party's limits only: a mixture would say nothing about either.
    let tells_limits = |name: &HeaderName| name.as_str().starts_with(UNIFIED);
    let own_limits = extra.iter().any(|(name, _)| tells_limits(name));
    let passes = |name: &HeaderName| {
        // Values of `Vary` add up.
        let replaced = *name != header::VARY && extra.iter().any(|(own, _)| own == name);
        let foreign = additions.cors == CorsSource::Gateway && cors::is_cors_header(name);
        let limits = own_limits && tells_limits(name);
        !is_hop_by_hop(name) && !named.contains(name) && !replaced && !foreign && !limits
    };
    if upstream.has_case() {
        for ((standard, value), (name, _)) in
            upstream.headers.iter().zip(upstream.case_header_iter())
        {
            if passes(standard) {
                head.append_header(name.clone(), value.clone())?;
            }
        }
    } else {
        for (name, value) in &upstream.headers {
            if passes(name) {
                head.append_header(name, value.clone())?;
            }
        }
    }
    for (name, value) in extra {
        head.append_header(name.clone(), value.clone())?;
    }
    if framing == Framing::Chunked {
        head.append_header(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        )?;
    }
    Ok(head)
}

#[cfg(test)]
mod tests;
