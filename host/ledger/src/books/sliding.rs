//! Sliding windows: a balance for each bucket, and their sum.
//!
//! A bucket is a balance like any other, with an end of its own, after which nothing in it counts. It settles, is written to the
//! journal, handed over and evicted like all others. The index finds it by its end, so the sum takes at most 21 look-ups, and
//! no list of buckets has to be kept.

use std::sync::Arc;

use super::Books;
use super::balance::{Balance, Slot, narrow};
use super::bucket::{At, Counted, Sum};
use super::marks::Seen;
use super::share::Place;
use super::slots::at;
use crate::charge::{Charge, Reason};
use crate::statement::Statement;
use crate::{Span, Unit, UnixMillis};

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

    /// Returns what marks have to know of the window of a balance, or `None` if there are none or it is gone.
    pub(super) fn seen(&self, slot: Slot, limit: u64) -> Option<Seen> {
        let balance = self.balance(slot).filter(|_| !self.marks.is_empty())?;
        let announced = |balance: &Balance| balance.announced.is_some_and(|told| told >= limit);
        Some(match balance.counting_span(self.latest) {
            None => Seen {
                used: balance.used,
                announced: announced(balance),
            },
            Some(span) => {
                let hash = balance.base_hash();
                let mut buckets = self.buckets(hash, balance.into(), span, self.latest);
                Seen {
                    used: self.sum(hash, balance.into(), span).used,
                    announced: buckets.any(|(_, bucket)| announced(bucket)),
                }
            }
        })
    }

    /// Returns the reason for a refusal by a limit, with the rest of it. The first refusal of a period announces it.
    pub(super) fn spent(
        &mut self,
        slot: Option<Slot>,
        limit: u64,
        total: u128,
        resets_at: Option<UnixMillis>,
    ) -> Reason {
        let seen = slot.and_then(|slot| Some((slot, self.seen(slot, limit)?)));
        let marks = self.marks.clone();
        let balance = seen.and_then(|(slot, seen)| Some((self.balance_mut(slot)?, seen)));
        marks.spent(balance, limit, total, resets_at)
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
    pub(super) fn buckets<'a>(
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
