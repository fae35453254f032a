//! Memory for further copies of a body. An edited body is joined into one piece if a plugin reads its bytes, and a large member
//! that an edit sets or adds an element to is a copy.

use std::sync::Arc;

use witgate_messages::splice::Edit;
use witgate_runtime::{BodyGrant, Hook, Lineup, Plugin};

use crate::answer::refused::Refused;
use crate::exchange::settle::Settlement;
use crate::exchange::view::View;
use crate::tenants::concurrency::{Charge, FREE};

/// Charges for the copy of an edited body that plugins may read, for as long as the request's view lasts.
///
/// # Errors
///
/// The memory is exhausted.
pub(crate) fn charge_edited(
    view: &mut Arc<View>,
    lineup: &Lineup,
    settlement: &Settlement,
) -> Result<(), Refused> {
    let edited = view.head.as_ref().filter(|head| !head.edits().is_empty());
    let len = edited.map_or(0, |head| head.sent_len());
    let inserts = |edit: &Edit| matches!(edit, Edit::Set(_, json) if json.len() > FREE);
    let copied = edited.is_some_and(|head| head.edits().iter().any(inserts));
    if len <= FREE || !(copied || is_read(lineup)) {
        return Ok(());
    }
    keep(view, len, settlement)
}

/// Charges bytes for as long as the request's view lasts.
///
/// # Errors
///
/// The memory is exhausted.
pub(crate) fn keep(
    view: &mut Arc<View>,
    bytes: usize,
    settlement: &Settlement,
) -> Result<(), Refused> {
    if let Some(charge) = charge(bytes, settlement)? {
        Arc::make_mut(view).copies.push(Arc::new(charge));
    }
    Ok(())
}

/// Charges bytes, and returns the charge, or `None` for an exchange without a permit.
///
/// # Errors
///
/// The memory is exhausted.
pub(crate) fn charge(bytes: usize, settlement: &Settlement) -> Result<Option<Charge>, Refused> {
    let Some(permit) = &settlement.permit else {
        return Ok(None);
    };
    let mut charge = permit.charge();
    charge.cover(bytes)?;
    Ok(Some(charge))
}

/// Returns whether a plugin with a route or budget hook may read bodies.
pub(crate) fn is_read(lineup: &Lineup) -> bool {
    let reads = |plugin: &Arc<Plugin>| {
        let decides = plugin.has(Hook::Route) || plugin.has(Hook::Budget);
        decides && plugin.grants().body == BodyGrant::Read
    };
    lineup.plugins().iter().any(reads)
}
