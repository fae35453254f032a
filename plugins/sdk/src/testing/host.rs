//! The host's log, metrics, clocks and key-value store in native tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::log::Level;

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    static METRICS: RefCell<BTreeMap<String, i64>> = const { RefCell::new(BTreeMap::new()) };
    static UNIX_MS: Cell<u64> = const { Cell::new(0) };
}

/// Returns the lines that this thread has logged since the last call.
#[must_use]
pub fn logged() -> Vec<(Level, String)> {
    LINES.take()
}

/// Returns the value of a counter or gauge of this thread, or `None` if it was never set.
#[must_use]
pub fn metric(name: &str) -> Option<i64> {
    METRICS.with_borrow(|metrics| metrics.get(name).copied())
}

/// Sets this thread's clocks, in milliseconds since 1970-01-01T00:00:00Z. They do not advance by themselves.
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

/// The key-value store of a native test, one per thread and without limits.
pub(crate) mod kv {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use crate::kv::Error;

    type Entries = BTreeMap<String, (Vec<u8>, Option<u64>)>;

    thread_local! {
        static ENTRIES: RefCell<Entries> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
        with(|entries| entries.get(key).map(|(value, _)| value.clone()))
    }

    pub(crate) fn set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), Error> {
        with(|entries| entries.insert(key.to_owned(), (value.to_vec(), end(ttl_ms))));
        Ok(())
    }

    pub(crate) fn delete(key: &str) -> bool {
        with(|entries| entries.remove(key).is_some())
    }

    pub(crate) fn increment(key: &str, by: i64, ttl_ms: Option<u64>) -> Result<i64, Error> {
        with(|entries| {
            let fresh = || (b"0".to_vec(), end(ttl_ms));
            let (value, _) = entries.entry(key.to_owned()).or_insert_with(fresh);
            let number = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok());
            let sum = number
                .and_then(|number| number.checked_add(by))
                .ok_or(Error::NotANumber)?;
            *value = sum.to_string().into_bytes();
            Ok(sum)
        })
    }

    pub(crate) fn compare_and_set(
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: Option<u64>,
    ) -> Result<bool, Error> {
        if get(key).as_deref() != expected {
            return Ok(false);
        }
        set(key, value, ttl_ms).map(|()| true)
    }

    fn with<R>(act: impl FnOnce(&mut Entries) -> R) -> R {
        let now = super::unix_ms();
        ENTRIES.with_borrow_mut(|entries| {
            entries.retain(|_, (_, end)| end.is_none_or(|end| end > now));
            act(entries)
        })
    }

    fn end(ttl_ms: Option<u64>) -> Option<u64> {
        ttl_ms.and_then(|ttl| super::unix_ms().checked_add(ttl))
    }
}
