//! A gauge: one limit of an upstream, and what each resource used of it and needs of it.

use std::time::Duration;

use crate::config::{Limit, Percent, Terms};
use crate::need::Need;
use crate::recent::{Recent, is_there};
use crate::window::{SLOTS, Window};

/// A limit with the use of all resources.
#[derive(Debug)]
pub(crate) struct Gauge {
    pub(crate) limit: Limit,
    /// Our time in milliseconds.
    now: u64,
    /// The use of all resources.
    total: u128,
    lines: Box<[Line]>,
}

/// The part that a resource has of a gauge.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) recent: Recent,
    pub(crate) need: Need,
    priority: u8,
    pub(crate) floor: u64,
    pub(crate) ceiling: u64,
    /// The largest amount that can ever fit, because floors of others are always kept.
    largest: u64,
}

/// A reason for which an amount does not fit now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Short {
    /// The amount is more than the resource may ever use.
    TooLarge { asked: u64, most: u64 },
    /// The resource would exceed its ceiling.
    Ceiling { most: u64 },
    /// The capacity is used, or kept free for others: above all for this one.
    Shortage { gave_way_to: Option<usize> },
}

// === impl Gauge ===

impl Gauge {
    pub(crate) fn new(limit: Limit, terms: impl Iterator<Item = Terms>, headroom: Percent) -> Self {
        let mut lines: Box<[Line]> = terms
            .map(|terms| Line::new(terms, limit, headroom))
            .collect();
        let floors = lines.iter().map(|line| line.floor);
        let floors = floors.fold(0, u64::saturating_add);
        for line in &mut lines {
            let of_others = floors.saturating_sub(line.floor);
            let rest = limit.amount.saturating_sub(of_others);
            line.largest = line.ceiling.min(rest);
        }
        Self {
            limit,
            now: 0,
            total: 0,
            lines,
        }
    }

    /// Goes on to a time, which is never before the last one.
    pub(crate) fn turn(&mut self, to: u64) {
        let (slot, period) = (self.slot(), self.period());
        self.now = to;
        let (newest, this_period) = (self.slot(), self.period());
        if newest == slot {
            return;
        }
        for line in &mut self.lines {
            let before = line.recent.sum();
            line.recent.turn(slot, newest);
            let gone = before.saturating_sub(line.recent.sum());
            self.total = self.total.saturating_sub(gone);
            line.need.turn(period, this_period);
        }
    }

    /// Returns why an amount does not fit now, or `None` if it does.
    pub(crate) fn short(&self, resource: usize, amount: u64) -> Option<Short> {
        let own = self.lines.get(resource)?;
        if amount == 0 {
            return None;
        }
        if amount > own.largest {
            return Some(Short::TooLarge {
                asked: amount,
                most: own.largest,
            });
        }
        let most = own.ceiling;
        if most < self.limit.amount && own.recent.sum() + u128::from(amount) > u128::from(most) {
            return Some(Short::Ceiling { most });
        }
        if self.fits_after(0, resource, amount) {
            return None;
        }
        let gave_way_to = self.foremost(resource);
        Some(Short::Shortage { gave_way_to })
    }

    /// Returns the time after which the amount would fit if nothing else were admitted until then, or `None` if it never does.
    pub(crate) fn wait(&self, resource: usize, amount: u64, short: Short) -> Option<Duration> {
        let own = self.lines.get(resource)?;
        if let Short::TooLarge { .. } = short {
            return None;
        }
        let fits = |turns: u64| {
            let left = own.recent.left_after(self.slot(), turns);
            left + u128::from(amount) <= u128::from(own.ceiling)
                && self.fits_after(turns, resource, amount)
        };
        let (mut too_early, mut enough) = (0, SLOTS as u64);
        if !fits(enough) {
            // What is kept for others fades, nobody knows when.
            return Some(Duration::from_millis(self.window().millis()));
        }
        while enough - too_early > 1 {
            let middle = too_early.midpoint(enough);
            if fits(middle) {
                enough = middle;
            } else {
                too_early = middle;
            }
        }
        let slot = self.slot().saturating_add(enough);
        let begins = slot.saturating_mul(self.window().slot_millis());
        Some(Duration::from_millis(begins.saturating_sub(self.now)))
    }

    /// Counts an admitted amount.
    pub(crate) fn add(&mut self, resource: usize, amount: u64) {
        self.add_to(self.slot(), resource, amount);
    }

    /// Raises the need of a refused resource to what would have admitted the amount.
    pub(crate) fn want(&mut self, resource: usize, amount: u64) {
        let now = self.now;
        if let Some(line) = self.lines.get_mut(resource) {
            let used = line.recent.sum() + u128::from(amount);
            line.need.want(clipped(used, line.ceiling), now);
        }
    }

