//! What a breaker remembers: the faults and the bench of each tenant, who was served well meanwhile, and the bench of all.

use super::{Benched, CALLERS, Cause, FAULTS, FIRST_BENCH, LONGEST_BENCH, Tenant, WINDOW, Whose};
use std::time::{Duration, Instant};

/// Most tenants that are remembered, of those in trouble and of those served well. A further one takes the place of the
/// one whose trouble is over first.
pub(super) const MOST: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Record {
    /// Tenants that have seen faults.
    troubled: Vec<Troubled>,
    /// Other tenants, and when they were served well the last time.
    served: Vec<(Tenant, Instant)>,
    /// When instances did not get ready.
    unready: Vec<Instant>,
    all: Option<Interval>,
}

#[derive(Debug)]
struct Troubled {
    tenant: Tenant,
    faults: Vec<Instant>,
    /// The last fault.
    last: Instant,
    sentence: Option<Sentence>,
}

/// A time on the bench that a trial ends.
#[derive(Clone, Copy, Debug)]
struct Sentence {
    interval: Interval,
    on_trial: bool,
}

#[derive(Clone, Copy, Debug)]
struct Interval {
    until: Instant,
    lasts: Duration,
}

// === impl Record ===

impl Record {
    /// Lets a call through, or not. Says whether it is the trial of its tenant.
    pub(super) fn enter(&mut self, tenant: Tenant, now: Instant) -> Result<bool, Benched> {
        if let Some(left) = self.all.and_then(|all| all.left(now)) {
            let whose = Whose::All;
            return Err(Benched { left, whose });
        }
        let Some(sentence) = self.sentence(tenant) else {
            return Ok(false);
        };
        let left = sentence.interval.left(now);
        if left.is_some() || sentence.on_trial {
            let left = left.unwrap_or_default();
            let whose = Whose::Caller;
            return Err(Benched { left, whose });
        }
        sentence.on_trial = true;
        Ok(true)
    }

    /// Notes a fault; `trial` says whose trial the call was.
    pub(super) fn fault(
        &mut self,
        cause: Cause,
        trial: Option<Tenant>,
        now: Instant,
    ) -> Option<Benched> {
        match cause {
            Cause::Start => {
                if let Some(tenant) = trial {
                    self.give_back(tenant);
                }
                // They began before the bench.
                if self.all.is_some_and(|all| all.left(now).is_some()) {
                    return None;
                }
                let many = note(&mut self.unready, now);
                many.then(|| self.bench_all(now))
            }
            Cause::Call(tenant) => {
                self.served.retain(|(served, _)| *served != tenant);
                let lasts = self.troubled(tenant, now).fault(trial.is_some(), now);
                if self.all.is_none_or(|all| all.left(now).is_none()) && self.is_everywhere(now) {
                    return Some(self.bench_all(now));
                }
                let whose = Whose::Caller;
                lasts.map(|left| Benched { left, whose })
            }
        }
    }

    /// Notes that a tenant was served well.
    pub(super) fn served(&mut self, tenant: Tenant, now: Instant) {
        let is_host = tenant == Tenant::Host;
        if is_host || self.troubled.iter().any(|known| known.tenant == tenant) {
            return;
        }
        if let Some((_, at)) = self.served.iter_mut().find(|(known, _)| *known == tenant) {
            *at = now;
        } else if self.served.len() < MOST {
            self.served.push((tenant, now));
        } else if let Some(oldest) = self.served.iter_mut().min_by_key(|(_, at)| *at) {
            *oldest = (tenant, now);
        }
    }

    /// The trial of a tenant went well.
    pub(super) fn acquit(&mut self, tenant: Tenant) {
        self.troubled.retain(|known| known.tenant != tenant);
    }

    /// The trial of a tenant did not take place.
    pub(super) fn give_back(&mut self, tenant: Tenant) {
        if let Some(sentence) = self.sentence(tenant) {
            sentence.on_trial = false;
        }
    }

    /// Time left until somebody is served again.
    pub(super) fn benched(&self, now: Instant) -> Option<Duration> {
        if let Some(left) = self.all.and_then(|all| all.left(now)) {
            return Some(left);
        }
        // No caller has to do with what the host asks for itself.
        let own = self.troubled.iter();
        let mut own = own.filter(|known| known.tenant == Tenant::Host);
        let own = own.find_map(|known| known.sentence?.interval.left(now));
        if own.is_some() || self.recently_served(now) > 0 {
            return own;
        }
        let counts = |known: &&Troubled| !is_past(known.ends(), now);
        let left = self.troubled.iter().filter(counts).map(|known| {
            // A caller with a fault or two is served.
            let until = known.sentence?.interval.until;
            Some(until.saturating_duration_since(now))
        });
        left.collect::<Option<Vec<_>>>()?.into_iter().min()
    }

