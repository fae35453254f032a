//! The limits of one model at one credential, and the pauses after its refusals.

use std::time::{Duration, Instant};

use super::level::{Learns, Level};
use super::reading::{Bucket, KINDS};

/// Longest name of a model that is kept, in bytes.
const MAX_MODEL_BYTES: usize = 128;

/// The limits of one model.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) model: Box<str>,
    pub(crate) levels: [Option<Level>; KINDS],
    /// Requests that were sent and not answered.
    pub(crate) unanswered: u32,
    /// Number of requests so far.
    pub(super) sent: u64,
    /// The last request, by its number, whose answer said what is left. Those before it had arrived, and are counted in that.
    pub(super) read_to: u64,
    pub(super) cooling_until: Option<Instant>,
    /// Pauses in a row.
    pub(super) streak: u32,
    /// Refusals in a row that prove nothing.
    pub(super) unproven: u32,
    /// Number of pauses so far: an answer to a request from before the last one says nothing about the time after it.
    pub(super) epoch: u32,
    pub(super) used_at: Instant,
}

// === impl Lane ===

impl Lane {
    pub(super) fn new(model: &str, now: Instant) -> Self {
        Self {
            model: cut(model).into(),
            levels: [None; KINDS],
            unanswered: 0,
            sent: 0,
            read_to: 0,
            cooling_until: None,
            streak: 0,
            unproven: 0,
            epoch: 0,
            used_at: now,
        }
    }

    pub(super) fn is_of(&self, model: &str) -> bool {
        *self.model == *cut(model)
    }

    /// Returns whether anything is known of the limits of the model.
    pub(super) fn is_known(&self, now: Instant) -> bool {
        self.levels.iter().any(Option::is_some)
            || self.cooling_until.is_some_and(|until| until > now)
    }

    /// Leaves the lane alone for a while; a longer pause that it has stays.
    pub(super) fn cool(&mut self, wait: Duration, now: Instant) {
        let until = now + wait;
        self.cooling_until = Some(self.cooling_until.map_or(until, |known| known.max(until)));
    }

    /// Forgets the limits and the pauses.
    pub(super) fn forget(&mut self) {
        self.levels = [None; KINDS];
        self.cooling_until = None;
        self.streak = 0;
        self.unproven = 0;
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Learns what is left from the answer to the request with this number.
    pub(super) fn read(&mut self, number: u64, buckets: &[Option<Bucket>; KINDS], now: Instant) {
        if buckets.iter().any(Option::is_some) {
            self.read_to = self.read_to.max(number);
        }
        for (kind, (known, bucket)) in self.levels.iter_mut().zip(buckets).enumerate() {
            let Some(bucket) = *bucket else {
                continue;
            };
            // A request is one request; its tokens are learned.
            let (learns, first) = match kind {
                0 => (Learns::Nothing, 1),
                _ => (Learns::Average, 0),
            };
            match known {
                Some(level) => level.read(bucket, learns, now),
                None => *known = Some(Level::new(bucket, first, now)),
            }
        }
    }

    /// Returns the number of requests under way that what is known of the limits does not contain.
    pub(super) fn under_way(&self) -> u32 {
        let since = self.sent.saturating_sub(self.read_to);
        self.unanswered
            .min(u32::try_from(since).unwrap_or(u32::MAX))
    }

    /// Returns the thousandths that are left of each limit, requests under way subtracted.
    pub(super) fn left(&self, now: Instant) -> impl Iterator<Item = u32> {
        let (levels, under_way) = (self.levels.iter().flatten(), self.under_way());
        levels.map(move |level| level.permille(level.left_after(under_way, now)))
    }
}

/// Returns a name as far as it is kept.
fn cut(model: &str) -> &str {
    let end = (0..=MAX_MODEL_BYTES.min(model.len()))
        .rev()
        .find(|at| model.is_char_boundary(*at));
    end.and_then(|end| model.get(..end)).unwrap_or_default()
}
