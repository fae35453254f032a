//! Between the steps: what is special about requests that make a batch, or are about one.
//!
//! A creation is scanned before the plugins are asked, so that budgets see what all of its requests are expected to
//! cost. A request about a batch goes to the upstream that has it, whatever the route says. A batch is recorded before its
//! id is told, and settled before it is deleted: nobody could say afterwards what it came to.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use witgate_messages::Malformed;
use witgate_messages::batch::{Batch, Same};
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::splice::Edit;
use witgate_runtime::{Lineup, Plan, Request};

use super::copy;
use super::{Decision, set_model};
use crate::answer::refused::{Refused, Retry};
use crate::batches::{BatchNote, Facts, Found, Maker, Record, UNITS, look};
use crate::clock::now;
use crate::exchange::settle::Settlement;
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::tenants::concurrency::Charge;
use crate::view::View;

/// Bodies from this size on are scanned off the request workers.
const LARGE: usize = 1 << 20;

/// Bytes that are kept of each request of a creation beside its body.
const ASKED: usize = 160;

/// The body of a creation as it is sent.
pub(crate) struct Written {
    pub(crate) parts: Vec<Bytes>,
    /// What pays for the copies among them.
    _copies: Option<Charge>,
}

/// What a request has to do with batches.
pub(crate) enum Part {
    /// Nothing.
    None,
    /// It makes this one.
    Creates(Arc<Batch>),
    /// It is about one that this upstream has.
    At(String),
}

/// The part of an answer to a creation that counts.
#[derive(Deserialize)]
struct Created {
    id: String,
}

// === impl Part ===

impl Part {
    /// Changes a plan as far as the request is about a batch that is somewhere: it is asked for there.
    pub(crate) fn bend(&self, plan: &mut Plan) {
        match self {
            Self::None | Self::Creates(_) => {}
            Self::At(upstream) => plan.targets = Plan::to(upstream).targets,
        }
    }
}

/// Finds out what a request has to do with batches.
///
/// # Errors
///
/// A creation that can't be read in one way only is a 400; the state that can't be read is a 503.
pub(crate) async fn prepare(
    view: &mut Arc<View>,
    lineup: &Lineup,
    gateway: &Gateway,
    settlement: &mut Settlement,
) -> Result<Part, Refused> {
    let id = match view.endpoint {
        Endpoint::Batches if view.method == Method::POST => {
            let same = same(lineup);
            let created = creates(view, same, settlement).await;
            return created.map(Part::Creates);
        }
        Endpoint::Batch | Endpoint::BatchCancel | Endpoint::BatchResults => {
            view.endpoint.id(&view.path)
        }
        _ => None,
    };
    let Some(id) = id else {
        return Ok(Part::None);
    };
    settlement.receipt.batch = Some(Box::new(BatchNote::about(id)));
    let upstream = gateway.batches.upstream(id).await.map_err(|error| {
        tracing::error!(%error, "the upstream of a batch can't be looked up");
        Refused::gateway(503, "the gateway's state can't be read: try again")
    })?;
    Ok(upstream.map_or(Part::None, Part::At))
}

/// Returns how much of a request the plugins that decide about it may look at.
fn same(lineup: &Lineup) -> Same {
    if copy::is_read(lineup) {
        Same::Bytes
    } else {
        Same::Head
    }
}

/// Scans a creation. Where a plugin has put other requests into it, these are the ones that count from here on.
async fn creates(
    view: &mut Arc<View>,
    same: Same,
    settlement: &Settlement,
) -> Result<Arc<Batch>, Refused> {
    let Some(head) = &view.head else {
        return Err(Refused::client(
            400,
            "the body is empty: a JSON object is expected",
        ));
    };
    let head = head.clone();
    if has_other_requests(&head) {
        copy::keep(view, head.sent_len(), settlement)?;
    }
    let scanned = if head.body().len() < LARGE {
        scan(&head, same)
    } else {
        tokio::task::spawn_blocking(move || scan(&head, same))
            .await
            .map_err(|_| Refused::gateway(503, "the batch could not be scanned: try again"))?
    };
    let (batch, head) = scanned.map_err(|malformed| Refused::client(400, malformed.to_string()))?;
    copy::keep(view, batch.len() * ASKED, settlement)?;
    if let Some(head) = head {
        Arc::make_mut(view).head = Some(head);
    }
    Ok(Arc::new(batch))
}

