//! An instance of a plugin, alone in its store.
//!
//! After a fault the caller drops the instance; nothing here can revive it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use wasmtime::component::{self, InstancePre, Lift};
use wasmtime::error::Context as _;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};

use crate::call_facts::CallFacts;
use crate::contract::exports::{
    AuditExport, AuditIndex, BudgetExport, BudgetIndex, EnvelopeExport, EnvelopeIndex, GuardExport,
    GuardIndex, LifecycleIndex, RouteExport, RouteIndex, TranslateExport, TranslateIndex,
};
use crate::contract::lifecycle::Configured;
use crate::contract::{PACKAGE, SettingsProblem};
use crate::fault::{Failure, FaultKind, TrapCode};
use crate::guest::{Breach, Guest, Stage};
use crate::hook::Hook;
use crate::limits::{CallLimits, Denial};
use crate::spec::PluginSpec;

/// The limits of reading an instance's state, generous because the code is the host's own.
const STATE_READ_LIMITS: CallLimits = CallLimits {
    deadline: Duration::from_secs(10),
    copy_bytes: usize::MAX,
    body_bytes: 0,
    host_calls: 0,
    list_items: 0,
    return_bytes: 0,
};

/// The maximum number of frames in a backtrace.
const MAX_FRAMES: usize = 16;

/// The indices of a plugin's exports, found once at admission.
#[derive(Clone, Default)]
pub(crate) struct Indices {
    pub(crate) lifecycle: Option<LifecycleIndex>,
    pub(crate) translate: Option<TranslateIndex>,
    pub(crate) envelope: Option<EnvelopeIndex>,
    pub(crate) guard: Option<GuardIndex>,
    pub(crate) route: Option<RouteIndex>,
    pub(crate) budget: Option<BudgetIndex>,
    pub(crate) audit: Option<AuditIndex>,
}

/// The typed exports of one instance.
pub(crate) struct Exports {
    translate: Option<TranslateExport>,
    envelope: Option<EnvelopeExport>,
    guard: Option<GuardExport>,
    route: Option<RouteExport>,
    budget: Option<BudgetExport>,
    audit: Option<AuditExport>,
}

/// An instance that is ready to be called.
pub(crate) struct Instance {
    store: Store<Guest>,
    component: component::Instance,
    exports: Exports,
    configured: Option<Configured>,
    calls: u64,
}

/// A started component with its exports, and what its `lifecycle.configure` returned.
type Started = (component::Instance, Exports, Option<Configured>);

/// An error of starting an instance.
#[derive(Debug)]
pub(crate) enum StartFailure {
    Fault(Failure),
    /// An export has different types from the contract's.
    TypeMismatch(String),
    Settings(Vec<SettingsProblem>),
}

/// An export whose types differ from the contract's.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("export `{PACKAGE}/{interface}@{version}`")]
struct Mismatched {
    interface: &'static str,
    version: &'static str,
}

/// A call that is running in a store. Dropping it ends the call and gives the facts back.
struct Call<'a> {
    store: &'a mut Store<Guest>,
    /// The facts, which the store has while the call runs.
    facts: &'a mut CallFacts,
}

// === impl Exports ===

/// Defines a method for each export. Hooks are only called if they are exported, so the error never reaches a request.
macro_rules! accessors {
    ($($hook:ident: $export:ty;)*) => {
        impl Exports {
            $(
                pub(crate) fn $hook(&self) -> wasmtime::Result<&$export> {
                    let missing = concat!("the `", stringify!($hook), "` hook is not exported");
                    self.$hook.as_ref().ok_or_else(|| wasmtime::Error::msg(missing))
                }
            )*
        }
    };
}

accessors! {
    translate: TranslateExport;
    envelope: EnvelopeExport;
    guard: GuardExport;
    route: RouteExport;
    budget: BudgetExport;
    audit: AuditExport;
}

// === impl Indices ===

impl Indices {
    pub(crate) fn has(&self, hook: Hook) -> bool {
        match hook {
            Hook::Translate => self.translate.is_some(),
            Hook::Envelope => self.envelope.is_some(),
            Hook::Guard => self.guard.is_some(),
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
    /// Instantiates the component, loads every export, and runs `lifecycle.configure` if it is exported. An instrumented
    /// component has `added` core modules of the host, which don't count against its limit.
    pub(crate) fn start(
        pre: &InstancePre<Guest>,
        indices: &Indices,
        spec: &Arc<PluginSpec>,
        added: usize,
    ) -> Result<Self, StartFailure> {
        let mut guest = Guest::new(Arc::clone(spec));
        guest.limiter.allow_core_instances(added);
        let mut store = Store::new(pre.engine(), guest);
        store.limiter(|guest| &mut guest.limiter);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().deadline.check()));
        let started = {
            let mut facts = CallFacts::default();
            let call = Call::begin(&mut store, Stage::Configure, spec.limits.start, &mut facts);
            Self::initialize(call.store, pre, indices, spec)
        };
        match started {
            Ok(Ok((component, exports, configured))) => Ok(Self {
                store,
                component,
                exports,
                configured,
                calls: 0,
            }),
            Ok(Err(problems)) => Err(StartFailure::Settings(problems)),
            Err(error) => match error.downcast_ref::<Mismatched>() {
                Some(skewed) => Err(StartFailure::TypeMismatch(format!("{skewed}: {error:#}"))),
                None => Err(StartFailure::Fault(failure(&error, store.data_mut()))),
            },
        }
    }

