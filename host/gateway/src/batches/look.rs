//! Looks at a batch with the upstream's own credential: has it ended, and what did it come to?

use std::sync::Arc;

use pingora_http::RequestHeader;
use serde::Deserialize;
use witgate_messages::batch::{Results, Totals};
use witgate_messages::error::{ErrorReport, ErrorType};
use witgate_messages::price::PriceBook;

use super::{Ending, Record};
use crate::headers::{self, BodyCoding, Forwarded};
use crate::upstream::Upstream;
use crate::upstream::connection::{Answering, Outgoing};
use crate::upstream::kind::Addressed;
use crate::upstream::limit::Limit;
use crate::upstream::stats::InFlight;

/// Most bytes of an answer that says how a batch is doing, or of an error.
const STATUS: usize = 1 << 20;

/// The version that is asked for where the creation named none.
const VERSION: &str = "2023-06-01";

/// What a look found.
#[derive(Debug)]
pub(crate) enum Found {
    /// It has not ended.
    Running,
    /// It has.
    Ended(Ending),
}

/// Why a look found nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The upstream can't be asked now; neither can it be about other batches.
    #[error("the upstream can't be asked: {0}")]
    Upstream(String),
    /// The upstream does not say of this batch what it should.
    #[error("{0}")]
    Batch(String),
}

/// The part of a batch that counts.
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

/// Looks at a batch, and at its results once it has ended.
///
/// # Errors
///
/// The upstream can't be asked, or what it says can't be read.
pub(crate) async fn look(
    upstream: &Arc<Upstream>,
    record: &Record,
    prices: &Arc<PriceBook>,
) -> Result<Found, Trouble> {
    let Some((mut answering, mut in_flight)) = ask(upstream, record, "").await? else {
        return Ok(Found::Ended(Ending::Gone));
    };
    let body = read(&mut answering, &mut in_flight, STATUS).await?;
    answering.release(upstream).await;
    let status: Status = serde_json::from_slice(&body)
        .map_err(|error| Trouble::Batch(format!("its status can't be read: {error}")))?;
    if status.processing_status != "ended" {
        return Ok(Found::Running);
    }
    let counts = status.request_counts;
    if counts.succeeded == 0 {
        // Only messages cost anything, so there is nothing to read.
        let totals = Totals {
            errored: counts.errored,
            canceled: counts.canceled,
            expired: counts.expired,
            ..Totals::default()
        };
        return Ok(Found::Ended(Ending::Results(Box::new(totals))));
    }

    let Some((mut answering, mut in_flight)) = ask(upstream, record, "/results").await? else {
        return Ok(Found::Ended(Ending::Gone));
    };
    let mut results = Results::new(Arc::clone(prices));
    while !answering.is_done() {
        let read = answering.read().await;
        in_flight.read(&answering);
        let chunk = read.map_err(|error| {
            Trouble::Upstream(format!("its results broke off: {}", error.etype().as_str()))
        })?;
        chunk.iter().for_each(|chunk| results.feed(chunk));
    }
    answering.release(upstream).await;
    let totals = results.finish();
    if totals.succeeded < counts.succeeded {
        tracing::warn!(
            batch = %record.id, told = counts.succeeded, read = totals.succeeded,
            "the results of a batch hold fewer messages than its status tells of"
        );
    }
    Ok(Found::Ended(Ending::Results(Box::new(totals))))
}

/// Asks for a batch, or something of it; none when the upstream does not know it.
async fn ask(
    upstream: &Arc<Upstream>,
    record: &Record,
    of_it: &str,
) -> Result<Option<(Answering, InFlight)>, Trouble> {
    let path = format!("/v1/messages/batches/{}{of_it}", record.id);
    let Addressed { target, shown } = upstream.kind().address(upstream, &path);
    let request = request(&target, &record.facts.headers)
        .map_err(|error| Trouble::Batch(format!("it can't be asked for: {error}")))?;
    let head = Forwarded {
        target: &target,
        authority: &upstream.authority,
        vmx_headers: upstream.config.vmx_headers,
        shown: &shown,
        coding: BodyCoding::AsSent,
        body_len: None,
    };
    let outgoing = Outgoing {
        head: headers::write_request_head(&request, &head, 0),
        body: &[],
    };
    let mut in_flight = upstream.enter();
    let mut answering = in_flight
        .ask(outgoing, Limit::of_upstream(upstream.config.head_timeout))
        .await
        .map_err(|failed| Trouble::Upstream(failed.to_string()))?;
    answering.set_idle_timeout(upstream.config.idle_timeout);
    let status = answering.status();
    if status == 200 {
        return Ok(Some((answering, in_flight)));
    }

    let body = read(&mut answering, &mut in_flight, STATUS).await?;
    answering.release(upstream).await;
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

fn request(path: &str, own: &[(String, String)]) -> pingora_core::Result<RequestHeader> {
    let mut request = RequestHeader::build("GET", path.as_bytes(), Some(8))?;
    request.append_header("Accept", "application/json")?;
    request.append_header("Accept-Encoding", "identity")?;
    request.append_header("User-Agent", concat!("witgate/", env!("CARGO_PKG_VERSION")))?;
    for (name, value) in own {
        request.append_header(name.clone(), value.clone())?;
    }
    if request.headers.get("anthropic-version").is_none() {
        request.append_header("anthropic-version", VERSION)?;
    }
    Ok(request)
}

/// Reads a small answer whole.
async fn read(
    answering: &mut Answering,
    in_flight: &mut InFlight,
    limit: usize,
) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while !answering.is_done() {
        let read = answering.read().await;
        in_flight.read(answering);
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
