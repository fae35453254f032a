//! The memory of a breaker: the faults and suspensions of tenants, and the tenants that were served.

use std::time::{Duration, Instant};

use super::{
    Cause, FAULTS, FIRST_SUSPENSION, MAX_SUSPENSION, Scope, Suspended, TENANTS, Tenant, WINDOW,
};

/// The maximum number of remembered tenants, both of those with faults and of those that were served. One more replaces the
/// tenant whose entry expires first.
pub(super) const MAX_TENANTS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Record {
    /// The tenants that have seen faults.
    faulting: Vec<FaultingTenant>,
    /// Other tenants, with the time at which a call for them last succeeded.
    served: Vec<(Tenant, Instant)>,
    /// The times at which instances failed to start.
    failed_starts: Vec<Instant>,
    all: Option<Interval>,
}

#[derive(Debug)]
struct FaultingTenant {
    tenant: Tenant,
    faults: Vec<Instant>,
    /// The time of the last fault.
    last: Instant,
    penalty: Option<Penalty>,
}

/// A suspension that a successful probe ends.
#[derive(Debug, Clone, Copy)]
struct Penalty {
    interval: Interval,
    /// `true` while a probe is under way.
    probing: bool,
}

#[derive(Debug, Clone, Copy)]
struct Interval {
    until: Instant,
    lasts: Duration,
}

// === impl Record ===

impl Record {
    /// Permits a call, and returns whether it is the probe of its tenant.
    ///
    /// # Errors
    ///
    /// The suspension in force.
    pub(super) fn enter(&mut self, tenant: Tenant, now: Instant) -> Result<bool, Suspended> {
        if let Some(left) = self.all.and_then(|all| all.left(now)) {
            let scope = Scope::All;
            return Err(Suspended { left, scope });
        }
        let Some(penalty) = self.penalty(tenant) else {
            return Ok(false);
        };
        let left = penalty.interval.left(now);
        if left.is_some() || penalty.probing {
            let left = left.unwrap_or_default();
            let scope = Scope::Tenant;
            return Err(Suspended { left, scope });
        }
        penalty.probing = true;
        Ok(true)
    }

    /// Records a fault. `probe` is the tenant whose suspension the call probed.
    pub(super) fn fault(
        &mut self,
        cause: Cause,
        probe: Option<Tenant>,
        now: Instant,
    ) -> Option<Suspended> {
        match cause {
            Cause::Start => {
                if let Some(tenant) = probe {
                    self.abandon_probe(tenant);
                }
                // These starts began before the suspension.
                if self.all.is_some_and(|all| all.left(now).is_some()) {
                    return None;
                }
                let many = push(&mut self.failed_starts, now);
                many.then(|| self.suspend_all(now))
            }
            Cause::Call(tenant) => {
                self.served.retain(|(served, _)| *served != tenant);
                let lasts = self.entry(tenant, now).fault(probe.is_some(), now);
                if self.all.is_none_or(|all| all.left(now).is_none()) && self.is_everywhere(now) {
                    return Some(self.suspend_all(now));
                }
                let scope = Scope::Tenant;
                lasts.map(|left| Suspended { left, scope })
            }
        }
    }

    /// Records that a call for a tenant succeeded.
    pub(super) fn served(&mut self, tenant: Tenant, now: Instant) {
        let is_host = tenant == Tenant::Host;
        if is_host || self.faulting.iter().any(|known| known.tenant == tenant) {
            return;
        }
        if let Some((_, at)) = self.served.iter_mut().find(|(known, _)| *known == tenant) {
            *at = now;
        } else if self.served.len() < MAX_TENANTS {
            self.served.push((tenant, now));
        } else if let Some(oldest) = self.served.iter_mut().min_by_key(|(_, at)| *at) {
            *oldest = (tenant, now);
        }
    }

    /// Forgets a tenant's faults after a successful probe.
    pub(super) fn clear(&mut self, tenant: Tenant) {
        self.faulting.retain(|known| known.tenant != tenant);
    }

    /// Lets the next call of a tenant be the probe, because this one had no outcome.
    pub(super) fn abandon_probe(&mut self, tenant: Tenant) {
        if let Some(penalty) = self.penalty(tenant) {
            penalty.probing = false;
        }
    }

    /// Returns the time until some caller is served again, or `None` if some are.
    pub(super) fn suspended(&self, now: Instant) -> Option<Duration> {
        if let Some(left) = self.all.and_then(|all| all.left(now)) {
            return Some(left);
        }
        // The host's own calls are not about any caller.
        let own = self.faulting.iter();
        let mut own = own.filter(|known| known.tenant == Tenant::Host);
        let own = own.find_map(|known| known.penalty?.interval.left(now));
        if own.is_some() || self.recently_served(now) > 0 {
            return own;
        }
        let counts = |known: &&FaultingTenant| !is_past(known.ends(), now);
        let left = self.faulting.iter().filter(counts).map(|known| {
            // A tenant with one or two faults is still served.
            let until = known.penalty?.interval.until;
            Some(until.saturating_duration_since(now))
        });
        left.collect::<Option<Vec<_>>>()?.into_iter().min()
    }

