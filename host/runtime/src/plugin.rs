//! An admitted plugin, and the one way to call it.
//!
//! A call takes an instance, runs under the plugin's limits and gives the instance back; after a fault the instance
//! is gone and only that call has failed. Calls may overlap, up to the plugin's number of live instances.

use crate::breaker::{Bench, Benched, Breaker, Cause, Pass, Tenant, Whose};
use crate::contract::log::Level;
use crate::fault::{Failure, Fault, FaultKind};
use crate::grants::Grants;
use crate::guest::{Guest, Terms};
use crate::hook::{Hook, PerHook};
use crate::instance::{Exports, Indices, Instance, StartFailure};
use crate::pool::{Pool, Seat, Seated};
use crate::request::Request;
use crate::sidecar::{FailPolicy, InstancePolicy};
use crate::stats::Figures;
use serde::Serialize;
use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wasmtime::Store;
use wasmtime::component::InstancePre;

/// A plugin that passed admission.
pub struct Plugin {
    parts: Parts,
    pool: Pool,
    breaker: Breaker,
}

/// What makes two plugins the same: the bytes of the component, of the sidecar and of the signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// SHA-256 of the `.wasm` file's bytes, in hex.
    pub wasm: Arc<str>,
    /// SHA-256 of the sidecar's bytes, in hex; none without a sidecar.
    pub sidecar: Option<Arc<str>>,
    /// SHA-256 of the signature's bytes, in hex; none without a signature.
    pub signature: Option<Arc<str>>,
}

/// When `lifecycle.configure` of a plugin runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "when", rename_all = "kebab-case")]
pub enum Configured {
    /// Never: the plugin has none.
    Never,
    /// At admission: instances start with its result.
    Once,
    /// For each new instance.
    PerInstance {
        /// Why it could not be once, where it should have been.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
}

/// What admission hands over.
pub(crate) struct Parts {
    pub(crate) file: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) order: i64,
    pub(crate) policy: InstancePolicy,
    pub(crate) fail: PerHook<FailPolicy>,
    pub(crate) configured: Configured,
    pub(crate) terms: Arc<Terms>,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) indices: Indices,
    pub(crate) bench: Bench,
}

// === impl Plugin ===

