//! Dialects that are nearly the API's own: a token or a key in a header, and answers and streams that pass as they come.

use std::time::Duration;

use http::StatusCode;
use witgate_dialect::{Fault, Reason, Skew};
use witgate_http::{ResponseHead, Value};

use super::compose;
use super::translation::{By, Failure};
use crate::credential::leased::found::Access;

/// The least difference of clocks that is spoken of, as an answer takes its time.
const LEAST_SKEW: Duration = Duration::from_secs(60);

/// Returns the API's answer for an error, with the upstream's name and the cure. `service` is whose clock a token is refused by.
pub(super) fn failure(
    mut fault: Fault,
    service: &str,
    head: &ResponseHead,
    by: &By<'_>,
) -> Failure {
    if fault.reason == Some(Reason::Credential) {
        fault.cure = Some(refused(&fault, service, head, by));
    }
    let upstream = &by.config.name;
    fault.message = compose::told(&fault.message, upstream, fault.cure.as_deref());
    Failure {
        status: StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_GATEWAY),
        body: fault.body(head.headers.get("request-id").and_then(Value::to_str)),
        is_corrected: false,
    }
}

/// Returns the cure of a credential that is refused: where it comes from, and the clock if that is wrong.
fn refused(fault: &Fault, service: &str, head: &ResponseHead, by: &By<'_>) -> String {
    let cure = fault.cure.clone().unwrap_or_default();
    let origin = match by.held {
        Some(held) => format!("it comes from {}", held.origin),
        None => "it is the upstream's `credential`".to_owned(),
    };
    let date = head.headers.get("date").and_then(Value::to_str);
    match Skew::between(date, by.now, LEAST_SKEW) {
        Some(skew) => format!("{cure}; {origin}; {}", skew.cure(service)),
        None => format!("{cure}; {origin}"),
    }
}

/// Returns the header that the credential is sent in, if it is not a configured one.
pub(super) fn proof<'a>(by: &By<'a>) -> Option<(&'static str, &'a witgate_dialect::Secret)> {
    match &by.held?.access {
        Access::Header { name, value, .. } => Some((name, value)),
        Access::Aws(_) => None,
    }
}