    fn initialize(
        store: &mut Store<Guest>,
        pre: &InstancePre<Guest>,
        indices: &Indices,
        spec: &PluginSpec,
    ) -> wasmtime::Result<Result<Started, Vec<SettingsProblem>>> {
        let instance = pre.instantiate(&mut *store)?;
        macro_rules! load {
            ($interface:ident) => {
                match &indices.$interface {
                    Some(place) => {
                        let loaded = place.load(&mut *store, &instance);
                        Some(loaded.context(Mismatched {
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
            translate: load!(translate),
            envelope: load!(envelope),
            guard: load!(guard),
            route: load!(route),
            budget: load!(budget),
            audit: load!(audit),
        };
        let Some(lifecycle) = lifecycle else {
            return Ok(Ok((instance, exports, None)));
        };
        spec.stats.configured.fetch_add(1, Ordering::Relaxed);
        let configured = lifecycle.configure(&mut *store)?;
        Ok(configured.map(|configured| (instance, exports, Some(configured))))
    }

    /// Reads a part of the state of an instrumented component through the function that was added for it.
    pub(crate) fn read_state<R: Lift + 'static, T>(
        &mut self,
        interface: &str,
        function: &str,
        take: impl FnOnce(&mut Store<Guest>, R) -> T,
    ) -> wasmtime::Result<T> {
        let mut facts = CallFacts::default();
        let call = Call::begin(
            &mut self.store,
            Stage::Configure,
            STATE_READ_LIMITS,
            &mut facts,
        );
        let store = &mut *call.store;
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

    /// Calls a hook with facts that the guest has meanwhile. After an error, drop the instance.
    pub(crate) fn call<R>(
        &mut self,
        limits: CallLimits,
        facts: &mut CallFacts,
        call: impl FnOnce(&Exports, &mut Store<Guest>) -> wasmtime::Result<R>,
    ) -> Result<R, Failure> {
        self.calls += 1;
        let result = {
            let running = Call::begin(&mut self.store, Stage::Call, limits, facts);
            call(&self.exports, running.store)
        };
        result.map_err(|error| failure(&error, self.store.data_mut()))
    }

    /// Takes the result of `lifecycle.configure`, or returns `None` if the plugin has no such function.
    pub(crate) fn take_configured(&mut self) -> Option<Configured> {
        self.configured.take()
    }

    /// Returns the state of the store.
    pub(crate) fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }

    /// Returns the number of calls of this instance.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }
}

// === impl Call ===

impl<'a> Call<'a> {
    /// Starts a call with its limits.
    fn begin(
        store: &'a mut Store<Guest>,
        stage: Stage,
        limits: CallLimits,
        facts: &'a mut CallFacts,
    ) -> Self {
        store.set_hostcall_fuel(limits.copy_bytes);
        let guest = store.data_mut();
        guest.begin(stage, limits, facts);
        let first = guest.deadline.restart(limits.deadline);
        store.set_epoch_deadline(first);
        Self { store, facts }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.store.data_mut().end(self.facts);
    }
}

/// Converts an error of the engine to a failure.
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

/// Classifies an error. A refusal of the host comes first: the trap that follows is only the guest's reaction.
fn classify(error: &wasmtime::Error, guest: &Guest) -> (FaultKind, Option<String>) {
    if let Some(breach) = guest.breach() {
        let kind = match breach {
            Breach::HostCalls(_) => FaultKind::HostCalls,
            Breach::Copy(_) | Breach::Body(_) => FaultKind::CopyLimit,
            Breach::Request { .. } => FaultKind::RequestTooLarge,
            Breach::NotAvailable(_) | Breach::NotInHook(_) => FaultKind::Contract,
            Breach::Notes(_) => FaultKind::ReturnLimit,
            Breach::StaleTable { .. } => FaultKind::StaleTable,
            Breach::Interface(_)
            | Breach::Header(_)
            | Breach::Credential(_)
            | Breach::Table(_)
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
            let text = "it used up its stack, whose size is the same for all plugins; recurse less";
            return (FaultKind::StackOverflow, Some(text.to_owned()));
        }
        Some(_) | None => {}
    }
    if let Some(denial) = guest.limiter.denied() {
        let kind = match denial {
            Denial::Memory { .. } | Denial::Table { .. } => FaultKind::Memory,
            Denial::Total { .. } => FaultKind::Exhausted,
        };
        return (kind, Some(denial.to_string()));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return (FaultKind::Trap(TrapCode(*trap)), None);
    }
    let cause = match error.downcast_ref::<WasmBacktrace>() {
        // The chain would have the whole backtrace in it.
        Some(_) => error.root_cause().to_string(),
        None => format!("{error:#}"),
    };
    // wasmtime does not export the types of these errors.
    if cause.contains("too much data is being copied")
        || cause.contains("fuel allocated for hostcalls")
    {
        return (FaultKind::CopyLimit, Some(guest.copy_limit().to_string()));
    }
    if cause.contains("resource limit exceeded") {
        let text = format!(
            "{cause}; build it from fewer core modules, or raise `core_instances` in [limits] of the sidecar"
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
        .take(MAX_FRAMES)
        .map(|frame| {
            let symbol = frame.symbols().first();
            let name = symbol
                .and_then(|symbol| symbol.name())
                .or_else(|| frame.func_name())
                .unwrap_or("?");
            let place = symbol.and_then(|symbol| Some((symbol.file()?, symbol.line()?)));
            // People read it, so the name goes without its hash.
            let name = rustc_demangle::demangle(name);
            match place {
                Some((file, line)) => format!("{name:#} ({file}:{line})"),
                None => format!("{name:#}"),
            }
        })
        .collect()
}
