//! Polling of a batch with the upstream's own credential: its status, and its usage once it has ended.

use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use witgate_http::Headers;
use witgate_messages::batch::{Results, Totals};
use witgate_messages::error::{ErrorReport, ErrorType};
use witgate_messages::price::PriceBook;
use witgate_upstream::{
    Admission, Alternative, Attempt, Departure, Framing, HeadersOf, Limit, Request, Response,
    Upstream,
};

use super::{Ending, Record};

/// Largest answer with a batch's status, or error, in bytes.
const MAX_STATUS_BYTES: usize = 1 << 20;

/// The version of the API for batches whose creation named none.
const VERSION: &str = "2023-06-01";

/// The state of a batch.
#[derive(Debug)]
pub(crate) enum Found {
    /// The batch has not ended.
    Running,
    /// The batch has ended.
    Ended(Ending),
}

/// The reason for which the state is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The upstream cannot be asked now, about this batch or any other.
    #[error("the upstream can't be asked: {0}")]
    Upstream(String),
    /// The upstream's answer about this batch cannot be used.
    #[error("{0}")]
    Batch(String),
}

/// The members of a batch that are read.
#[derive(Debug, Deserialize)]
struct Status {
    processing_status: String,
    #[serde(default)]
    request_counts: Counts,
}

#[derive(Debug, Default, Deserialize)]
struct Counts {
    #[serde(default)]
    succeeded: u64,
    #[serde(default)]
    errored: u64,
    #[serde(default)]
    canceled: u64,
    #[serde(default)]
    expired: u64,
}

/// Asks for the state of a batch, and reads its results once it has ended.
///
/// # Errors
///
/// The upstream cannot be asked, or its answer cannot be read.
pub(crate) async fn look(
    upstream: &Arc<Upstream>,
    record: &Record,
    prices: &Arc<PriceBook>,
) -> Result<Found, Trouble> {
    let Some((mut response, mut attempt)) = ask(upstream, record, "").await? else {
        return Ok(Found::Ended(Ending::Gone));
    };
    let body = read(&mut response, &mut attempt, MAX_STATUS_BYTES).await?;
    attempt.release(response);
    let status: Status = serde_json::from_slice(&body)
        .map_err(|error| Trouble::Batch(format!("its status can't be read: {error}")))?;
    if status.processing_status != "ended" {
        return Ok(Found::Running);
    }
    let counts = status.request_counts;
    if counts.succeeded == 0 {
        // Only successful messages cost anything, so the results need not be read.
        let totals = Totals {
            errored: counts.errored,
            canceled: counts.canceled,
            expired: counts.expired,
            ..Totals::default()
        };
        return Ok(Found::Ended(Ending::Results(Box::new(totals))));
    }

    let Some((mut response, mut attempt)) = ask(upstream, record, "/results").await? else {
        return Ok(Found::Ended(Ending::Gone));
    };
    let mut results = Results::new(Arc::clone(prices));
    while !response.is_done() {
        let read = response.read().await;
        attempt.body_read(&response);
        let chunk = read.map_err(|error| {
            Trouble::Upstream(format!("its results broke off: {}", error.etype().as_str()))
        })?;
        chunk.iter().for_each(|chunk| results.feed(chunk));
    }
    attempt.release(response);
    let totals = results.finish();
    if totals.succeeded < counts.succeeded {
        tracing::warn!(
            batch = %record.id, told = counts.succeeded, read = totals.succeeded,
            "the results of a batch hold fewer messages than its status tells of"
        );
    }
    Ok(Found::Ended(Ending::Results(Box::new(totals))))
}

/// Asks for a batch, or something of it. Returns `None` when the upstream does not know the batch.
async fn ask(
    upstream: &Arc<Upstream>,
    record: &Record,
    below: &str,
) -> Result<Option<(Response, Attempt)>, Trouble> {
    let path = format!("/v1/messages/batches/{}{below}", record.id);
    let request = Request {
        method: &Method::GET,
        path: &path,
        headers: headers(&record.facts.headers)?,
        headers_of: HeadersOf::Gateway,
        framing: Framing::None,
        body: &[],
    };
    let mut attempt = upstream
        .attempt(Admission::Required(Alternative::None))
        .map_err(|closed| Trouble::Upstream(closed.to_string()))?;
    let limit = Limit::of_upstream(upstream.config.head_timeout);
    let mut response = attempt
        .send(&request, limit, &Departure::default())
        .await
        .map_err(|error| Trouble::Upstream(error.to_string()))?;
    let status = response.status();
    if status == 200 {
        return Ok(Some((response, attempt)));
    }

    let body = read(&mut response, &mut attempt, MAX_STATUS_BYTES).await?;
    attempt.release(response);
    let report = ErrorReport::read(&body);
    // A 404 that is not the API's own says more about the way there than about the batch.
    let unknown = report
        .as_ref()
        .is_some_and(|report| report.kind == ErrorType::NotFound);
    match status {
        404 if unknown => Ok(None),
        401 | 403 | 408 | 429 | 500.. => Err(Trouble::Upstream(format!("it answers {status}"))),
        _ => Err(Trouble::Batch(format!("the upstream answers {status}"))),
    }
}

/// Returns the headers of a request: the gateway's own, and those that the creation of the batch had.
fn headers(of_creation: &[(String, String)]) -> Result<Headers, Trouble> {
    let mut headers = Headers::with_capacity(of_creation.len() + 4);
    for (name, value) in [
        (ACCEPT, "application/json"),
        (ACCEPT_ENCODING, "identity"),
        (USER_AGENT, concat!("witgate/", env!("CARGO_PKG_VERSION"))),
    ] {
        headers.push(&name, &HeaderValue::from_static(value));
    }
    let mut version = Some(HeaderValue::from_static(VERSION));
    for (name, value) in of_creation {
        let invalid = |_| Trouble::Batch(format!("its header {name} cannot be sent"));
        let value = HeaderValue::from_str(value).map_err(|_| invalid(()))?;
        let name = name.parse::<HeaderName>().map_err(|_| invalid(()))?;
        if name == "anthropic-version" {
            version = None;
        }
        headers.push(&name, &value);
    }
    if let Some(version) = version {
        headers.push(&HeaderName::from_static("anthropic-version"), &version);
    }
    Ok(headers)
}

/// Reads a small answer whole.
async fn read(
    response: &mut Response,
    attempt: &mut Attempt,
    limit: usize,
) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while !response.is_done() {
        let read = response.read().await;
        attempt.body_read(response);
        let chunk = read.map_err(|error| {
            Trouble::Upstream(format!("its answer broke off: {}", error.etype().as_str()))
        })?;
        let chunk = chunk.unwrap_or_default();
        if body.len() + chunk.len() > limit {
            return Err(Trouble::Batch("the answer is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
