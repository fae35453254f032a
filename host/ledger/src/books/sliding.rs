//! Sliding windows: a balance for each bucket, and their sum.
//!
//! A bucket is a balance like any other, with an end of its own, after which nothing in it counts. It settles, is written to the
//! journal, handed over and evicted like all others. The index finds it by its end, so the sum takes at most 21 look-ups, and
//! no list of buckets has to be kept.

use std::sync::Arc;

use super::Books;
use super::balance::{Balance, Slot, narrow};
use super::share::Place;
use super::slots::at;
use crate::charge::{Charge, span_of};
use crate::journal::BalanceKey;
use crate::statement::Statement;
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
    account: &'a Arc<str>,
    window: Window,
    unit: Unit,
}

// === impl At ===

impl At {
    fn new(hash: u64, bucket: Option<UnixMillis>) -> Self {
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
    fn counting_span(&self, now: UnixMillis) -> Option<Span> {
        span_of(self.window, self.unit).filter(|_| !self.is_over(now))
    }

    /// Returns the hash of account, window and unit of a bucket.
    fn base_hash(&self) -> u64 {
        let end = self.resets_at.unwrap_or_default();
        self.hash.wrapping_sub(spread(end))
    }
}

// === impl Books ===

impl Books {
    /// Returns the place of the balance that a charge goes to, if its account, window and unit have this hash.
    pub(super) fn at(&self, hash: u64, charge: &Charge) -> At {
        let window = charge.span().map(|_| charge.window);
        At::new(
            hash,
            window.and_then(|window| window.resets_at(self.latest)),
        )
    }

    /// Returns usage and reservations of a balance, and of the whole window if it slides.
    pub(super) fn total(&self, balance: &Balance) -> u128 {
        if balance.unit == Unit::Sessions {
            return self
                .seats
                .in_use(&balance.account, balance.window, self.latest);
        }
        match balance.counting_span(self.latest) {
            None => balance.total(),
            Some(span) => self.sum(balance.base_hash(), balance.into(), span).total,
        }
    }

    /// Returns the usage of a balance, and of the whole window if it slides.
    pub(super) fn used(&self, balance: &Balance) -> u128 {
        match balance.counting_span(self.latest) {
            None => balance.used,
            Some(span) => self.sum(balance.base_hash(), balance.into(), span).used,
        }
    }

    /// Returns whether a balance was announced as exhausted under a limit, or one of its window if that slides. A limit that was raised
    /// may be announced again.
    pub(super) fn is_announced(&self, balance: &Balance, limit: u64) -> bool {
        let announced = |balance: &Balance| balance.announced.is_some_and(|told| told >= limit);
        let Some(span) = balance.counting_span(self.latest) else {
            return announced(balance);
        };
        let mut buckets = self.buckets(balance.base_hash(), balance.into(), span, self.latest);
        buckets.any(|(_, bucket)| announced(bucket))
    }

    /// Returns the sum of all buckets of a window.
    pub(super) fn sum(&self, hash: u64, of: Counted<'_>, span: Span) -> Sum {
        let buckets = self.buckets(hash, of, span, self.latest);
        buckets.fold(Sum::default(), |sum, (_, balance)| Sum {
            used: sum.used.saturating_add(balance.used),
            total: sum.total.saturating_add(balance.total()),
        })
    }

    /// Returns the time at which a refused charge fits its limit if nothing else is reserved until then: the end of its period, or
    /// in a sliding window the end of the bucket that makes room for it.
    pub(super) fn fits_at(&self, place: &Place<'_>, limit: u64) -> Option<UnixMillis> {
        if place.charge.unit == Unit::Sessions {
            return self.seats.free_at(place.charge, limit, self.latest);
        }
        let Some(span) = place.charge.span() else {
            return place.resets_at;
        };
        let counted = place.charge.into();
        let buckets = self.buckets(place.claim.hash, counted, span, self.latest);
        let mut newest_first: super::Few<_> = buckets
            .map(|(_, balance)| (balance.resets_at, balance.total()))
            .collect();
        let mut total = place.total;
        while let Some((end, freed)) = newest_first.pop() {
            total = total.saturating_sub(freed);
            if total + place.claim.amount <= u128::from(limit) || newest_first.is_empty() {
                return end;
            }
        }
        place.resets_at
    }

    /// Returns the statement of a balance. The buckets of a sliding window have one together, in the place of the newest.
    pub(super) fn statement(
        &self,
        balance: &Balance,
        slot: Slot,
        now: UnixMillis,
    ) -> Option<Statement> {
        let mut statement = balance.statement(Arc::clone(self.rooms.owner(balance.room)));
        let now = now.max(self.latest);
        let Some(span) = balance.counting_span(now) else {
            return Some(statement);
        };
        let hash = balance.base_hash();
        let shown = self.buckets(hash, balance.into(), span, now);
        let mut shown = shown.filter(|(_, bucket)| !bucket.is_idle(now));
        if shown.next().is_none_or(|(newest, _)| newest != slot) {
            return None;
        }
        let (mut used, mut held) = (balance.used, balance.held);
        for (_, older) in shown {
            used = used.saturating_add(older.used);
            held = held.saturating_add(older.held);
            statement.holds += older.holds;
        }
        (statement.used, statement.held) = (narrow(used), narrow(held));
        Some(statement)
    }

    /// Returns the buckets that count at a time, newest first.
    fn buckets<'a>(
        &'a self,
        hash: u64,
        of: Counted<'a>,
        span: Span,
        now: UnixMillis,
    ) -> impl Iterator<Item = (Slot, &'a Balance)> {
        let newest = of.window.resets_at(now);
        let ends = newest.into_iter().flat_map(move |end| span.counting(end));
        ends.filter_map(move |end| {
            let place = At::new(hash, Some(end));
            let is_bucket = |slot: &Slot| {
                at(&self.slots, *slot).is_some_and(|balance| {
                    balance.resets_at == Some(end)
                        && (balance.window, balance.unit) == (of.window, of.unit)
                        && balance.account == *of.account
                })
            };
            let slot = *self.index.find(place.hash, is_bucket)?;
            Some((slot, self.balance(slot)?))
        })
    }
}
