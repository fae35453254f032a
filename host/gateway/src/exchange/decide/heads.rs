//! The request as each target of a plan gets it: with the target's own edits, which guards have read.

use std::sync::Arc;

use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::splice::Edit;
use witgate_runtime::{Plan, Target};

use super::edits::edit_failed;
use crate::answer::refused::Refused;
use crate::exchange::guard::EditInspection;
use crate::exchange::settle::Settlement;
use crate::exchange::view::{View, edit};

/// The heads for the targets of a plan, in order. A target without edits has `None`.
pub(crate) type Heads = Vec<Option<Arc<Head>>>;

/// Returns the request for each target of a plan.
///
/// # Errors
///
/// An edit can't be made, or a guard refuses what it adds.
pub(crate) async fn of_targets(
    view: &View,
    plan: &Plan,
    settlement: &mut Settlement,
) -> Result<Heads, Refused> {
    let Some(head) = &view.head else {
        return Ok(Vec::new());
    };
    if plan.targets.iter().all(|target| target.edits.is_empty()) {
        return Ok(Vec::new());
    }
    let has_texts = matches!(view.endpoint, Endpoint::Messages | Endpoint::CountTokens);
    let mut inspection = EditInspection::default();
    let mut heads = Heads::with_capacity(plan.targets.len());
    for target in &plan.targets {
        let mut edits = edits(target);
        if edits.is_empty() {
            heads.push(None);
            continue;
        }
        if has_texts {
            edits = inspection.inspect(edits, settlement).await?;
        }
        let edited = head.edited(&edits).map_err(|error| edit_failed(&error))?;
        heads.push(Some(Arc::new(edited)));
    }
    Ok(heads)
}

/// Returns the head for the first target, or `None` if it is the request's own.
pub(crate) fn first(heads: &Heads) -> Option<&Head> {
    heads.first()?.as_deref()
}

/// Returns the edits of a target.
pub(crate) fn edits(target: &Target) -> Vec<Edit> {
    target.edits.iter().map(edit).collect()
}
