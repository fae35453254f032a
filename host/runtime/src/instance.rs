//! One instance of one plugin, alone in its store.
//!
//! An instance that faulted is dropped by whoever called it and never called again; nothing here can bring one back.

use crate::contract::exports::{
    AuditExport, AuditPlace, BudgetExport, BudgetPlace, EnvelopeExport, EnvelopePlace,
    LifecyclePlace, RouteExport, RoutePlace,
};
use crate::contract::{PACKAGE, RequestHandle, SettingsProblem};
use crate::fault::{Failure, FaultKind};
use crate::guest::{Breach, Guest, Stage, Terms};
use crate::hook::Hook;
use crate::limits::{CallLimits, Denial};
use crate::request::Request;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use wasmtime::component::{self, InstancePre, Lift, Resource};
use wasmtime::error::Context as _;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};

/// What reading the state of an instance may take: the code is our own, and the memory is as large as its limit.
const READING: CallLimits = CallLimits {
    deadline: Duration::from_secs(10),
    copy_bytes: usize::MAX,
    body_bytes: 0,
    host_calls: 0,
    list_items: 0,
    return_bytes: 0,
};

/// Most frames of a backtrace that are kept.
const FRAMES: usize = 16;

/// Where a plugin's exports are, found once at admission.
#[derive(Clone, Default)]
pub(crate) struct Indices {
    pub(crate) lifecycle: Option<LifecyclePlace>,
    pub(crate) envelope: Option<EnvelopePlace>,
    pub(crate) route: Option<RoutePlace>,
    pub(crate) budget: Option<BudgetPlace>,
    pub(crate) audit: Option<AuditPlace>,
}

/// The typed exports of one instance.
pub(crate) struct Exports {
    pub(crate) envelope: Option<EnvelopeExport>,
    pub(crate) route: Option<RouteExport>,
    pub(crate) budget: Option<BudgetExport>,
    pub(crate) audit: Option<AuditExport>,
}

/// An instance that is ready to be called.
pub(crate) struct Instance {
    store: Store<Guest>,
    component: component::Instance,
    exports: Exports,
    calls: u64,
}

/// Why an instance did not get ready.
#[derive(Debug)]
pub(crate) enum StartFailure {
    Fault(Failure),
    /// An export has other types than the contract.
    Skew(String),
    Settings(Vec<SettingsProblem>),
}

/// Marks an export whose types differ.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("export `{PACKAGE}/{interface}@{version}`")]
struct Skewed {
    interface: &'static str,
    version: &'static str,
}

/// Lends the request to the store for one call.
struct Loan<'a>(&'a mut Store<Guest>);

// === impl Indices ===

impl Indices {
    pub(crate) fn has(&self, hook: Hook) -> bool {
        match hook {
            Hook::Envelope => self.envelope.is_some(),
            Hook::Route => self.route.is_some(),
            Hook::Budget => self.budget.is_some(),
            Hook::Audit => self.audit.is_some(),
        }
    }

    pub(crate) fn hooks(&self) -> impl Iterator<Item = Hook> + '_ {
        Hook::ALL.into_iter().filter(|hook| self.has(*hook))
    }
}

// === impl Instance ===

impl Instance {
    /// Instantiates, loads every export and runs `lifecycle.configure`, where that is to be done.
    pub(crate) fn start(
        pre: &InstancePre<Guest>,
        indices: &Indices,
        terms: &Arc<Terms>,
    ) -> Result<Self, StartFailure> {
        Self::start_in(Guest::new(Arc::clone(terms)), pre, indices, terms)
    }

    /// The same for a component that was dressed to be read from outside, which has a core module more.
    pub(crate) fn start_instrumented(
        pre: &InstancePre<Guest>,
        indices: &Indices,
        terms: &Arc<Terms>,
    ) -> Result<Self, StartFailure> {
        let mut guest = Guest::new(Arc::clone(terms));
        guest.limiter.allow_core_instances(1);
        Self::start_in(guest, pre, indices, terms)
    }