    /// Known tenants for whom it sits out.
    pub(super) fn benched_callers(&self, now: Instant) -> usize {
        let is_out = |known: &&Troubled| {
            let sentence = known.sentence.as_ref();
            matches!(known.tenant, Tenant::Known(_))
                && sentence.is_some_and(|it| it.interval.left(now).is_some())
        };
        self.troubled.iter().filter(is_out).count()
    }

    /// Whether nothing of it counts any more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.all.is_none_or(|all| is_past(all.until, now))
            && self.unready.last().is_none_or(|at| is_past(*at, now))
            && self.troubled.iter().all(|known| is_past(known.ends(), now))
    }

    /// Tenants that are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.troubled.len() + self.served.len()
    }

    /// Whether the faults of these seconds are not about a caller.
    fn is_everywhere(&self, now: Instant) -> bool {
        let fresh = |at: &Instant| !is_past(*at, now);
        let is_faulting = |known: &&Troubled| {
            known.tenant != Tenant::Host && known.faults.last().is_some_and(fresh)
        };
        let faulting = self.troubled.iter().filter(is_faulting).count();
        faulting >= CALLERS && faulting > self.recently_served(now)
    }

    fn recently_served(&self, now: Instant) -> usize {
        let fresh = |(_, at): &&(Tenant, Instant)| !is_past(*at, now);
        self.served.iter().filter(fresh).count()
    }

    /// Benches the plugin for all; for twice as long where it was benched shortly before.
    fn bench_all(&mut self, now: Instant) -> Benched {
        let before = self.all.filter(|all| !is_past(all.until, now));
        let lasts = before.map_or(FIRST_BENCH, |all| (all.lasts * 2).min(LONGEST_BENCH));
        let until = now + lasts;
        self.all = Some(Interval { until, lasts });
        self.unready.clear();
        // Those who have seen faults wait for as long again: it is for others to find out whether it plays.
        for known in &mut self.troubled {
            let until = until + lasts;
            known.faults.clear();
            known.sentence = Some(Sentence {
                interval: Interval { until, lasts },
                on_trial: false,
            });
        }
        let whose = Whose::All;
        Benched { left: lasts, whose }
    }

    fn sentence(&mut self, tenant: Tenant) -> Option<&mut Sentence> {
        let known = self.troubled.iter_mut();
        let mut known = known.filter(|known| known.tenant == tenant);
        known.next()?.sentence.as_mut()
    }

    /// The entry of a tenant, which is made where there is none.
    fn troubled(&mut self, tenant: Tenant, now: Instant) -> &mut Troubled {
        let place = self
            .troubled
            .iter()
            .position(|known| known.tenant == tenant);
        let place = place.unwrap_or_else(|| {
            self.troubled.retain(|known| !is_past(known.ends(), now));
            if self.troubled.len() == MOST {
                let ends = self.troubled.iter().map(Troubled::ends).enumerate();
                let first = ends.min_by_key(|(_, ends)| *ends);
                self.troubled
                    .swap_remove(first.map_or(0, |(place, _)| place));
            }
            self.troubled.push(Troubled::new(tenant, now));
            self.troubled.len() - 1
        });
        #[allow(clippy::indexing_slicing, reason = "the place was just found or made")]
        &mut self.troubled[place]
    }
}

// === impl Troubled ===

impl Troubled {
    fn new(tenant: Tenant, now: Instant) -> Self {
        Self {
            tenant,
            faults: Vec::with_capacity(FAULTS),
            last: now,
            sentence: None,
        }
    }

    /// Notes a fault. Returns the length of the bench that it brought about.
    fn fault(&mut self, trial: bool, now: Instant) -> Option<Duration> {
        let many = note(&mut self.faults, now);
        self.last = now;
        let lasts = match self.sentence {
            Some(sentence) if trial => (sentence.interval.lasts * 2).min(LONGEST_BENCH),
            // A call that began before the bench: the bench has its length already.
            Some(_) => return None,
            None if many => FIRST_BENCH,
            None => return None,
        };
        let until = now + lasts;
        self.sentence = Some(Sentence {
            interval: Interval { until, lasts },
            on_trial: false,
        });
        Some(lasts)
    }

    /// When its trouble is over, if nothing more happens.
    fn ends(&self) -> Instant {
        let until = self.sentence.map(|sentence| sentence.interval.until);
        until.map_or(self.last, |until| until.max(self.last))
    }
}

// === impl Interval ===

impl Interval {
    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

/// Notes an instant among the last few, and says whether they are too many.
fn note(instants: &mut Vec<Instant>, now: Instant) -> bool {
    instants.retain(|at| !is_past(*at, now));
    if instants.len() == FAULTS {
        instants.remove(0);
    }
    instants.push(now);
    instants.len() == FAULTS
}

/// Whether an instant is so long ago that it does not count any more.
fn is_past(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) >= WINDOW
}
