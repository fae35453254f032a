//! The host's side of log, metrics and clock in native tests.

use crate::log::Level;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    static METRICS: RefCell<BTreeMap<String, i64>> = const { RefCell::new(BTreeMap::new()) };
    static UNIX_MS: Cell<u64> = const { Cell::new(0) };
}

/// Take the lines that this thread has logged since the last time.
#[must_use]
pub fn logged() -> Vec<(Level, String)> {
    LINES.take()
}

/// What a counter or gauge of this thread shows.
#[must_use]
pub fn metric(name: &str) -> Option<i64> {
    METRICS.with_borrow(|metrics| metrics.get(name).copied())
}

/// Set this thread's clocks, in milliseconds since 1970-01-01T00:00:00Z. They stand still.
pub fn set_clock(unix_ms: u64) {
    UNIX_MS.set(unix_ms);
}

pub(crate) fn log(level: Level, message: &str) {
    LINES.with_borrow_mut(|lines| lines.push((level, message.to_owned())));
}

pub(crate) fn count(name: &str, by: u64) {
    METRICS.with_borrow_mut(|metrics| {
        let counter = metrics.entry(name.to_owned()).or_default();
        *counter = counter.saturating_add_unsigned(by);
    });
}

pub(crate) fn gauge(name: &str, value: i64) {
    METRICS.with_borrow_mut(|metrics| metrics.insert(name.to_owned(), value));
}

pub(crate) fn unix_ms() -> u64 {
    UNIX_MS.get()
}