    fn start_in(
        guest: Guest,
        pre: &InstancePre<Guest>,
        indices: &Indices,
        terms: &Arc<Terms>,
    ) -> Result<Self, StartFailure> {
        let mut store = Store::new(pre.engine(), guest);
        store.limiter(|guest| &mut guest.limiter);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().deadline.look()));
        begin(&mut store, Stage::Configure, terms.limits.start, None);

        match Self::get_ready(&mut store, pre, indices, terms) {
            Ok(Ok((component, exports))) => Ok(Self {
                store,
                component,
                exports,
                calls: 0,
            }),
            Ok(Err(problems)) => Err(StartFailure::Settings(problems)),
            Err(error) => match error.downcast_ref::<Skewed>() {
                Some(skewed) => Err(StartFailure::Skew(format!("{skewed}: {error:#}"))),
                None => Err(StartFailure::Fault(failure(&error, store.data_mut()))),
            },
        }
    }

    fn get_ready(
        store: &mut Store<Guest>,
        pre: &InstancePre<Guest>,
        indices: &Indices,
        terms: &Terms,
    ) -> wasmtime::Result<Result<(component::Instance, Exports), Vec<SettingsProblem>>> {
        let instance = pre.instantiate(&mut *store)?;
        macro_rules! load {
            ($interface:ident) => {
                match &indices.$interface {
                    Some(place) => {
                        let loaded = place.load(&mut *store, &instance);
                        Some(loaded.context(Skewed {
                            interface: stringify!($interface),
                            version: place.version(),
                        })?)
                    }
                    None => None,
                }
            };
        }
        let lifecycle = load!(lifecycle);
        let exports = Exports {
            envelope: load!(envelope),
            route: load!(route),
            budget: load!(budget),
            audit: load!(audit),
        };
        if let Some(lifecycle) = lifecycle {
            terms.stats.configured.fetch_add(1, Ordering::Relaxed);
            if let Err(problems) = lifecycle.configure(&mut *store)? {
                return Ok(Err(problems));
            }
        }
        Ok(Ok((instance, exports)))
    }

    /// Reads a part of the state of an instrumented component, through the function that was put in for that.
    pub(crate) fn read_state<R: Lift + 'static, T>(
        &mut self,
        interface: &str,
        function: &str,
        take: impl FnOnce(&mut Store<Guest>, R) -> T,
    ) -> wasmtime::Result<T> {
        let store = &mut self.store;
        begin(store, Stage::Configure, READING, None);
        let missing = || wasmtime::Error::msg(format!("no `{interface}#{function}`"));
        let (_, interface) = self
            .component
            .get_export(&mut *store, None, interface)
            .ok_or_else(missing)?;
        let (_, function) = self
            .component
            .get_export(&mut *store, Some(&interface), function)
            .ok_or_else(missing)?;
        let function = self
            .component
            .get_typed_func::<(), (R,)>(&mut *store, &function)?;
        let (value,) = function.call(&mut *store, ())?;
        Ok(take(store, value))
    }

    /// Calls a hook. After an error the instance must be dropped.
    pub(crate) fn call<R>(
        &mut self,
        limits: CallLimits,
        request: Option<Arc<dyn Request>>,
        call: impl FnOnce(&Exports, &mut Store<Guest>) -> wasmtime::Result<R>,
    ) -> Result<R, Failure> {
        self.calls += 1;
        begin(&mut self.store, Stage::Call, limits, request);
        let loan = Loan(&mut self.store);
        let result = call(&self.exports, &mut *loan.0);
        drop(loan);
        result.map_err(|error| failure(&error, self.store.data_mut()))
    }

    /// The host as this instance sees it.
    pub(crate) fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }

    /// Calls that this instance has served.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }
}

/// Starts a call under its limits.
fn begin(
    store: &mut Store<Guest>,
    stage: Stage,
    limits: CallLimits,
    request: Option<Arc<dyn Request>>,
) {
    store.set_hostcall_fuel(limits.copy_bytes);
    let guest = store.data_mut();
    guest.begin(stage, limits, request);
    let first = guest.deadline.restart(limits.deadline);
    store.set_epoch_deadline(first);
}

