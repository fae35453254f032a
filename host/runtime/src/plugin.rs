//! An admitted plugin and its calls.
//!
//! A call takes an instance, runs it under the plugin's limits and returns it to the pool. A fault drops the instance and
//! fails only that call. Calls may overlap, up to the plugin's limit of live instances.

use std::cell::OnceCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::Serialize;
use wasmtime::Store;
use wasmtime::component::InstancePre;

use crate::breaker::{Breaker, Cause, Scope, Suspended, Suspension, Tenant, Ticket};
use crate::call_facts::CallFacts;
use crate::content::{ContentKind, ContentKinds};
use crate::contract::log::Level;
use crate::contract::{Envelope, V0_2};
use crate::fault::{Failure, Fault, FaultKind};
use crate::grants::Grants;
use crate::guest::Guest;
use crate::hook::{Hook, PerHook};
use crate::instance::{Exports, Indices, Instance, StartFailure};
use crate::interests::{Claim, Dialect, ExchangeFacts, Interests};
use crate::pool::{Pool, PooledInstance};
use crate::request::Request;
use crate::sidecar::{FailPolicy, InstancePolicy};
use crate::spec::PluginSpec;
use crate::stats::PluginMetrics;
use crate::tables::TableStatus;

/// A plugin that passed admission.
pub struct Plugin {
    parts: Parts,
    pool: Pool,
    breaker: Breaker,
}

/// The hashes that identify a plugin. Two plugins are the same if all their files have the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Identity {
    /// The SHA-256 of the `.wasm` file in hex.
    pub wasm: Arc<str>,
    /// The SHA-256 of the sidecar in hex, or `None` without a sidecar.
    pub sidecar: Option<Arc<str>>,
    /// The SHA-256 of the signature in hex, or `None` without a signature.
    pub signature: Option<Arc<str>>,
}

/// The time at which a plugin's `lifecycle.configure` runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "when", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Configured {
    /// Never: the plugin does not export it.
    Never,
    /// Once, at admission: instances start from its result.
    Once,
    /// In each new instance.
    PerInstance {
        /// The reason that it could not run once, if the sidecar asked for fresh instances.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
}

/// The parts of a plugin, as admission makes them.
pub(crate) struct Parts {
    pub(crate) file: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) order: i64,
    pub(crate) policy: InstancePolicy,
    pub(crate) fail: PerHook<FailPolicy>,
    pub(crate) configured: Configured,
    pub(crate) spec: Arc<PluginSpec>,
    pub(crate) pre: InstancePre<Guest>,
    pub(crate) indices: Indices,
    pub(crate) suspension: Suspension,
    pub(crate) interests: Interests,
}

// === impl Plugin ===

impl Plugin {
    pub(crate) fn new(parts: Parts) -> Self {
        let mut plugin = Self {
            pool: Pool::new(parts.spec.limits.live_instances),
            breaker: Breaker::new(parts.suspension),
            parts,
        };
        let stated = plugin.parts.interests.correlation_header();
        if stated.is_some_and(|name| !plugin.may_set(name)) {
            plugin.parts.interests.without_correlation_header();
        }
        plugin
    }

    /// Returns the plugin's name: the file's name without `.wasm`.
    pub fn name(&self) -> &Arc<str> {
        &self.parts.spec.name
    }

    /// Returns the file that the plugin was admitted from.
    pub fn file(&self) -> &Path {
        &self.parts.file
    }

    /// Returns the hashes of the plugin's files.
    pub fn identity(&self) -> &Identity {
        &self.parts.identity
    }

    /// Returns the sidecar's `order`, which sorts the lineup.
    pub fn order(&self) -> i64 {
        self.parts.order
    }

    /// Returns whether the plugin exports a hook.
    pub fn has(&self, hook: Hook) -> bool {
        self.parts.indices.has(hook)
    }

