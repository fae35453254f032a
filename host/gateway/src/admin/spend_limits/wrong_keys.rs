//! Requests without a valid key.

use parking_lot::Mutex;

/// Requests without a valid key that are answered in a minute. Later ones are told to wait; valid keys are not affected.
const WRONG_KEYS_PER_MINUTE: u32 = 30;

/// The number of requests without a valid key in this minute.
#[derive(Debug, Default)]
pub(in crate::admin) struct WrongKeys(Mutex<(u64, u32)>);

// === impl WrongKeys ===

impl WrongKeys {
    /// Counts a request without a valid key in a minute. Returns whether it is answered, or one too many.
    pub(super) fn count(&self, minute: u64) -> bool {
        let mut counted = self.0.lock();
        if counted.0 != minute {
            *counted = (minute, 0);
        }
        counted.1 = counted.1.saturating_add(1);
        counted.1 <= WRONG_KEYS_PER_MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_keys_are_answered_so_often_in_a_minute_and_again_in_the_next() {
        let wrong_keys = WrongKeys::default();
        let answered = (0..100).filter(|_| wrong_keys.count(7)).count();
        assert_eq!(answered, WRONG_KEYS_PER_MINUTE as usize, "in one minute");
        assert!(wrong_keys.count(8), "in the next one");
    }
}