/// A handle to the store's request, for one call.
pub(crate) fn handle() -> Resource<RequestHandle> {
    Resource::new_borrow(0)
}

// === impl Loan ===

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.0.data_mut().end();
    }
}

/// Returns the failure that an error of the engine stands for.
fn failure(error: &wasmtime::Error, guest: &mut Guest) -> Failure {
    let (kind, known) = classify(error, guest);
    let message = guest.take_failure().or(known);
    let message = match (message, guest.take_complaints()) {
        (Some(message), Some(said)) => Some(format!("{message}; it said: {said}")),
        (message, said) => message.or(said),
    };
    Failure {
        kind,
        message,
        backtrace: backtrace(error),
    }
}

/// Returns the error of a hook that the instance does not export. Hooks are only called where they are exported, so no
/// request ever sees it.
pub(crate) fn not_exported(hook: Hook) -> wasmtime::Error {
    wasmtime::Error::msg(format!("the `{hook}` hook isn't exported"))
}

/// Names what went wrong. What the host itself refused comes first: the trap that follows is only how the guest took
/// it.
fn classify(error: &wasmtime::Error, guest: &Guest) -> (FaultKind, Option<String>) {
    if let Some(breach) = guest.breach() {
        let kind = match breach {
            Breach::HostCalls(_) => FaultKind::HostCalls,
            Breach::Copy(_) | Breach::Body(_) => FaultKind::CopyLimit,
            Breach::Request { .. } => FaultKind::RequestTooLarge,
            Breach::NotAtHand(_) => FaultKind::Contract,
            Breach::Interface(_)
            | Breach::Header(_)
            | Breach::Credential(_)
            | Breach::BodyGrant { .. } => FaultKind::NotGranted,
        };
        return (kind, Some(breach.to_string()));
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return (FaultKind::Exhausted, Some(error.root_cause().to_string()));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => return (FaultKind::Deadline, Some(guest.overtime())),
        Some(Trap::StackOverflow) => {
            let text = "its stack, which is of one size for all plugins, is used up; recurse less";
            return (FaultKind::StackOverflow, Some(text.to_owned()));
        }
        Some(_) | None => {}
    }
    if let Some(denial) = guest.limiter.denied() {
        let kind = match denial {
            Denial::Memory { .. } | Denial::Table { .. } => FaultKind::Memory,
            Denial::Room { .. } => FaultKind::Exhausted,
        };
        return (kind, Some(denial.to_string()));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return (FaultKind::Trap(*trap), None);
    }
    let cause = match error.downcast_ref::<WasmBacktrace>() {
        // The chain would have the whole backtrace in it.
        Some(_) => error.root_cause().to_string(),
        None => format!("{error:#}"),
    };
    // wasmtime keeps the types of these errors to itself.
    if cause.contains("too much data is being copied")
        || cause.contains("fuel allocated for hostcalls")
    {
        return (FaultKind::CopyLimit, Some(guest.copy_limit().to_string()));
    }
    if cause.contains("resource limit exceeded") {
        let text = format!(
            "{cause}; build it of fewer core modules, or raise `core_instances` in [limits] of the sidecar"
        );
        return (FaultKind::Memory, Some(text));
    }
    (FaultKind::Contract, Some(cause))
}

fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    trace
        .frames()
        .iter()
        .take(FRAMES)
        .map(|frame| {
            let symbol = frame.symbols().first();
            let name = symbol
                .and_then(|symbol| symbol.name())
                .or_else(|| frame.func_name())
                .unwrap_or("?");
            let place = symbol.and_then(|symbol| Some((symbol.file()?, symbol.line()?)));
            // Without the hash that tells two of one name apart: a person reads it.
            let name = rustc_demangle::demangle(name);
            match place {
                Some((file, line)) => format!("{name:#} ({file}:{line})"),
                None => format!("{name:#}"),
            }
        })
        .collect()
}
