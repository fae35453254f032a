//! The standing of one credential: what is left of its limits, and the reason for which it gets no requests.
//!
//! An upstream counts by model, so a credential has a lane for each model. The windows of an account, and a refusal of the
//! credential itself, count for all of them.

use std::time::{Duration, Instant};

use super::lane::Lane;
use super::reading::{Reading, WINDOWS, Window};

/// Largest number of lanes. Callers name models, so one that is not in use gives way.
const MAX_LANES: usize = 32;

/// The pause after a first refusal that does not say how long it lasts. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Refusals in a row, without an answer between them, that are believed although no other credential did better.
const UNPROVEN: u32 = 3;

/// The time for which a credential is not used after a 403. The permission may be given at any time.
const FORBIDDEN: Duration = Duration::from_secs(300);

/// The state of one credential.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    lanes: Vec<Lane>,
    windows: [Option<(Window, Instant)>; WINDOWS],
    /// The end of the time for which the account is served nothing.
    rejected_until: Option<Instant>,
    refused: Option<Refused>,
    /// Requests that were sent.
    pub(crate) requests: u64,
    /// 429s among their answers.
    pub(crate) limited: u64,
    /// Sessions that left for another credential.
    pub(crate) moved: u64,
}

/// A refusal of the credential itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) since: Instant,
    /// The end; `None` if it lasts until the credential is renewed.
    pub(crate) until: Option<Instant>,
}

/// The reason for which a credential gets no requests of a model now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shut {
    /// The upstream refused it.
    Refused(u16),
    /// The upstream said that its limit is reached, or nothing more than that.
    Cooling,
    /// What is left is below the hard threshold.
    Exhausted,
}

/// A request that is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sending {
    lane: usize,
    epoch: u32,
    number: u64,
}

/// What an answer says about its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// It was served, or the answer is not about the credential.
    Served,
    /// Its limit is reached, by the word of the upstream.
    Limited,
    /// It was refused, which may be for the sake of the request.
    Doubtful,
}

// === impl Standing ===

impl Standing {
    /// Counts a request that is sent.
    pub(crate) fn send(&mut self, model: &str, now: Instant) -> Sending {
        self.requests += 1;
        let index = self.lane(model, now);
        let Some(lane) = self.lanes.get_mut(index) else {
            return Sending::default();
        };
        lane.unanswered = lane.unanswered.saturating_add(1);
        lane.sent += 1;
        lane.used_at = now;
        Sending {
            lane: index,
            epoch: lane.epoch,
            number: lane.sent,
        }
    }

    /// Ends a request that has no answer.
    pub(crate) fn give_up(&mut self, sending: Sending) {
        if let Some(lane) = self.lanes.get_mut(sending.lane) {
            lane.unanswered = lane.unanswered.saturating_sub(1);
        }
    }

    /// Learns from an answer.
    pub(crate) fn answered(
        &mut self,
        sending: Sending,
        status: u16,
        reading: &Reading,
        now: Instant,
    ) -> Sentence {
        self.give_up(sending);
        for (known, window) in self.windows.iter_mut().zip(reading.windows) {
            if let Some(window) = window {
                *known = Some((window, now + window.ends_in));
            }
        }
        match (status, reading.rejected_for) {
            (429, Some(wait)) => self.rejected_until = Some(now + wait),
            (200..300, _) => self.rejected_until = None,
            _ => {}
        }
        if status == 429 {
            self.limited += 1;
        }
        let Some(lane) = self.lanes.get_mut(sending.lane) else {
            return Sentence::Served;
        };
        lane.read(sending.number, &reading.buckets, now);
        match status {
            429 => match reading.wait() {
                Some(wait) => {
                    lane.cool(wait, now);
                    lane.unproven = 0;
                    Sentence::Limited
                }
                None => {
                    lane.unproven += 1;
                    if lane.unproven >= UNPROVEN {
                        lane.unproven = 0;
                        lane.cool(FIRST_PAUSE, now);
                    }
                    Sentence::Doubtful
                }
            },
            401 | 403 => Sentence::Doubtful,
            200..300 => {
                lane.unproven = 0;
                if sending.epoch == lane.epoch {
                    lane.streak = 0;
                }
                Sentence::Served
            }
            _ => Sentence::Served,
        }
    }

    /// Takes a doubtful refusal for the credential's own: another one was served with the same request. Returns whether that is
    /// news.
    pub(crate) fn convict(&mut self, sending: Sending, status: u16, now: Instant) -> bool {
        if status != 429 {
            let news = self.refused(now).is_none();
            self.refused = Some(Refused {
                status,
                since: self.refused.map_or(now, |refused| refused.since),
                until: (status == 403).then(|| now + FORBIDDEN),
            });
            return news;
        }
        let Some(lane) = self.lanes.get_mut(sending.lane) else {
            return false;
        };
        // Many requests at once are refused for one reason.
        if sending.epoch != lane.epoch {
            return false;
        }
        lane.unproven = 0;
        lane.epoch = lane.epoch.wrapping_add(1);
        let pause = FIRST_PAUSE * (1 << lane.streak.min(6));
        lane.streak = lane.streak.saturating_add(1);
        lane.cool(pause.min(LONGEST_PAUSE), now);
        true
    }

