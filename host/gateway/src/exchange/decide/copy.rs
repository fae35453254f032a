//! Further copies of a body: what is made of one beside the bytes that came, and what is let go of them.
//!
//! A body that plugins have edited is put together in one piece where a plugin reads bytes. Once everything is decided, what
//! is kept is what another try would send: of a compressed body that goes on as it came, these bytes and not what they
//! decode to, which may be a thousand times as much.

use std::sync::Arc;

use witgate_runtime::{BodyGrant, Hook, Lineup, Plugin};

use crate::answer::refused::Refused;
use crate::exchange::settle::Settlement;
use crate::tenants::concurrency::{Charge, FREE};
use crate::view::View;

/// Pays for the copy of an edited body that plugins may read. It lasts as long as the request's view.
///
/// # Errors
///
/// There is no memory for it now.
pub(crate) fn pay(
    view: &mut Arc<View>,
    lineup: &Lineup,
    settlement: &Settlement,
) -> Result<(), Refused> {
    let edited = view.head.as_ref().filter(|head| !head.edits().is_empty());
    let len = edited.map_or(0, |head| head.sent_len());
    if len <= FREE || !is_read(lineup) {
        return Ok(());
    }
    keep(view, len, settlement)
}

/// Pays for so many bytes for as long as the request's view lasts.
///
/// # Errors
///
/// There is no memory for them now.
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

/// A charge for so many bytes.
///
/// # Errors
///
/// There is no memory for them now.
pub(crate) fn charge(bytes: usize, settlement: &Settlement) -> Result<Option<Charge>, Refused> {
    let Some(place) = &settlement.place else {
        return Ok(None);
    };
    let mut charge = place.charge();
    charge.cover(bytes)?;
    Ok(Some(charge))
}

/// Whether a plugin that decides about a request may read its body.
pub(crate) fn is_read(lineup: &Lineup) -> bool {
    let reads = |plugin: &Arc<Plugin>| {
        let decides = plugin.has(Hook::Route) || plugin.has(Hook::Budget);
        decides && plugin.grants().body == BodyGrant::Read
    };
    lineup.plugins().iter().any(reads)
}
