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
use witgate_messages::splice::Edit;
use witgate_runtime::{Envelope, Lineup, Plan};

use super::copy;
use crate::answer::refused::Refused;
use crate::exchange::guard::EditInspection;
use crate::exchange::settle::Settlement;
use crate::exchange::view::View;
use crate::gateway::Gateway;
use crate::receipts::batch_note::BatchNote;

/// Size in bytes from which a body is scanned on a blocking thread.
pub(crate) const BLOCKING_THRESHOLD: usize = 1 << 20;

/// Memory for each request of a new batch beside its body, in bytes.
const BYTES_PER_REQUEST: usize = 160;

/// The relation of a request to message batches.
pub(crate) enum BatchContext {
    /// No relation.
    None,
    /// The request creates this batch.
    Creates(NewBatch),
    /// The request is about a batch that this upstream holds.
    At(String),
}

/// A batch that a request creates.
pub(crate) struct NewBatch {
    pub(crate) batch: Arc<Batch>,
    /// The envelope's edits of each request's `params`, as the guards leave them.
    pub(crate) edits: Vec<Edit>,
}

// === impl BatchContext ===

impl BatchContext {
    /// Constrains a plan to the upstream that holds the batch.
    pub(crate) fn constrain(&self, plan: &mut Plan) {
        match self {
            Self::None | Self::Creates(_) => {}
            Self::At(upstream) => plan.targets = Plan::to(upstream).targets,
        }
    }
}

/// Returns the relation of a request to batches, and scans a new batch.
///
/// # Errors
///
/// 400 if a new batch can be read in more than one way, 503 if the store can't be read; also if a guard refuses the edits of a
/// new batch's requests.
pub(crate) async fn prepare(
    view: &mut Arc<View>,
    envelope: &Envelope,
    lineup: &Lineup,
    gateway: &Gateway,
    settlement: &mut Settlement,
) -> Result<BatchContext, Refused> {
    let id = match view.endpoint {
        Endpoint::Batches if view.method == Method::POST => {
            let same = same(lineup);
            let edits = view.edits_of_requests(envelope);
            let batch = creates(view, same, settlement).await?;
            let mut inspection = EditInspection::default();
            let edits = inspection.inspect(edits, settlement).await?;
            return Ok(BatchContext::Creates(NewBatch { batch, edits }));
        }
        Endpoint::Batch | Endpoint::BatchCancel | Endpoint::BatchResults => {
            view.endpoint.id(&view.path)
        }
        _ => None,
    };
    let Some(id) = id else {
        return Ok(BatchContext::None);
    };
    settlement.note_batch(BatchNote::about(id));
    let upstream = gateway.batches.upstream(id).await.map_err(|error| {
        tracing::error!(%error, "the upstream that holds a batch can't be looked up");
        Refused::gateway(503, "the gateway's records can't be read: try again")
    })?;
    Ok(upstream.map_or(BatchContext::None, BatchContext::At))
}

/// Returns the part of the requests that has to be the same for plugins to decide about them once.
fn same(lineup: &Lineup) -> Same {
    if copy::is_read(lineup) {
        Same::Bytes
    } else {
        Same::Head
    }
}

/// Scans a new batch. If a plugin replaced its requests, the replacements are scanned.
async fn creates(
    view: &mut Arc<View>,
    same: Same,
    settlement: &Settlement,
) -> Result<Arc<Batch>, Refused> {
    let Some(head) = &view.head else {
        return Err(Refused::client(
            400,
            "the body is empty: send a JSON object",
        ));
    };
    let head = head.clone();
    if has_other_requests(&head) {
        copy::keep(view, head.sent_len(), settlement)?;
    }
    let scanned = if head.body().len() < BLOCKING_THRESHOLD {
        scan(&head, same)
    } else {
        tokio::task::spawn_blocking(move || scan(&head, same))
            .await
            .map_err(|_| Refused::gateway(503, "the batch could not be scanned: try again"))?
    };
    let (batch, head) = scanned.map_err(|malformed| Refused::client(400, malformed.to_string()))?;
    copy::keep(view, batch.len() * BYTES_PER_REQUEST, settlement)?;
    if let Some(head) = head {
        Arc::make_mut(view).head = Some(head);
    }
    Ok(Arc::new(batch))
}

/// Returns whether a plugin replaced the requests of a new batch.
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
