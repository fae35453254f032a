//! Message batches in the decision: the batch that a request creates, or the upstream that holds the one it is about.
//!
//! A new batch is scanned before the plugins are asked, so that budgets see the expected cost of all its requests. A request
//! about an existing batch goes to the upstream that holds it, whatever the route says.

use std::sync::Arc;

use http::Method;
use witgate_messages::Malformed;
use witgate_messages::batch::{Batch, Same};
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_runtime::{Lineup, Plan};

use super::copy;
use crate::answer::refused::Refused;
use crate::exchange::settle::Settlement;
use crate::gateway::Gateway;
use crate::receipts::batch_note::BatchNote;
use crate::view::View;

/// Bodies from this size on are scanned off the request workers.
pub(crate) const LARGE: usize = 1 << 20;

/// Bytes that are kept of each request of a creation beside its body.
const ASKED: usize = 160;

/// What a request has to do with batches.
pub(crate) enum BatchContext {
    /// Nothing.
    None,
    /// It makes this one.
    Creates(Arc<Batch>),
    /// It is about one that this upstream has.
    At(String),
}

// === impl BatchContext ===

impl BatchContext {
    /// Changes a plan as far as the request is about a batch that is somewhere: it is asked for there.
    pub(crate) fn constrain(&self, plan: &mut Plan) {
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
) -> Result<BatchContext, Refused> {
    let id = match view.endpoint {
        Endpoint::Batches if view.method == Method::POST => {
            let same = same(lineup);
            let created = creates(view, same, settlement).await;
            return created.map(BatchContext::Creates);
        }
        Endpoint::Batch | Endpoint::BatchCancel | Endpoint::BatchResults => {
            view.endpoint.id(&view.path)
        }
        _ => None,
    };
    let Some(id) = id else {
        return Ok(BatchContext::None);
    };
    settlement.receipt.batch = Some(Box::new(BatchNote::about(id)));
    let upstream = gateway.batches.upstream(id).await.map_err(|error| {
        tracing::error!(%error, "the upstream of a batch can't be looked up");
        Refused::gateway(503, "the gateway's state can't be read: try again")
    })?;
    Ok(upstream.map_or(BatchContext::None, BatchContext::At))
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
