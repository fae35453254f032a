//! The `kv` entries of plugins: one store per plugin, shared by all its instances and threads.
//!
//! A store belongs to the plugin's name, so it outlives reloads, but not the process. It never holds more entries or bytes
//! than its limits: nothing is evicted, and an entry that does not fit is refused. Each operation holds one lock for a lookup
//! and a copy. Time is an argument.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

/// The stores of all plugins, by name.
#[derive(Debug, Default)]
pub(crate) struct KvStores(Mutex<HashMap<Arc<str>, Arc<KvStore>>>);

/// The store of one plugin.
#[derive(Debug, Default)]
pub(crate) struct KvStore(Mutex<Entries>);

/// The limits of a plugin's `kv` entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KvLimits {
    /// The number of entries.
    pub entries: usize,
    /// The bytes of all keys and values together.
    pub bytes: usize,
    /// The bytes of one key and its value.
    pub entry_bytes: usize,
}

/// A refused write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    TooLarge(usize),
    Full,
    NotANumber,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<Arc<str>, Entry>,
    /// The entries that expire, in the order of their expiry.
    ends: BTreeSet<(Instant, Arc<str>)>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    end: Option<Instant>,
}

// === impl KvStores ===

impl KvStores {
    /// Returns the store of a plugin, which is created if it does not exist.
    pub(crate) fn of(&self, plugin: &Arc<str>) -> Arc<KvStore> {
        let mut stores = self.0.lock();
        Arc::clone(stores.entry(Arc::clone(plugin)).or_default())
    }
}

// === impl KvStore ===

impl KvStore {
    pub(crate) fn get(&self, key: &str, now: Instant) -> Option<Vec<u8>> {
        self.entries(now).value(key).map(<[u8]>::to_vec)
    }

    pub(crate) fn set(
        &self,
        key: &str,
        value: Vec<u8>,
        ttl: Option<Duration>,
        limits: &KvLimits,
        now: Instant,
    ) -> Result<(), Refused> {
        self.entries(now)
            .put(key, value, end_of(ttl, now), limits)
            .map(drop)
    }

    pub(crate) fn delete(&self, key: &str, now: Instant) -> bool {
        self.entries(now).remove(key)
    }

    /// Adds to a number. An existing entry keeps its expiry.
    pub(crate) fn increment(
        &self,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
        limits: &KvLimits,
        now: Instant,
    ) -> Result<i64, Refused> {
        let mut entries = self.entries(now);
        let (old, end) = match entries.by_key.get(key) {
            Some(entry) => (number(&entry.value)?, entry.end),
            None => (0, end_of(ttl, now)),
        };
        let sum = old.checked_add(by).ok_or(Refused::NotANumber)?;
        entries.put(key, sum.to_string().into_bytes(), end, limits)?;
        Ok(sum)
    }

    /// Sets a key if its value is `expected`, and returns whether it was.
    pub(crate) fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Vec<u8>,
        ttl: Option<Duration>,
        limits: &KvLimits,
        now: Instant,
    ) -> Result<bool, Refused> {
        let mut entries = self.entries(now);
        if entries.value(key) != expected {
            return Ok(false);
        }
        entries.put(key, value, end_of(ttl, now), limits)?;
        Ok(true)
    }

    /// Returns the number of entries and their bytes.
    pub(crate) fn size(&self, now: Instant) -> (usize, usize) {
        let entries = self.entries(now);
        (entries.by_key.len(), entries.bytes)
    }

    /// Locks the store and removes expired entries.
    fn entries(&self, now: Instant) -> MutexGuard<'_, Entries> {
        let mut entries = self.0.lock();
        entries.expire(now);
        entries
    }
}

// === impl Entries ===

impl Entries {
    fn value(&self, key: &str) -> Option<&[u8]> {
        self.by_key.get(key).map(|entry| entry.value.as_slice())
    }

    fn put(
        &mut self,
        key: &str,
        value: Vec<u8>,
        end: Option<Instant>,
        limits: &KvLimits,
    ) -> Result<(), Refused> {
        let size = key.len().saturating_add(value.len());
        if size > limits.entry_bytes {
            return Err(Refused::TooLarge(limits.entry_bytes));
        }
        let old = self.by_key.get(key);
        let freed = old.map_or(0, |old| key.len() + old.value.len());
        let entries = self.by_key.len() + usize::from(old.is_none());
        if entries > limits.entries || self.bytes - freed + size > limits.bytes {
            return Err(Refused::Full);
        }

        self.remove(key);
        let key: Arc<str> = Arc::from(key);
        self.bytes += size;
        if let Some(end) = end {
            self.ends.insert((end, Arc::clone(&key)));
        }
        self.by_key.insert(key, Entry { value, end });
        Ok(())
    }

    fn remove(&mut self, key: &str) -> bool {
        let Some((key, entry)) = self.by_key.remove_entry(key) else {
            return false;
        };
        self.bytes -= key.len() + entry.value.len();
        if let Some(end) = entry.end {
            self.ends.remove(&(end, key));
        }
        true
    }

    fn expire(&mut self, now: Instant) {
        while let Some((end, key)) = self.ends.first() {
            if *end > now {
                break;
            }
            let key = Arc::clone(key);
            self.remove(&key);
        }
    }
}

/// Returns the expiry of an entry, or `None` if it has none or lies beyond the range of the clock.
fn end_of(ttl: Option<Duration>, now: Instant) -> Option<Instant> {
    ttl.and_then(|ttl| now.checked_add(ttl))
}

fn number(value: &[u8]) -> Result<i64, Refused> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Refused::NotANumber)
}

#[cfg(test)]
mod tests;
