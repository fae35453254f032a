//! Checks of the limits on what is under way and on what is packed small.

use std::num::NonZeroUsize;

use super::Check;

// === impl Check ===

impl Check<'_> {
    /// A limit that may be left out; 0 is no limit as well.
    pub(super) fn at_most(&mut self, at: &str, value: Option<usize>) -> Option<NonZeroUsize> {
        let value = value.unwrap_or(0);
        if value > 10_000_000 {
            self.problem(at, "between 1 and 10000000, or 0 for no limit");
        }
        NonZeroUsize::new(value)
    }

    /// The size that a compressed body may decode to.
    pub(super) fn decoded_bytes(&mut self, value: Option<u64>, body_bytes: usize) -> usize {
        match value.map(usize::try_from) {
            None => body_bytes,
            Some(Ok(bytes)) if (1..=1 << 30).contains(&bytes) => bytes,
            Some(_) => {
                self.problem("limits.decoded_bytes", "between 1 and 1073741824");
                body_bytes
            }
        }
    }
}
