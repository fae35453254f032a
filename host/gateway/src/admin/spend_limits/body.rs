//! What a request for a change consists of, besides its path: a body, and headers about versions and repetitions.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use witgate_http::{Headers, Value};

use super::failed::Failed;
use crate::budgets::live::change::Once;
use crate::listen::session::HttpSession;

/// Largest body of a request.
const MAX_BODY: usize = 64 << 10;

/// Time in which a body has to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Longest name of a request.
const MAX_ONCE: usize = 255;

/// Reads the body of a request.
pub(super) async fn body(session: &mut HttpSession) -> Result<Bytes, Failed> {
    let kind = session.request().headers.get("content-type");
    let is_json = kind
        .and_then(Value::to_str)
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(Failed::new(400, "content-type: must be application/json"));
    }
    let reading = async {
        let mut all = Vec::new();
        loop {
            match session.read_body().await {
                Ok(Some(part)) if all.len() + part.len() <= MAX_BODY => {
                    all.extend_from_slice(&part);
                }
                Ok(Some(_)) => {
                    return Err(Failed::new(
                        413,
                        format!("the body is larger than {MAX_BODY} bytes"),
                    ));
                }
                Ok(None) => return Ok(Bytes::from(all)),
                Err(_) => return Err(Failed::new(400, "the body broke off")),
            }
        }
    };
    let late = |_| Failed::new(408, "the body did not arrive in time");
    timeout(BODY_TIME, reading).await.map_err(late)?
}

/// Returns the version that a request is for.
pub(super) fn expected(headers: &Headers) -> Result<Option<i64>, Failed> {
    let Some(value) = headers.get("if-match") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let version = text.trim_matches('"').parse().ok();
    version.map(Some).ok_or_else(|| {
        Failed::new(
            400,
            "if-match: must be the version of the limit, as in the `etag` of an answer",
        )
    })
}

/// Returns the name of a request.
pub(super) fn once(headers: &Headers, digest: String) -> Result<Option<Once>, Failed> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Some(key) if (1..=MAX_ONCE).contains(&key.len()) => Ok(Some(Once {
            key: key.to_owned(),
            digest,
        })),
        _ => Err(Failed::new(
            400,
            format!("idempotency-key: must have 1 to {MAX_ONCE} visible ASCII characters"),
        )),
    }
}
