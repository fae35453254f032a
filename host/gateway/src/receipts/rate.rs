//! Rate limits for the receipts of refusals: one for each key, and one for all requests without a key.
//!
//! Only refusals take the lock, so that no served request waits for it. Time is an argument.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use parking_lot::Mutex;

/// The name of a key.
pub(super) type Key = Arc<str>;

/// Number of keys above which idle ones are forgotten.
const MAX_KEYS: usize = 10_000;

/// The rates of all keys.
#[derive(Debug)]
pub(super) struct Rates {
    per_second: NonZeroU32,
    without_key: Mutex<Rate>,
    keys: Mutex<HashMap<Key, Rate>>,
}

/// The rate of a key.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    second: u64,
    written: u32,
    left_out: u64,
}

// === impl Rates ===

impl Rates {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self {
            per_second,
            without_key: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    /// Asks for a receipt in this second. Returns the number that were left out since the last one, or `None` if this one is
    /// left out too.
    pub(super) fn take(&self, key: Option<&Key>, second: u64) -> Option<u64> {
        let Some(key) = key else {
            return self.without_key.lock().take(self.per_second, second);
        };
        let mut keys = self.keys.lock();
        if let Some(rate) = keys.get_mut(key) {
            return rate.take(self.per_second, second);
        }
        if keys.len() >= MAX_KEYS {
            keys.retain(|_, rate| rate.second == second || rate.left_out > 0);
        }
        let mut rate = Rate::default();
        let taken = rate.take(self.per_second, second);
        keys.insert(Key::clone(key), rate);
        taken
    }
}

// === impl Rate ===

impl Rate {
    fn take(&mut self, per_second: NonZeroU32, second: u64) -> Option<u64> {
        if self.second != second {
            self.second = second;
            self.written = 0;
        }
        if self.written >= per_second.get() {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_told_by_the_next_of_the_same_key() {
        let rates = Rates::new(NonZeroU32::new(2).unwrap());
        let (one, other): (Key, Key) = ("one".into(), "other".into());
        let take = |key: Option<&Key>, second| rates.take(key, second);
        assert_eq!(
            (take(Some(&one), 5), take(Some(&one), 5)),
            (Some(0), Some(0))
        );
        assert_eq!((take(Some(&one), 5), take(Some(&one), 5)), (None, None));
        assert_eq!(take(Some(&other), 5), Some(0), "another key has its own");
        assert_eq!(take(None, 5), Some(0), "so have strangers");
        assert_eq!(take(Some(&one), 6), Some(2), "two were left out");
        assert_eq!(take(Some(&one), 6), Some(0), "which is told once");
    }
}
