//! Benches a plugin that faults again and again, so that a request can't make the host crash it for ever.
//!
//! Faults are counted by the caller's tenant. Three within ten seconds bench the plugin for that tenant alone: for a
//! second first, then twice as long each time, a minute at most; the first call after a bench is its trial. The plugin
//! sits out for all where its faults are not about a caller: at least [`CALLERS`] tenants have seen one within ten
//! seconds, and they are more than were served well meanwhile; or its instances did not get ready three times.
//!
//! At most [`record::MOST`] tenants are remembered, each with [`FAULTS`] instants. The lock, the clock and the tenant are
//! asked only while there is something to remember: a plugin that behaves costs two loads of an atomic.

mod record;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use record::Record;

/// Faults within [`WINDOW`] that bench a plugin for a caller.
const FAULTS: usize = 3;
/// Tenants that have to see a fault within [`WINDOW`] for the plugin to sit out for all.
const CALLERS: usize = 3;
/// How long a fault is remembered.
const WINDOW: Duration = Duration::from_secs(10);
/// The first bench.
const FIRST_BENCH: Duration = Duration::from_secs(1);
/// The longest bench.
const LONGEST_BENCH: Duration = Duration::from_secs(60);

/// Whose call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenant {
    /// A tenant's, by its number.
    Known(u64),
    /// Anybody's: callers are not told apart.
    Unknown,
    /// The host's own: no request is asked about.
    Host,
}

/// What repeated faults do to a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bench {
    /// They bench it for a while, so that it can't hold up live traffic.
    #[default]
    AfterFaults,
    /// Nothing: every call is made. For tools that try each request by itself.
    Never,
}

/// The breaker of one plugin.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    bench: Bench,
    /// Whether there is anything in the record: false while the plugin behaves, which is the path of every call.
    alert: AtomicBool,
    record: Mutex<Record>,
}

/// Leave to make one call. Dropped without a verdict, it gives a trial back.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breaker: &'a Breaker,
    /// Whose bench the call is the trial of.
    trial: Option<Tenant>,
}

/// A bench: how long, and who sits in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Benched {
    pub(crate) left: Duration,
    pub(crate) whose: Whose,
}

/// For whom a plugin sits out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// For everybody.
    All,
    /// For one tenant, or for all callers that are not told apart.
    Caller,
}

/// A fault's part in benching a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The call of this tenant.
    Call(Tenant),
    /// An instance that did not get ready, which no request brings about.
    Start,
}

// === impl Breaker ===

impl Breaker {
    pub(crate) fn new(bench: Bench) -> Self {
        Self {
            bench,
            ..Self::default()
        }
    }

    /// Asks for leave to call. Clock and tenant are asked for while there is something to remember.
    ///
    /// # Errors
    ///
    /// The time that is left of the bench; zero while another call is the trial.
    pub(crate) fn enter(
        &self,
        tenant: impl FnOnce() -> Tenant,
        now: impl FnOnce() -> Instant,
    ) -> Result<Pass<'_>, Benched> {
        let mut trial = None;
        if self.alert.load(Ordering::Acquire) {
            let (tenant, now) = (tenant(), now());
            let mut record = self.lock();
            if record.is_over(now) {
                *record = Record::default();
                self.alert.store(false, Ordering::Release);
            }
            trial = record.enter(tenant, now)?.then_some(tenant);
        }
        Ok(Pass {
            breaker: self,
            trial,
        })
    }

    /// Time left until it plays for some caller again; none while it does.
    pub(crate) fn benched(&self, now: Instant) -> Option<Duration> {
        self.lock().benched(now)
    }

    /// Tenants that it sits out for alone.
    pub(crate) fn benched_callers(&self, now: Instant) -> usize {
        self.lock().benched_callers(now)
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock()
    }
}

// === impl Pass ===

impl Pass<'_> {
    /// The call went well.
    pub(crate) fn succeeded(
        mut self,
        tenant: impl FnOnce() -> Tenant,
        now: impl FnOnce() -> Instant,
    ) {
        if !self.breaker.alert.load(Ordering::Acquire) {
            return;
        }
        let (tenant, now) = (tenant(), now());
        let mut record = self.breaker.lock();
        if let Some(tenant) = self.trial.take() {
            record.acquit(tenant);
        }
        record.served(tenant, now);
        if record.is_over(now) {
            *record = Record::default();
            self.breaker.alert.store(false, Ordering::Release);
        }
    }

    /// The call faulted. Tells whether that benched the plugin, and for whom.
    pub(crate) fn faulted(mut self, cause: Cause, now: Instant) -> Option<Benched> {
        if self.breaker.bench == Bench::Never {
            return None;
        }
        let trial = self.trial.take();
        let mut record = self.breaker.lock();
        let benched = record.fault(cause, trial, now);
        self.breaker.alert.store(true, Ordering::Release);
        benched
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(tenant) = self.trial {
            self.breaker.lock().give_back(tenant);
        }
    }
}

#[cfg(test)]
mod tests;
