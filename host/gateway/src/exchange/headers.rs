//! Header hygiene: the headers that a message carries to the other side, in the order and case in which they came.
//!
//! Hop-by-hop headers end here, on both sides, and so do credentials and a caller's `x-vmx-*`. Everything else passes:
//! an unknown `anthropic-*` header is part of a feature. Heads are built in one ordered pass, because removing from a
//! header map reorders it.

mod of_plugins;
mod secrets;

pub(crate) use self::of_plugins::{of_the_host, plugin_header, that_plugins_may_set};

use std::sync::Arc;

use http::header;
use http::{HeaderValue, Version};
use smallvec::SmallVec;
use witgate_http::{Headers, ResponseHead, Value};
use witgate_upstream::config::VmxHeaders;
pub(crate) use witgate_upstream::is_credential;

use crate::answer::cors::{self, CorsSource};
use crate::budgets::left::UNIFIED;

pub(crate) use self::secrets::{Spill, shows_ours, spill};

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
const CONDITIONS: [&str; 6] = [
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
];

/// Returns the names of the headers that may carry a credential. They never reach a plugin or a log, nor an upstream that has not been
/// configured to get them.
pub(crate) fn credentials() -> Arc<[String]> {
    let names = witgate_upstream::credentials().iter();
    names.map(|name| (*name).to_owned()).collect()
}

/// Returns whether a header is meant for a gateway and means nothing to the API.
fn is_for_gateway(name: &str) -> bool {
    name.starts_with("x-vmx-")
}

/// Returns whether a header belongs to one connection. A request's `Connection` names no others: `listen/head/check`
/// refuses those.
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
}

/// Returns whether the `Connection` of an answer names a header. It cannot name those that describe the body.
fn is_named_by_connection(headers: &Headers, name: &str) -> bool {
    !name.starts_with("content-") && headers.has_option("connection", name)
}

/// Returns the secrets that a caller presents, in the order in which they are tried. Beside an `x-witgate-key` the
/// other headers are not for the gateway: they may be the caller's own credential at an upstream.
pub(crate) fn presented(headers: &Headers) -> SmallVec<[&[u8]; 2]> {
    let key = |name: &'static str| headers.get(name).map(Value::as_bytes);
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

/// Returns the client's headers as an upstream gets them, in their order and case.
pub(crate) fn to_upstream(client: &Headers, passing: Passing) -> Headers {
    let mut headers = Headers::with_capacity_of(&[client], 1);
    let plain = passing.form != AnswerForm::AsAsked;
    let mut identity = plain.then_some(IDENTITY);
    for header in client.iter() {
        if plain && header.name == "accept-encoding" {
            if let Some(identity) = identity.take() {
                headers.copy_with(header, &identity);
            }
        } else if passing.keeps(header.name) {
            headers.copy(header);
        }
    }
    if let Some(identity) = identity {
        headers.push(&header::ACCEPT_ENCODING, &identity);
    }
    headers
}

// === impl Passing ===

impl Passing {
    fn keeps(self, name: &str) -> bool {
        // The plugins have read headers for the gateway, and a decoded body has no coding any more.
        let ends_here = name == MAX_COST
            || self.vmx_headers == VmxHeaders::EndHere && is_for_gateway(name)
            || self.coding == BodyCoding::Decoded && name == "content-encoding"
            || self.form == AnswerForm::PlainAndWhole && CONDITIONS.contains(&name);
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
    pub(crate) headers: Headers,
    /// The party that answers CORS requests.
    pub(crate) cors: CorsSource,
}

/// Builds the head of the client's answer from the upstream's, with `additions` behind it.
pub(crate) fn response_head(
    upstream: &ResponseHead,
    framing: Framing,
    additions: &Additions,
) -> ResponseHead {
    let extra = &additions.headers;
    let given = &upstream.headers;
    let mut headers = Headers::with_capacity_of(&[given, extra], 1);
    // One party's limits only: a mixture would say nothing about either.
    let tells_limits = |name: &str| name.starts_with(UNIFIED);
    let has_connection = given.contains_key("connection");
    let own_limits = extra.iter().any(|own| tells_limits(own.name));
    let passes = |name: &str| {
        // Values of `Vary` add up.
        let replaced = name != "vary" && extra.contains_key(name);
        let foreign = additions.cors == CorsSource::Gateway && cors::is_cors_header(name);
        let limits = own_limits && tells_limits(name);
        let ends_here =
            is_hop_by_hop(name) || has_connection && is_named_by_connection(given, name);
        !ends_here && !replaced && !foreign && !limits
    };
    for header in given.iter() {
        if passes(header.name) {
            headers.copy(header);
        }
    }
    headers.extend(extra);
    if framing == Framing::Chunked {
        headers.push_text("transfer-encoding", "chunked");
    }
    ResponseHead {
        status: upstream.status,
        reason: upstream.reason.clone(),
        version: Version::HTTP_11,
        headers,
    }
}

#[cfg(test)]
mod tests;