    /// Returns the plugin's hooks, in the order of a request.
    pub fn hooks(&self) -> impl Iterator<Item = Hook> + '_ {
        self.parts.indices.hooks()
    }

    /// Returns whether the plugin is interested in being called at a hook that it exports. `context` is `None` before the
    /// envelope hooks have run.
    pub(crate) fn wants(
        &self,
        hook: Hook,
        request: &dyn Request,
        context: Option<&Envelope>,
    ) -> bool {
        let wanted = self.parts.interests.include(hook, request, context);
        if !wanted {
            self.left_out(hook, 1);
        }
        wanted
    }

    /// Returns whether the plugin is interested in the receipt of an exchange, at the audit hook that it exports.
    pub(crate) fn wants_receipt(&self, exchange: &ExchangeFacts<'_>) -> bool {
        self.parts.interests.include_receipt(exchange)
    }

    /// Counts requests or receipts that the plugin was not interested in.
    pub(crate) fn left_out(&self, hook: Hook, count: usize) {
        self.parts.spec.stats.left_out(hook, count as u64);
    }

    /// Returns the kinds of texts that the guard hook is called for, in the order of [`ContentKind::ALL`].
    pub fn content(&self) -> impl Iterator<Item = ContentKind> + use<> {
        self.subscription().iter()
    }

    /// Returns the kinds of texts that the guard hook is called for: none if the plugin does not have the hook.
    pub(crate) fn subscription(&self) -> ContentKinds {
        match self.has(Hook::Guard) {
            true => self.parts.interests.content(),
            false => ContentKinds::default(),
        }
    }

    /// Returns the dialect that the translate hook translates.
    pub(crate) fn dialect(&self) -> &Dialect {
        self.parts.interests.dialect()
    }

    /// Returns the claim of this plugin that meets one of the other, or `None` if they have no path in common.
    pub(crate) fn claims_with(&self, other: &Self) -> Option<&Claim> {
        let both = self.has(Hook::Translate) && other.has(Hook::Translate);
        let mut claims = self.dialect().claims.iter().filter(|_| both);
        claims.find(|claim| other.dialect().claims.iter().any(|its| claim.meets(its)))
    }

    /// Returns what the plugin stated when it was configured at admission.
    pub(crate) fn interests(&self) -> &Interests {
        &self.parts.interests
    }

    /// Returns whether the audit hook gets receipts whole, as in version 0.2 of the contract.
    pub(crate) fn gets_whole_receipts(&self) -> bool {
        let audit = self.parts.indices.audit.as_ref();
        audit.is_some_and(|index| index.version() == V0_2)
    }

    /// Returns the fail policy of a hook.
    pub fn fail_policy(&self, hook: Hook) -> FailPolicy {
        *self.parts.fail.of(hook)
    }

    /// Returns the time at which the plugin's `lifecycle.configure` runs.
    pub fn configured(&self) -> &Configured {
        &self.parts.configured
    }

    /// Returns the plugin's grants.
    pub fn grants(&self) -> &Grants {
        &self.parts.spec.grants
    }

    /// Returns the number of `kv` entries under the plugin's name, and their bytes. Reloads keep them.
    pub fn kv_usage(&self) -> (usize, usize) {
        self.parts.spec.kv.size(Instant::now())
    }

    /// Returns the status of the plugin's tables.
    pub fn tables(&self) -> Vec<TableStatus> {
        self.parts.spec.tables.status()
    }

    /// Returns the plugin's metrics since admission.
    pub fn metrics(&self) -> PluginMetrics {
        self.parts.spec.stats.metrics(self.hooks())
    }

    /// Returns the number of live instances.
    pub fn live_instances(&self) -> usize {
        self.pool.live()
    }

    /// Returns the time until the plugin is called again, or `None` if it is called for at least some callers.
    pub fn suspended(&self) -> Option<Duration> {
        self.breaker.suspended(Instant::now())
    }

    /// Returns the number of tenants whose requests the plugin is suspended for after it faulted at them.
    pub fn suspended_callers(&self) -> usize {
        self.breaker.suspended_callers(Instant::now())
    }

    pub(crate) fn spec(&self) -> &PluginSpec {
        &self.parts.spec
    }

    /// Writes a warning of the host to the plugin's log.
    pub(crate) fn warn(&self, message: &str) {
        self.parts.spec.log_line(Level::Warn, message);
    }

    pub(crate) fn skipped(&self, hook: Hook) {
        self.parts.spec.stats.skipped(hook);
    }

    /// Calls a hook under its limits with facts that the guest has meanwhile, and checks the returned value.
    pub(crate) fn call<R>(
        &self,
        hook: Hook,
        facts: &mut CallFacts,
        call: impl FnOnce(&Exports, &mut Store<Guest>) -> wasmtime::Result<R>,
        check: impl FnOnce(&CallFacts, &R) -> Result<(), Failure>,
    ) -> Result<R, Fault> {
        let limits = *self.parts.spec.limits.calls.of(hook);
        let asked = OnceCell::new();
        let tenant = |facts: &CallFacts| *asked.get_or_init(|| facts.tenant());
        let ticket = match self.breaker.enter(|| tenant(facts), Instant::now) {
            Ok(ticket) => ticket,
            Err(Suspended { left, scope }) => {
                let message = format!("next try in {} ms", left.as_millis());
                let kind = match (scope, tenant(facts)) {
                    (Scope::Tenant, Tenant::Known(_)) => FaultKind::SuspendedForCaller,
                    _ => FaultKind::Suspended,
                };
                let failure = Failure::new(kind, message);
                return Err(self.fault(Some(hook), failure));
            }
        };
        let mut pooled = match self.pooled() {
            Ok(pooled) => pooled,
            Err(failure) => return Err(self.faulted(None, failure, ticket, Cause::Start)),
        };

        // The metrics have the guest's time: starting an instance is not the hook's.
        let start = Instant::now();
        let result = pooled.instance.call(limits, facts, call);
        self.parts.spec.stats.called(hook, start.elapsed());

        match result.and_then(|value| check(facts, &value).map(|()| value)) {
            Ok(value) => {
                ticket.succeeded(|| tenant(facts), Instant::now);
                self.give_back(pooled);
                Ok(value)
            }
            Err(failure) => {
                drop(pooled);
                let cause = Cause::Call(tenant(facts));
                Err(self.faulted(Some(hook), failure, ticket, cause))
            }
        }
    }

    /// Starts an instance.
    fn start(&self) -> Result<Instance, StartFailure> {
        let stats = &self.parts.spec.stats;
        stats.instances_created.fetch_add(1, Ordering::Relaxed);
        Instance::start(&self.parts.pre, &self.parts.indices, &self.parts.spec, 0)
    }

    /// Starts an instance for the first call if instances are reused. If that fails, the first call reports it.
    pub(crate) fn warm_up(&self) {
        if self.parts.policy == InstancePolicy::Fresh {
            return;
        }
        if let Some(lease) = self.pool.lease()
            && let Ok(instance) = self.start()
        {
            self.give_back(PooledInstance::new(instance, lease));
        }
    }

    /// Takes an idle instance from the pool, or starts a new one.
    fn pooled(&self) -> Result<PooledInstance, Failure> {
        if self.parts.policy == InstancePolicy::Reused
            && let Some(idle) = self.pool.take()
        {
            return Ok(idle);
        }
        let Some(lease) = self.pool.lease() else {
            let message = format!("all {} instances are busy", self.pool.limit());
            return Err(Failure::new(FaultKind::Exhausted, message));
        };
        match self.start() {
            Ok(instance) => Ok(PooledInstance::new(instance, lease)),
            Err(StartFailure::Fault(failure)) => Err(failure),
            Err(StartFailure::TypeMismatch(detail)) => {
                Err(Failure::new(FaultKind::Contract, detail))
            }
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

    /// Returns an instance to the pool, if instances are reused and it is not due to be recycled.
    fn give_back(&self, pooled: PooledInstance) {
        match self.parts.policy {
            InstancePolicy::Fresh => drop(pooled),
            InstancePolicy::Reused if self.parts.spec.memory.is_scarce() => drop(pooled),
            InstancePolicy::Reused
                if pooled.instance.calls() >= self.parts.spec.limits.recycle_after =>
            {
                self.parts
                    .spec
                    .stats
                    .recycled
                    .fetch_add(1, Ordering::Relaxed);
            }
            InstancePolicy::Reused => self.pool.put(pooled),
        }
    }

    fn faulted(
        &self,
        hook: Option<Hook>,
        failure: Failure,
        ticket: Ticket<'_>,
        cause: Cause,
    ) -> Fault {
        let fault = self.fault(hook, failure);
        if !fault.kind.is_plugins() {
            return fault;
        }
        // The caller determines the content of a receipt, and a suspension would cost everybody's receipts. The breaker
        // protects live traffic, which does not wait for the audit hook. The log's limit bounds these lines.
        if hook == Some(Hook::Audit) {
            self.warn(&fault.to_string());
            return fault;
        }
        tracing::warn!(plugin = %fault.plugin, backtrace = ?fault.backtrace, "{fault}");
        if let Some(Suspended { left, scope }) = ticket.faulted(cause, Instant::now()) {
            let (name, seconds) = (&fault.plugin, left.as_secs());
            let scope = match scope {
                Scope::All => "",
                Scope::Tenant => " for one tenant",
            };
            tracing::error!(
                plugin = %name,
                "plugin `{name}` is suspended{scope} for {seconds} s after repeated faults"
            );
        }
        fault
    }

    pub(crate) fn fault(&self, hook: Option<Hook>, failure: Failure) -> Fault {
        self.parts.spec.fault(hook, failure)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.parts.spec.name)
            .field("identity", &self.parts.identity)
            .finish_non_exhaustive()
    }
}