    /// Returns the number of known tenants that are suspended.
    pub(super) fn suspended_callers(&self, now: Instant) -> usize {
        let is_suspended = |known: &&FaultingTenant| {
            let penalty = known.penalty.as_ref();
            matches!(known.tenant, Tenant::Known(_))
                && penalty.is_some_and(|it| it.interval.left(now).is_some())
        };
        self.faulting.iter().filter(is_suspended).count()
    }

    /// Returns whether everything in the record has expired.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.all.is_none_or(|all| is_past(all.until, now))
            && self.failed_starts.last().is_none_or(|at| is_past(*at, now))
            && self.faulting.iter().all(|known| is_past(known.ends(), now))
    }

    /// Returns the number of remembered tenants.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.faulting.len() + self.served.len()
    }

    /// Returns whether the recent faults are not about a particular tenant.
    fn is_everywhere(&self, now: Instant) -> bool {
        let fresh = |at: &Instant| !is_past(*at, now);
        let is_faulting = |known: &&FaultingTenant| {
            known.tenant != Tenant::Host && known.faults.last().is_some_and(fresh)
        };
        let faulting = self.faulting.iter().filter(is_faulting).count();
        faulting >= TENANTS && faulting > self.recently_served(now)
    }

    fn recently_served(&self, now: Instant) -> usize {
        let fresh = |(_, at): &&(Tenant, Instant)| !is_past(*at, now);
        self.served.iter().filter(fresh).count()
    }

    /// Suspends the plugin for all callers, for twice as long as a suspension that ended recently.
    fn suspend_all(&mut self, now: Instant) -> Suspended {
        let before = self.all.filter(|all| !is_past(all.until, now));
        let lasts = before.map_or(FIRST_SUSPENSION, |all| (all.lasts * 2).min(MAX_SUSPENSION));
        let until = now + lasts;
        self.all = Some(Interval { until, lasts });
        self.failed_starts.clear();
        // Tenants that have seen faults wait as long again, so that other tenants make the first calls.
        for known in &mut self.faulting {
            let until = until + lasts;
            known.faults.clear();
            known.penalty = Some(Penalty {
                interval: Interval { until, lasts },
                probing: false,
            });
        }
        let scope = Scope::All;
        Suspended { left: lasts, scope }
    }

    fn penalty(&mut self, tenant: Tenant) -> Option<&mut Penalty> {
        let known = self.faulting.iter_mut();
        let mut known = known.filter(|known| known.tenant == tenant);
        known.next()?.penalty.as_mut()
    }

    /// Returns the entry of a tenant, which is created if it does not exist.
    fn entry(&mut self, tenant: Tenant, now: Instant) -> &mut FaultingTenant {
        let place = self
            .faulting
            .iter()
            .position(|known| known.tenant == tenant);
        let place = place.unwrap_or_else(|| {
            self.faulting.retain(|known| !is_past(known.ends(), now));
            if self.faulting.len() == MAX_TENANTS {
                let ends = self.faulting.iter().map(FaultingTenant::ends).enumerate();
                let first = ends.min_by_key(|(_, ends)| *ends);
                self.faulting
                    .swap_remove(first.map_or(0, |(place, _)| place));
            }
            self.faulting.push(FaultingTenant::new(tenant, now));
            self.faulting.len() - 1
        });
        #[allow(
            clippy::indexing_slicing,
            reason = "the place was just found or created"
        )]
        &mut self.faulting[place]
    }
}

// === impl FaultingTenant ===

impl FaultingTenant {
    fn new(tenant: Tenant, now: Instant) -> Self {
        Self {
            tenant,
            faults: Vec::with_capacity(FAULTS),
            last: now,
            penalty: None,
        }
    }

    /// Records a fault. Returns the length of the suspension that it caused, or `None` if it caused none.
    fn fault(&mut self, probe: bool, now: Instant) -> Option<Duration> {
        let many = push(&mut self.faults, now);
        self.last = now;
        let lasts = match self.penalty {
            Some(penalty) if probe => (penalty.interval.lasts * 2).min(MAX_SUSPENSION),
            // The call began before the suspension, which keeps its length.
            Some(_) => return None,
            None if many => FIRST_SUSPENSION,
            None => return None,
        };
        let until = now + lasts;
        self.penalty = Some(Penalty {
            interval: Interval { until, lasts },
            probing: false,
        });
        Some(lasts)
    }

    /// Returns the time at which the entry starts to expire if nothing more happens.
    fn ends(&self) -> Instant {
        let until = self.penalty.map(|penalty| penalty.interval.until);
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

/// Adds an instant to the last few, and returns whether they reach [`FAULTS`].
fn push(instants: &mut Vec<Instant>, now: Instant) -> bool {
    instants.retain(|at| !is_past(*at, now));
    if instants.len() == FAULTS {
        instants.remove(0);
    }
    instants.push(now);
    instants.len() == FAULTS
}

/// Returns whether an instant is too long ago to count.
fn is_past(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) >= WINDOW
}
