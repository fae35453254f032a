//! The parts of a translated request that all dialects make in the same way.

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use witgate_dialect::{OnRefused, Secret, Untranslatable};
use witgate_http::{Headers, Value};
use witgate_messages::Head;

use super::translation::{Consequence, Unfit};
use crate::request::{Request, is_credential};

/// Headers of a client that the translation sets anew.
const OURS: [&str; 2] = ["accept-encoding", "content-encoding"];

/// Reads the head of a body.
///
/// # Errors
///
/// The body is none of the API's.
pub(super) fn head(request: &Request<'_>) -> Result<Head, Unfit> {
    Head::scan(joined(request.body))
        .map_err(|error| Unfit::passed_over(400, format!("its body cannot be read: {error}")))
}

/// Returns the values of all lines of a header.
pub(super) fn lines<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(&name);
    lines.filter_map(Value::to_str).collect()
}

/// Returns the dialect's own headers and behind them the client's, as far as they pass.
pub(super) fn headers<'a>(
    given: &Headers,
    own: impl IntoIterator<Item = (&'static str, &'a str)>,
    passes: impl Fn(&str) -> bool,
) -> Headers {
    let mut headers = Headers::with_capacity_of(&[given], 8);
    for (name, value) in own {
        headers.push_text(name, value);
    }
    headers.push_text("accept-encoding", "identity");
    let goes_on = |name: &str| passes(name) && !is_credential(name) && !OURS.contains(&name);
    for header in given.iter().filter(|header| goes_on(header.name)) {
        headers.copy(header);
    }
    headers
}

/// Adds a header with a credential.
///
/// # Errors
///
/// A header cannot carry it.
pub(super) fn prove(
    headers: &mut Headers,
    name: &'static str,
    value: &Secret,
) -> Result<(), Unfit> {
    let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| {
        Unfit::passed_over(
            500,
            "its credential has characters that a header can't carry",
        )
    })?;
    value.set_sensitive(true);
    headers.push(&HeaderName::from_static(name), &value);
    Ok(())
}

/// Returns the consequence of a request that cannot be translated.
pub(super) fn unfit(error: &Untranslatable) -> Unfit {
    let reason = error.to_string();
    match error {
        Untranslatable::NoModel { .. } | Untranslatable::BadBetas => {
            Unfit::passed_over(400, reason)
        }
        Untranslatable::Model(_) => Unfit::passed_over(404, reason),
        Untranslatable::Edit(_) => Unfit::passed_over(500, reason),
        Untranslatable::Unfit(unfit) => Unfit {
            consequence: match unfit.policy {
                OnRefused::Fail => Consequence::Refused,
                OnRefused::Strip | OnRefused::Skip => Consequence::PassedOver,
            },
            reason,
            status: 400,
        },
    }
}

/// Returns the message of an error: the service's own, with the upstream's name and a cure where the operator has one.
pub(super) fn told(said: &str, upstream: &str, cure: Option<&str>) -> String {
    match cure {
        Some(cure) => format!("{said} (upstream {upstream}: {cure})"),
        None => said.to_owned(),
    }
}

/// Returns a body in one piece.
fn joined(parts: &[Bytes]) -> Bytes {
    match parts {
        [whole] => whole.clone(),
        parts => {
            let mut joined = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
            parts.iter().for_each(|part| joined.extend_from_slice(part));
            joined.freeze()
        }
    }
}
