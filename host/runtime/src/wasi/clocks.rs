//! The clocks, for plugins that are granted `clock`. Nobody waits for them: whatever is subscribed to is ready.

use super::ready;
use crate::guest::{Guest, monotonic_ns, since_epoch};
use wasmtime::component::{ComponentType, LinkerInstance, Lower};

/// A moment, as `wasi:clocks/wall-clock` says it.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

pub(super) fn define(
    to: &mut LinkerInstance<'_, Guest>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<bool> {
    match (interface, function) {
        ("clocks/monotonic-clock", "now") => to.func_wrap(function, |mut store, (): ()| {
            read(store.data_mut())?;
            Ok((monotonic_ns(),))
        })?,
        ("clocks/monotonic-clock", "resolution") => {
            to.func_wrap(function, |mut store, (): ()| {
                store.data_mut().enter(0)?;
                Ok((1_u64,))
            })?;
        }
        ("clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
            to.func_wrap(function, |mut store, (_,): (u64,)| {
                store.data_mut().enter(0)?;
                Ok((ready(),))
            })?;
        }
        ("clocks/wall-clock", "now") => to.func_wrap(function, |mut store, (): ()| {
            read(store.data_mut())?;
            let since = since_epoch();
            Ok((Datetime {
                seconds: since.as_secs(),
                nanoseconds: since.subsec_nanos(),
            },))
        })?,
        ("clocks/wall-clock", "resolution") => to.func_wrap(function, |mut store, (): ()| {
            store.data_mut().enter(0)?;
            Ok((Datetime {
                seconds: 0,
                nanoseconds: 1,
            },))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Counts a look at a clock. Unlike the contract's own clock it may be looked at while the instance gets ready: libraries
/// do that.
fn read(guest: &mut Guest) -> wasmtime::Result<()> {
    guest.enter(0)?;
    guest.granted("clock")
}