impl Plugin {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            pool: Pool::new(parts.terms.limits.live_instances),
            breaker: Breaker::new(parts.bench),
            parts,
        }
    }

    /// Its name: the file's name without `.wasm`.
    pub fn name(&self) -> &Arc<str> {
        &self.parts.terms.name
    }

    /// The file that it was admitted from.
    pub fn file(&self) -> &Path {
        &self.parts.file
    }

    /// Hashes of what was admitted.
    pub fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    /// Its place in the lineup, from the sidecar.
    pub fn order(&self) -> i64 {
        self.parts.order
    }

    /// Whether it has a hook.
    pub fn has(&self, hook: Hook) -> bool {
        self.parts.indices.has(hook)
    }

    /// Its hooks, in the order of a request.
    pub fn hooks(&self) -> impl Iterator<Item = Hook> + '_ {
        self.parts.indices.hooks()
    }

    /// What holds when a hook faults.
    pub fn fail_policy(&self, hook: Hook) -> FailPolicy {
        *self.parts.fail.of(hook)
    }

    /// When its `lifecycle.configure` runs.
    pub fn configured(&self) -> &Configured {
        &self.parts.configured
    }

    /// What it may see and use.
    pub fn grants(&self) -> &Grants {
        &self.parts.terms.grants
    }

    /// Entries and bytes that its `kv` holds, of all its reloads.
    pub fn remembers(&self) -> (usize, usize) {
        self.parts.terms.table.size(Instant::now())
    }

    /// Its numbers since admission.
    pub fn figures(&self) -> Figures {
        self.parts.terms.stats.figures(self.hooks())
    }

    /// Instances alive now.
    pub fn live_instances(&self) -> usize {
        self.pool.live()
    }

    /// Time left of its bench; none while it plays for some caller.
    pub fn benched(&self) -> Option<Duration> {
        self.breaker.benched(Instant::now())
    }

    /// Tenants that it sits out for alone, because it faulted at their requests.
    pub fn benched_callers(&self) -> usize {
        self.breaker.benched_callers(Instant::now())
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.parts.terms
    }

    /// A warning of the host in the plugin's log.
    pub(crate) fn warn(&self, message: &str) {
        self.parts.terms.log_line(Level::Warn, message);
    }

    pub(crate) fn skipped(&self, hook: Hook) {
        self.parts.terms.stats.skipped(hook);
    }

    /// Calls a hook under its limits, with a check of the value that it gives.
    pub(crate) fn call<R>(
        &self,
        hook: Hook,
        request: Option<&Arc<dyn Request>>,
        call: impl FnOnce(&Exports, &mut Store<Guest>) -> wasmtime::Result<R>,
        check: impl FnOnce(&R) -> Result<(), Failure>,
    ) -> Result<R, Fault> {
        let limits = *self.parts.terms.limits.calls.of(hook);
        let asked = OnceCell::new();
        let tenant = || {
            *asked.get_or_init(|| match request.map(|request| request.tenant()) {
                Some(Some(tenant)) => Tenant::Known(tenant),
                Some(None) => Tenant::Unknown,
                None => Tenant::Host,
            })
        };
        let pass = match self.breaker.enter(tenant, Instant::now) {
            Ok(pass) => pass,
            Err(Benched { left, whose }) => {
                let message = format!("another try in {} ms", left.as_millis());
                let kind = match (whose, tenant()) {
                    (Whose::Caller, Tenant::Known(_)) => FaultKind::BenchedForCaller,
                    _ => FaultKind::Benched,
                };
                let failure = Failure::new(kind, message);
                return Err(self.fault(Some(hook), failure));
            }
        };
        let mut seated = match self.seated() {
            Ok(seated) => seated,
            Err(failure) => return Err(self.faulted(None, failure, pass, Cause::Start)),
        };

        // The clock of the figures is the guest's: getting an instance ready is not the hook's time.
        let start = Instant::now();
        let lent = request.map(Arc::clone);
        let result = seated.instance.call(limits, lent, call);
        self.parts.terms.stats.called(hook, start.elapsed());

        match result.and_then(|value| check(&value).map(|()| value)) {
            Ok(value) => {
                pass.succeeded(tenant, Instant::now);
                self.give_back(seated);
                Ok(value)
            }
            Err(failure) => {
                drop(seated);
                let cause = Cause::Call(tenant());
                Err(self.faulted(Some(hook), failure, pass, cause))
            }
        }
    }

    /// A new instance, ready to be called.
    fn start(&self) -> Result<Instance, StartFailure> {
        let stats = &self.parts.terms.stats;
        stats.instances_created.fetch_add(1, Ordering::Relaxed);
        Instance::start(&self.parts.pre, &self.parts.indices, &self.parts.terms)
    }

    /// An instance on other terms than those of the plugin's own.
    pub(crate) fn start_with(&self, terms: &Arc<Terms>) -> Result<Instance, StartFailure> {
        Instance::start(&self.parts.pre, &self.parts.indices, terms)
    }

    /// Gets an instance ready for the first call, if instances are reused. Where that fails, the first call says so.
    pub(crate) fn warm_up(&self) {
        if self.parts.policy == InstancePolicy::Fresh {
            return;
        }
        if let Some(seat) = self.seat()
            && let Ok(instance) = self.start()
        {
            self.give_back(Seated::new(instance, seat));
        }
    }

    /// A seat for one more instance; none when all are taken.
    fn seat(&self) -> Option<Seat> {
        self.pool.seat()
    }

    /// An instance on a seat: an idle one, else a new one.
    fn seated(&self) -> Result<Seated, Failure> {
        if let Some(idle) = self.pool.take() {
            return Ok(idle);
        }
        let Some(seat) = self.seat() else {
            let message = format!("all {} instances are busy", self.pool.limit());
            return Err(Failure::new(FaultKind::Exhausted, message));
        };
        match self.start() {
            Ok(instance) => Ok(Seated::new(instance, seat)),
            Err(StartFailure::Fault(failure)) => Err(failure),
            Err(StartFailure::Skew(detail)) => Err(Failure::new(FaultKind::Contract, detail)),
            Err(StartFailure::Settings(problems)) => {
                let message = problems
                    .iter()
                    .map(|problem| format!("{}: {}", problem.path, problem.message))
                    .collect::<Vec<_>>()
                    .join("; ");
                Err(Failure::new(FaultKind::Configure, message))
            }
        }
    }

    /// Keeps an instance for the next call, if instances are reused and it has calls left.
    fn give_back(&self, seated: Seated) {
        match self.parts.policy {
            InstancePolicy::Fresh => drop(seated),
            InstancePolicy::Reused if self.parts.terms.room.is_scarce() => drop(seated),
            InstancePolicy::Reused
                if seated.instance.calls() >= self.parts.terms.limits.recycle_after =>
            {
                self.parts
                    .terms
                    .stats
                    .recycled
                    .fetch_add(1, Ordering::Relaxed);
            }
            InstancePolicy::Reused => self.pool.put(seated),
        }
    }

    fn faulted(&self, hook: Option<Hook>, failure: Failure, pass: Pass<'_>, cause: Cause) -> Fault {
        let fault = self.fault(hook, failure);
        if !fault.kind.is_plugins() {
            return fault;
        }
        // The content of a receipt is its caller's choice, and a bench would cost the receipts of all. The breaker keeps
        // live traffic from waiting, which does not wait for this hook. The log takes so many lines a second.
        if hook == Some(Hook::Audit) {
            self.warn(&fault.to_string());
            return fault;
        }
        tracing::warn!(plugin = %fault.plugin, backtrace = ?fault.backtrace, "{fault}");
        if let Some(Benched { left, whose }) = pass.faulted(cause, Instant::now()) {
            let (from, seconds) = (&fault.plugin, left.as_secs());
            match whose {
                Whose::All => tracing::error!(
                    plugin = %from,
                    "plugin `{from}` is benched for {seconds} s after repeated faults"
                ),
                Whose::Caller => tracing::error!(
                    plugin = %from,
                    "plugin `{from}` is benched for one caller for {seconds} s, after repeated faults at its requests"
                ),
            }
        }
        fault
    }

    pub(crate) fn fault(&self, hook: Option<Hook>, failure: Failure) -> Fault {
        self.parts.terms.fault(hook, failure)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.parts.terms.name)
            .field("identity", &self.parts.identity)
            .finish_non_exhaustive()
    }
}