/// Whether a plugin has put other requests into a creation.
fn has_other_requests(head: &Head) -> bool {
    head.edits().iter().any(|edit| edit.name() == "requests")
}

fn scan(head: &Head, same: Same) -> Result<(Batch, Option<Head>), Malformed> {
    if !has_other_requests(head) {
        return Ok((Batch::scan_by(head, same)?, None));
    }
    let head = Head::scan(head.sent().into_bytes())?;
    Ok((Batch::scan_by(&head, same)?, Some(head)))
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
    let (Part::Creates(batch), Some(head)) = (&decision.part, &decision.view.head) else {
        return Ok(as_it_is(Vec::new()));
    };
    let edits = decision.view.edits_of_requests(&decision.envelope);
    let by_kind: Vec<Vec<Edit>> = decision
        .models
        .iter()
        .map(|model| {
            edits
                .iter()
                .cloned()
                .chain(model.as_deref().map(set_model))
                .collect()
        })
        .collect();
    if by_kind.iter().all(Vec::is_empty) {
        return Ok(as_it_is(head.sent().into_parts().into_vec()));
    }
    let copies = copy::charge(head.sent_len(), settlement)?;
    let (batch, head) = (Arc::clone(batch), head.clone());
    let write = move || {
        let of = |kind: usize| by_kind.get(kind).map_or(&[][..], Vec::as_slice);
        batch.rewritten(&head, of)
    };
    let written = if decision.view.body().len() < LARGE {
        write()
    } else {
        tokio::task::spawn_blocking(write)
            .await
            .map_err(|_| Refused::gateway(503, "the batch could not be written: try again"))?
    };
    let parts = written.map_err(|malformed| {
        tracing::error!(%malformed, "a batch that was read can't be read again");
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
            format!("the batch has to be settled before it is deleted, and can't be now: {why}"),
        )
    };
    let Some(upstream) = snapshot.upstreams.get(&record.upstream) else {
        return Err(later(format!(
            "the upstream `{}` is not configured",
            record.upstream
        )));
    };
    match look(upstream, &record, &snapshot.prices).await {
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
    decision: &Decision,
    answer: &[u8],
    gateway: &Gateway,
    settlement: &mut Settlement,
) -> Result<(), Refused> {
    let Part::Creates(batch) = &decision.part else {
        return Ok(());
    };
    let created: Option<Created> = serde_json::from_slice(answer).ok();
    let Some(id) = created.map(|created| created.id).filter(|id| is_plain(id)) else {
        return Err(useless(Refused::upstream(
            502,
            "the upstream's answer to the creation of a batch names no batch",
        )));
    };
    let attempt = settlement.receipt.attempts.last();
    let upstream = attempt.map(|attempt| attempt.upstream.clone());
    let view = &decision.view;
    let hold = settlement.split_hold(&UNITS);
    let facts = Facts::of(
        batch.len(),
        Maker::of(
            &view.caller,
            &decision.envelope,
            &settlement.receipt.provenance,
        ),
        view.headers("anthropic-"),
        hold.as_ref(),
    );
    settlement.receipt.batch = Some(Box::new(BatchNote::made(&id, facts.requests)));
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
        useless(Refused::gateway(
            500,
            "the batch was created and could not be recorded: its id is in the gateway's log",
        ))
    })
}

/// Another try would make another batch.
fn useless(refused: Refused) -> Refused {
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
