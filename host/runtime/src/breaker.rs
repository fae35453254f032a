//! Suspends a plugin that faults again and again, so that requests can't make the host crash it forever.
//!
//! Faults are counted by the caller's tenant. Three within ten seconds suspend the plugin for that tenant alone: for one
//! second at first, then twice as long each time, up to a minute. The first call after a suspension is a probe. The plugin
//! is suspended for all tenants if its faults are not about one of them: at least [`TENANTS`] tenants saw one within ten
//! seconds, and they outnumber the tenants that were served meanwhile; or its instances failed to start three times.
//!
//! The breaker remembers at most [`record::MAX_TENANTS`] tenants with [`FAULTS`] instants each. It takes its lock, reads the
//! clock and asks for the tenant only while there is something to remember: a plugin that behaves costs two atomic loads.

mod record;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use record::Record;

/// The number of faults within [`WINDOW`] that suspends a plugin for a tenant.
const FAULTS: usize = 3;
/// The number of tenants that must see a fault within [`WINDOW`] to suspend a plugin for all.
const TENANTS: usize = 3;
/// The time for which a fault is remembered.
const WINDOW: Duration = Duration::from_secs(10);
/// The length of the first suspension.
const FIRST_SUSPENSION: Duration = Duration::from_secs(1);
/// The maximum length of a suspension.
const MAX_SUSPENSION: Duration = Duration::from_secs(60);

/// The tenant of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tenant {
    /// A tenant with this number.
    Known(u64),
    /// Any caller: the embedder does not tell callers apart.
    Unknown,
    /// The host itself: the call is not about a request.
    Host,
}

/// The effect of repeated faults on a plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suspension {
    /// The plugin is suspended for a while, so that it can't hold up live traffic.
    #[default]
    AfterFaults,
    /// The plugin is called all the same. For tools that try each request by itself.
    Never,
}

/// The breaker of one plugin.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    suspension: Suspension,
    /// `true` if the record has any content: never while the plugin behaves, which is the path of nearly every call.
    alert: AtomicBool,
    record: Mutex<Record>,
}

/// The permission to make one call. If it is dropped without an outcome and was a probe, the next call is the probe.
#[derive(Debug)]
pub(crate) struct Ticket<'a> {
    breaker: &'a Breaker,
    /// The tenant whose suspension this call probes.
    probe: Option<Tenant>,
}

/// A suspension that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suspended {
    pub(crate) left: Duration,
    pub(crate) scope: Scope,
}

/// The callers that a suspension affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All callers.
    All,
    /// A single tenant, or all callers if the embedder does not tell them apart.
    Tenant,
}

/// The cause of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A call for this tenant.
    Call(Tenant),
    /// The start of an instance, which no request influences.
    Start,
}

// === impl Breaker ===

impl Breaker {
    pub(crate) fn new(suspension: Suspension) -> Self {
        Self {
            suspension,
            ..Self::default()
        }
    }

    /// Permits a call. Calls `tenant` and `now` only if there is something to remember.
    ///
    /// # Errors
    ///
    /// The suspension in force, with no time left while another call is the probe.
    pub(crate) fn enter(
        &self,
        tenant: impl FnOnce() -> Tenant,
        now: impl FnOnce() -> Instant,
    ) -> Result<Ticket<'_>, Suspended> {
        let mut probe = None;
        if self.alert.load(Ordering::Acquire) {
            let (tenant, now) = (tenant(), now());
            let mut record = self.lock();
            if record.is_over(now) {
                *record = Record::default();
                self.alert.store(false, Ordering::Release);
            }
            probe = record.enter(tenant, now)?.then_some(tenant);
        }
        Ok(Ticket {
            breaker: self,
            probe,
        })
    }

    /// Returns the time until some caller is served again, or `None` if some are.
    pub(crate) fn suspended(&self, now: Instant) -> Option<Duration> {
        self.lock().suspended(now)
    }

    /// Returns the number of tenants that are suspended individually.
    pub(crate) fn suspended_callers(&self, now: Instant) -> usize {
        self.lock().suspended_callers(now)
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        // A panic leaves the record whole: each of its changes is complete before anything can panic.
        self.record.lock()
    }
}

// === impl Ticket ===

impl Ticket<'_> {
    /// Records that the call succeeded.
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
        if let Some(tenant) = self.probe.take() {
            record.clear(tenant);
        }
        record.served(tenant, now);
        if record.is_over(now) {
            *record = Record::default();
            self.breaker.alert.store(false, Ordering::Release);
        }
    }

    /// Records that the call faulted. Returns the suspension that this caused, or `None` if it caused none.
    pub(crate) fn faulted(mut self, cause: Cause, now: Instant) -> Option<Suspended> {
        if self.breaker.suspension == Suspension::Never {
            return None;
        }
        let probe = self.probe.take();
        let mut record = self.breaker.lock();
        let suspended = record.fault(cause, probe, now);
        self.breaker.alert.store(true, Ordering::Release);
        suspended
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(tenant) = self.probe {
            self.breaker.lock().abandon_probe(tenant);
        }
    }
}

#[cfg(test)]
mod tests;