    /// Forgets a refusal: the credential has been renewed. Returns whether there was one.
    pub(crate) fn renewed(&mut self) -> bool {
        self.refused.take().is_some()
    }

    /// Forgets what is known of limits and refusals: another secret has taken the place of the one before, and may be of another
    /// account. Returns whether that one was refused.
    pub(crate) fn replaced(&mut self) -> bool {
        self.windows = [None; WINDOWS];
        self.rejected_until = None;
        self.lanes.iter_mut().for_each(Lane::forget);
        self.renewed()
    }

    /// Forgets the requests under way, which are another pool's to end.
    pub(crate) fn without_sendings(mut self) -> Self {
        for lane in &mut self.lanes {
            lane.unanswered = 0;
        }
        self
    }

    /// Returns the refusal of the credential, while it lasts.
    pub(crate) fn refused(&self, now: Instant) -> Option<Refused> {
        self.refused
            .filter(|refused| refused.until.is_none_or(|until| until > now))
    }

    /// Returns the reason for which no request of a model is sent, and the time until that changes, if it is known. `hard` is
    /// the part of each limit, in thousandths, that is left untouched.
    pub(crate) fn shut(
        &self,
        model: &str,
        hard: u32,
        now: Instant,
    ) -> Option<(Shut, Option<Duration>)> {
        if let Some(refused) = self.refused(now) {
            let left = refused
                .until
                .map(|until| until.saturating_duration_since(now));
            return Some((Shut::Refused(refused.status), left));
        }
        let lane = self.find(model);
        let cooling = lane.and_then(|lane| lane.cooling_until);
        let until = cooling.into_iter().chain(self.rejected_until);
        if let Some(until) = until.filter(|until| *until > now).max() {
            return Some((Shut::Cooling, Some(until - now)));
        }
        let levels = lane
            .into_iter()
            .flat_map(|lane| lane.levels.iter().flatten());
        let of_levels = levels.map(|level| {
            let wanted = (level.limit() * u64::from(hard)).div_ceil(1000).max(1);
            level.time_until(wanted, now)
        });
        let of_windows = self.windows(now).filter_map(|(_, window, ends_in)| {
            let left = 1000_u32.saturating_sub(window.used);
            // An account may be served beyond its window: its status says that, and is obeyed above.
            (left < hard).then_some(ends_in)
        });
        let longest = of_levels.chain(of_windows).max()?;
        (!longest.is_zero()).then_some((Shut::Exhausted, Some(longest)))
    }

    /// Returns what is left for a model, in thousandths of the limit that has the least. What is under way is subtracted.
    pub(crate) fn left(&self, model: &str, now: Instant) -> u32 {
        let lane = self.find(model);
        let of_levels = lane.into_iter().flat_map(|lane| lane.left(now));
        let of_windows = self
            .windows(now)
            .map(|(_, window, _)| 1000_u32.saturating_sub(window.used));
        of_levels.chain(of_windows).min().unwrap_or(1000)
    }

    /// Returns whether there is room for one more request of a model, after those under way.
    pub(crate) fn has_room(&self, model: &str, now: Instant) -> bool {
        self.find(model).is_none_or(|lane| {
            let mut levels = lane.levels.iter().flatten();
            let under_way = lane.under_way();
            levels.all(|level| level.left_after(under_way, now) > 0)
        })
    }

    /// Returns the requests under way.
    pub(crate) fn unanswered(&self) -> u32 {
        let all = self.lanes.iter().map(|lane| lane.unanswered);
        all.fold(0, u32::saturating_add)
    }

    /// Returns the windows that have not ended, with their places and the time until they end.
    pub(crate) fn windows(&self, now: Instant) -> impl Iterator<Item = (usize, Window, Duration)> {
        let known = self.windows.iter().enumerate();
        known.filter_map(move |(index, known)| {
            let (window, ends_at) = (*known)?;
            let left = ends_at.saturating_duration_since(now);
            (!left.is_zero()).then_some((index, window, left))
        })
    }

    /// Returns the lanes.
    pub(crate) fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    fn find(&self, model: &str) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.is_of(model))
    }

    /// Returns the place of a model's lane, which is made if there is room. A model without a lane shares the first.
    fn lane(&mut self, model: &str, now: Instant) -> usize {
        if let Some(index) = self.lanes.iter().position(|lane| lane.is_of(model)) {
            return index;
        }
        let lane = Lane::new(model, now);
        if self.lanes.len() < MAX_LANES {
            self.lanes.push(lane);
            return self.lanes.len() - 1;
        }
        let idle = self.lanes.iter_mut().enumerate();
        let idle = idle.filter(|(_, lane)| lane.unanswered == 0);
        // Limits are known of models that exist.
        match idle.min_by_key(|(_, lane)| (lane.is_known(now), lane.used_at)) {
            Some((index, oldest)) => {
                *oldest = lane;
                index
            }
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests;
