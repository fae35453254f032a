//! Creating and deleting message batches.
//!
//! A batch is recorded before its id reaches the client, and settled before it is deleted: its cost cannot be read afterwards.

use std::sync::Arc;

use bytes::Bytes;
use witgate_messages::batch::{Batch, RewriteError};
use witgate_messages::endpoint::Endpoint;
use witgate_messages::page::id_of;
use witgate_messages::splice::{Edit, EditError};
use witgate_runtime::{Envelope, Request};

use crate::answer::refused::{Refused, Retry};
use crate::batches::{Facts, Found, Maker, Record, UNITS, look};
use crate::clock::now;
use crate::exchange::decide::Decision;
use crate::exchange::decide::batch_context::{BLOCKING_THRESHOLD, BatchContext};
use crate::exchange::decide::copy;
use crate::exchange::decide::edits::edit_failed;
use crate::exchange::settle::Settlement;
use crate::exchange::view::View;
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::receipts::batch_note::BatchNote;
use crate::tenants::concurrency::Charge;

/// The body of a creation as it is sent.
pub(crate) struct Written {
    pub(crate) parts: Vec<Bytes>,
    /// What pays for the copies among them.
    _copies: Option<Charge>,
}

/// The body of a creation as it is sent: the envelope's edits made, and the models of the plans put into their requests.
///
/// # Errors
///
/// It can't be put together, which no request causes, or there is no memory for that now.
pub(crate) async fn body(decision: &Decision, settlement: &Settlement) -> Result<Written, Refused> {
    let as_it_is = |parts| Written {
        parts,
        _copies: None,
    };
    let (BatchContext::Creates(batch), Some(head)) = (&decision.batch, &decision.view.head) else {
        return Ok(as_it_is(Vec::new()));
    };
    let by_kind: Vec<Vec<Edit>> = decision
        .changes
        .iter()
        .map(|changes| batch.edits.iter().chain(changes).cloned().collect())
        .collect();
    if by_kind.iter().all(Vec::is_empty) {
        return Ok(as_it_is(head.sent().into_parts().into_vec()));
    }
    let copies = copy::charge(head.sent_len(), settlement)?;
    let (batch, head) = (Arc::clone(&batch.batch), head.clone());
    let write = move || {
        let of = |kind: usize| by_kind.get(kind).map_or(&[][..], Vec::as_slice);
        batch.rewritten(&head, of)
    };
    let written = if decision.view.body().len() < BLOCKING_THRESHOLD {
        write()
    } else {
        tokio::task::spawn_blocking(write)
            .await
            .map_err(|_| Refused::gateway(503, "the batch could not be written: try again"))?
    };
    let parts = written.map_err(|error| {
        if let RewriteError::Edit(error @ EditError::NotArray { .. }) = &error {
            return edit_failed(error);
        }
        tracing::error!(%error, "a batch can't be rewritten");
        Refused::gateway(503, "the batch could not be written: try again")
    })?;
    Ok(Written {
        parts,
        _copies: copies,
    })
}

/// Settles a batch that is about to be deleted by whoever owns it.
///
/// # Errors
///
/// It still runs: a 409. It can't be settled now: a 503.
pub(crate) async fn before_deletion(
    view: &View,
    snapshot: &Snapshot,
    gateway: &Gateway,
) -> Result<(), Refused> {
    let id = view.endpoint.id(&view.path);
    let about = id.filter(|_| view.endpoint == Endpoint::Batch);
    let Some(record) = about.and_then(|id| gateway.batches.record(id)) else {
        return Ok(());
    };
    let later = |why: String| {
        Refused::gateway(
            503,
            format!(
                "the batch must be settled before it can be deleted, and settling it failed: {why}"
            ),
        )
    };
    let Some(upstream) = snapshot.upstreams.get(&record.upstream) else {
        return Err(later(format!(
            "the upstream `{}` is not configured",
            record.upstream
        )));
    };
    match look(
        upstream,
        &record,
        snapshot.prices.of(Some(&record.upstream)),
    )
    .await
    {
        Ok(Found::Running) => Err(Refused::client(
            409,
            "the batch is still being processed: cancel it, and delete it once it has ended",
        )),
        Ok(Found::Ended(ending)) => {
            if gateway.batches.settle_now(&record.id, ending).await {
                Ok(())
            } else {
                Err(later("the gateway's state can't be written".into()))
            }
        }
        Err(trouble) => Err(later(trouble.to_string())),
    }
}

/// Takes what is held for a batch over from the exchange that created it. Its answer may go out when this returns.
///
/// # Errors
///
/// The upstream's answer names no batch, or the state can't be written: the client is not told of a batch that nobody
/// would pay for.
pub(crate) async fn created(
    batch: &Batch,
    view: &View,
    envelope: &Envelope,
    answer: &[u8],
    gateway: &Gateway,
    settlement: &mut Settlement,
) -> Result<(), Refused> {
    let Some(id) = id_of(answer).filter(|id| is_plain(id)) else {
        return Err(without_retry(Refused::upstream(
            502,
            "the upstream's response to the creation of a batch contains no batch id",
        )));
    };
    let attempt = settlement.route().attempts.last();
    let upstream = attempt.map(|attempt| attempt.upstream.clone());
    let hold = settlement.split_hold(&UNITS, &id);
    let facts = Facts::of(
        batch.len(),
        Maker::of(&view.caller, envelope, &settlement.request().provenance),
        view.headers("anthropic-"),
        hold.as_ref(),
    );
    settlement.note_batch(BatchNote::made(&id, facts.requests));
    settlement.counts_as(batch.len());
    let record = Record {
        id: id.into(),
        upstream: upstream.unwrap_or_default(),
        created: now(),
        facts,
    };
    let id = Arc::clone(&record.id);
    gateway.batches.open(record, hold).await.map_err(|error| {
        tracing::error!(batch = %id, %error, "a batch was created at the upstream, and can't be recorded: it is not accounted for");
        without_retry(Refused::gateway(
            500,
            "the batch was created and could not be recorded: its id is in the gateway's log",
        ))
    })
}

/// Tells the client not to retry: that would create another batch.
fn without_retry(refused: Refused) -> Refused {
    Refused {
        retry: Retry::Useless,
        ..refused
    }
}

/// An id that is the same in every spelling, as all of the API's are.
fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=256).contains(&id.len()) && id.bytes().all(plain)
}