    /// Puts the amount that was used in the place of the one that was admitted at a time. If that has left the window, only
    /// what was used in excess of it counts, and counts now: it was used since then.
    pub(crate) fn settle(&mut self, resource: usize, at: u64, admitted: u64, used: u64) {
        let slot = self.window().slot(at);
        let there = is_there(slot, self.slot());
        if used >= admitted {
            let slot = if there { slot } else { self.slot() };
            self.add_to(slot, resource, used - admitted);
        } else if there && let Some(line) = self.lines.get_mut(resource) {
            let before = line.recent.sum();
            line.recent.remove(slot, admitted - used);
            self.total = self
                .total
                .saturating_sub(before.saturating_sub(line.recent.sum()));
        }
    }

    /// Adds an amount to a slot that is still there.
    fn add_to(&mut self, slot: u64, resource: usize, amount: u64) {
        if amount == 0 {
            return;
        }
        self.restore(slot, resource, amount);
        let period = self.period();
        if let Some(line) = self.lines.get_mut(resource) {
            let used = clipped(line.recent.sum(), line.ceiling);
            line.need.note(period, used);
        }
    }

    /// Adds an amount of earlier, which is no sign of a need.
    pub(crate) fn restore(&mut self, slot: u64, resource: usize, amount: u64) {
        if let Some(line) = self.lines.get_mut(resource) {
            let before = line.recent.sum();
            line.recent.add(slot, amount);
            let added = line.recent.sum().saturating_sub(before);
            self.total = self.total.saturating_add(added);
        }
    }

    pub(crate) const fn total(&self) -> u128 {
        self.total
    }

    pub(crate) const fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(crate) fn line_mut(&mut self, resource: usize) -> Option<&mut Line> {
        self.lines.get_mut(resource)
    }

    pub(crate) const fn window(&self) -> Window {
        self.limit.window
    }

    pub(crate) const fn slot(&self) -> u64 {
        self.limit.window.slot(self.now)
    }

    pub(crate) const fn period(&self) -> u64 {
        self.limit.window.period(self.now)
    }

    /// Returns whether the amount fits when the newest slot has moved on by so many.
    fn fits_after(&self, turns: u64, resource: usize, amount: u64) -> bool {
        let Some(own) = self.lines.get(resource) else {
            return true;
        };
        let newest = self.slot();
        let left = |line: &Line| match turns {
            0 => line.recent.sum(),
            _ => line.recent.left_after(newest, turns),
        };
        let asked = left(own) + u128::from(amount);
        let within_floor = asked <= u128::from(own.floor);
        let others = (0..).zip(&self.lines).filter(|(at, _)| *at != resource);
        let taken: u128 = others
            .map(|(_, line)| {
                let kept = line.kept_from(own, within_floor, self.now);
                left(line).max(u128::from(kept))
            })
            .sum();
        taken + asked <= u128::from(self.limit.amount)
    }

    /// Returns the resource that comes before this one with the largest amount.
    fn foremost(&self, resource: usize) -> Option<usize> {
        let own = self.lines.get(resource)?;
        let others = (0..).zip(&self.lines).filter(|(at, _)| *at != resource);
        let amounts = others.map(|(at, line)| {
            let kept = u128::from(line.kept_from(own, false, self.now));
            let used = line.recent.sum();
            let amount = if line.priority > own.priority {
                kept.max(used)
            } else {
                // What it used beyond its floor came first, and no more.
                kept.saturating_sub(used)
            };
            (amount, line.priority, at)
        });
        let (amount, _, at) = amounts.max()?;
        (amount > 0).then_some(at)
    }
}

// === impl Line ===

impl Line {
    fn new(terms: Terms, limit: Limit, headroom: Percent) -> Self {
        let part = |part: Option<Percent>| part.map(|part| part.of(limit.amount));
        let ceiling = part(terms.ceiling).unwrap_or(limit.amount);
        Self {
            recent: Recent::new(),
            need: Need::new(limit.window, headroom),
            priority: terms.priority,
            floor: part(terms.floor).unwrap_or(0),
            ceiling,
            largest: ceiling,
        }
    }

    /// Returns what it needs now: at least its floor, at most its ceiling.
    pub(crate) fn need(&self, now: u64) -> u64 {
        self.need.at(now).min(self.ceiling).max(self.floor)
    }

    /// Returns what is kept for it from another resource, used or not: its need if it is more important, else its floor. From one that asks
    /// within its own floor only floors are kept.
    fn kept_from(&self, other: &Self, within_floor: bool, now: u64) -> u64 {
        if self.priority > other.priority && !within_floor {
            self.need(now)
        } else {
            self.floor
        }
    }
}

fn clipped(used: u128, most: u64) -> u64 {
    u64::try_from(used).unwrap_or(u64::MAX).min(most)
}
