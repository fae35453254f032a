//! The parts of a sliding window, and where the index finds them.

use std::sync::Arc;

use super::balance::Balance;
use crate::charge::{Charge, span_of};
use crate::journal::BalanceKey;
use crate::{Span, Unit, UnixMillis, Window};

/// The place of a balance in the index.
#[derive(Debug)]
pub(super) struct At {
    pub(super) hash: u64,
    /// The end of the bucket, if the window slides.
    pub(super) bucket: Option<UnixMillis>,
}

/// The sum of a window's buckets.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) used: u128,
    /// Usage and reservations.
    pub(super) total: u128,
}

/// The account, window and unit of a balance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<'a> {
    pub(super) account: &'a Arc<str>,
    pub(super) window: Window,
    pub(super) unit: Unit,
}

// === impl At ===

impl At {
    pub(super) fn new(hash: u64, bucket: Option<UnixMillis>) -> Self {
        let hash = bucket.map_or(hash, |end| hash.wrapping_add(spread(end)));
        Self { hash, bucket }
    }

    /// Returns the place of a balance with this key, whose account, window and unit have this hash.
    pub(super) fn of(hash: u64, key: &BalanceKey) -> Self {
        let span = span_of(key.window, key.unit);
        Self::new(hash, span.and(key.resets_at))
    }
}

/// Spreads the end of a bucket over the bits of a hash.
fn spread(end: UnixMillis) -> u64 {
    end.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

// === impl Counted ===

impl<'a> From<&'a Charge> for Counted<'a> {
    fn from(charge: &'a Charge) -> Self {
        Self {
            account: &charge.account,
            window: charge.window,
            unit: charge.unit,
        }
    }
}

impl<'a> From<&'a Balance> for Counted<'a> {
    fn from(balance: &'a Balance) -> Self {
        Self {
            account: &balance.account,
            window: balance.window,
            unit: balance.unit,
        }
    }
}

// === impl Balance ===

impl Balance {
    /// Returns the length of its window if that slides and the balance still counts there.
    pub(super) fn counting_span(&self, now: UnixMillis) -> Option<Span> {
        span_of(self.window, self.unit).filter(|_| !self.is_over(now))
    }

    /// Returns the hash of account, window and unit of a bucket.
    pub(super) fn base_hash(&self) -> u64 {
        let end = self.resets_at.unwrap_or_default();
        self.hash.wrapping_sub(spread(end))
    }
}
