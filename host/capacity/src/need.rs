//! The need of a resource, estimated from what it used lately.
//!
//! The need is the largest use within a window that a request brought about, and the headroom. A use counts in full for some windows and
//! then fades ([`Memory`]). A request that was refused for want of room raises the need for a minute to what would have
//! admitted it, so what becomes free is kept for it.

use crate::config::Percent;
use crate::window::{Memory, Window};

/// Milliseconds for which a refused request is waited for.
const PATIENCE: u64 = 60_000;

/// The largest use of a resource in this period and earlier ones.
#[derive(Debug)]
pub(crate) struct Need {
    /// By period, in a ring.
    peaks: Box<[u64]>,
    memory: Memory,
    headroom: Percent,
    /// The estimate that the peaks give in this period.
    estimate: u64,
    wanted: u64,
    wanted_until: u64,
}

// === impl Need ===

impl Need {
    pub(crate) fn new(window: Window, headroom: Percent) -> Self {
        let memory = window.memory();
        Self {
            peaks: (0..memory.len()).map(|_| 0).collect(),
            memory,
            headroom,
            estimate: 0,
            wanted: 0,
            wanted_until: 0,
        }
    }

    /// Returns the need at a time in the present period.
    pub(crate) fn at(&self, now: u64) -> u64 {
        if now < self.wanted_until {
            self.estimate.max(self.wanted)
        } else {
            self.estimate
        }
    }

    /// Goes on to another period.
    pub(crate) fn turn(&mut self, period: u64, to: u64) {
        let steps = to.saturating_sub(period).min(u64::from(self.memory.len()));
        if self.estimate == 0 || steps == 0 {
            return;
        }
        for step in 1..=steps {
            if let Some(peak) = self.peak(period.saturating_add(step)) {
                *peak = 0;
            }
        }
        // The ring may have been turned by more than its length.
        self.estimate = self.headroom.more_than(self.largest(to));
    }

    /// Notes the use within the window that a request brought about.
    pub(crate) fn note(&mut self, period: u64, used: u64) {
        if let Some(peak) = self.peak(period) {
            *peak = used.max(*peak);
            self.estimate = self.estimate.max(self.headroom.more_than(used));
        }
    }

    /// Notes the use that a refused request would have brought about.
    pub(crate) fn want(&mut self, used: u64, now: u64) {
        let wanted = if now < self.wanted_until {
            self.wanted
        } else {
            0
        };
        self.wanted = wanted.max(used);
        self.wanted_until = now.saturating_add(PATIENCE);
    }

    /// Returns the largest use of each period, the present one first.
    pub(crate) fn by_age(&self, period: u64) -> impl Iterator<Item = u64> + '_ {
        (0..self.memory.len()).map(move |age| {
            let place = period.checked_sub(u64::from(age));
            let place = place.and_then(|period| self.place(period));
            let peak = place.and_then(|place| self.peaks.get(place));
            peak.copied().unwrap_or(0)
        })
    }

    /// Takes over the largest use of each period, the present one first.
    pub(crate) fn restore(&mut self, period: u64, peaks: &[u64]) {
        let ages = 0..u64::from(self.memory.len());
        for (age, used) in ages.zip(peaks) {
            let period = period.checked_sub(age);
            if let Some(peak) = period.and_then(|period| self.peak(period)) {
                *peak = *used;
            }
        }
        self.estimate = self.headroom.more_than(self.largest(period));
    }

    fn largest(&self, period: u64) -> u64 {
        let ages = (0_u32..).zip(self.by_age(period));
        ages.map(|(age, peak)| self.memory.faded(peak, age))
            .max()
            .unwrap_or(0)
    }

    fn peak(&mut self, period: u64) -> Option<&mut u64> {
        let place = self.place(period)?;
        self.peaks.get_mut(place)
    }

    fn place(&self, period: u64) -> Option<usize> {
        usize::try_from(period.checked_rem(self.peaks.len() as u64)?).ok()
    }
}
