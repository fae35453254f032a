//! Sums over receipts.

use crate::Histogram;

/// Sums over receipts. Every addition saturates far above any real sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Exchanges that something may have been sent for, and each request of a settled batch.
    pub requests: u64,
    /// Answers of a model that were delivered to their end, those in batches included.
    pub messages: u64,
    /// Exchanges that failed at an upstream, at the gateway or at a plugin.
    pub errors: u64,
    /// Requests that were refused by a policy or for their own fault.
    pub refused: u64,
    /// Exchanges whose client left before the end.
    pub client_gone: u64,
    /// Prompt tokens that no cache was read or written for.
    pub input: u64,
    /// Tokens of answers.
    pub output: u64,
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache.
    pub cache_write: u64,
    /// Tokens of exchanges that a crash ended, whose kinds are not known.
    pub crash_tokens: u64,
    /// Exchanges that have no price, or none for a part.
    pub unpriced: u64,
    /// Cost in pico-USD.
    pub picousd: u128,
    /// Times to the first byte of answers.
    pub first_byte: Histogram,
    /// Times to the end of answers.
    pub total: Histogram,
}

/// The number of plain counts in [`Sums::counts`].
pub(crate) const COUNTS: usize = 11;

// === impl Sums ===

impl Sums {
    /// Adds the sums of `other`.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.counts_mut().into_iter().zip(other.counts()) {
            *sum = sum.saturating_add(more);
        }
        self.picousd = self.picousd.saturating_add(other.picousd);
        self.first_byte.merge(&other.first_byte);
        self.total.merge(&other.total);
    }

    /// Returns all tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        [
            self.input,
            self.output,
            self.cache_read,
            self.cache_write,
            self.crash_tokens,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// Returns the tokens read from caches per hundred prompt tokens, rounded down, or `None` without a prompt.
    #[must_use]
    pub fn cache_hit_percent(&self) -> Option<u64> {
        let read = u128::from(self.cache_read);
        let prompt = read + u128::from(self.input) + u128::from(self.cache_write);
        let percent = (read * 100).checked_div(prompt)?;
        u64::try_from(percent).ok()
    }

    /// Returns the plain counts in the order of their columns.
    pub(crate) fn counts(&self) -> [u64; COUNTS] {
        [
            self.requests,
            self.messages,
            self.errors,
            self.refused,
            self.client_gone,
            self.input,
            self.output,
            self.cache_read,
            self.cache_write,
            self.crash_tokens,
            self.unpriced,
        ]
    }

    /// Returns the plain counts in the order of their columns, to be changed.
    pub(crate) fn counts_mut(&mut self) -> [&mut u64; COUNTS] {
        [
            &mut self.requests,
            &mut self.messages,
            &mut self.errors,
            &mut self.refused,
            &mut self.client_gone,
            &mut self.input,
            &mut self.output,
            &mut self.cache_read,
            &mut self.cache_write,
            &mut self.crash_tokens,
            &mut self.unpriced,
        ]
    }

    /// Returns the latencies as they are stored.
    pub(crate) fn latencies(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.first_byte.write(&mut bytes);
        self.total.write(&mut bytes);
        bytes
    }

    /// Takes over latencies as they are stored.
    pub(crate) fn read_latencies(&mut self, mut bytes: &[u8]) {
        self.first_byte = Histogram::read(&mut bytes);
        self.total = Histogram::read(&mut bytes);
    }
}
