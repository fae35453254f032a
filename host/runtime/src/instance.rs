//! One instance of one plugin, alone in its store.
//!
//! An instance that faulted is dropped by whoever called it and never called again; nothing here can bring one back.

use crate::contract::{CONTRACT_VERSION, PACKAGE, SettingsProblem, exports};
use crate::fault::FaultKind;
use crate::guest::{Breach, Guest, RequestHandle, Stage, Terms};
use crate::hook::Hook;
use crate::request::Request;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{InstancePre, Resource};
use wasmtime::error::Context as _;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, WasmBacktrace};

/// Most frames of a backtrace that are kept.
const FRAMES: usize = 16;

/// Where a plugin's exports are, found once at admission.
#[derive(Clone, Default)]
pub(crate) struct Indices {
    pub(crate) lifecycle: Option<exports::lifecycle::GuestIndices>,
    pub(crate) envelope: Option<exports::envelope::GuestIndices>,
    pub(crate) route: Option<exports::route::GuestIndices>,
    pub(crate) budget: Option<exports::budget::GuestIndices>,
    pub(crate) audit: Option<exports::audit::GuestIndices>,
}

/// The typed exports of one instance.
pub(crate) struct Exports {
    pub(crate) envelope: Option<exports::envelope::Guest>,
    pub(crate) route: Option<exports::route::Guest>,
    pub(crate) budget: Option<exports::budget::Guest>,
    pub(crate) audit: Option<exports::audit::Guest>,
}

/// An instance that is ready to be called.
pub(crate) struct Instance {
    store: Store<Guest>,
    exports: Exports,
    calls: u64,
}

/// What a call cost: the part of a fault that the instance knows.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FaultKind,
    pub(crate) message: Option<String>,
    pub(crate) backtrace: Vec<String>,
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
#[error("export `{PACKAGE}/{0}@{CONTRACT_VERSION}`")]
struct Skewed(&'static str);

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
    /// Instantiates, loads every export and runs `lifecycle.configure`.
    pub(crate) fn start(
        pre: &InstancePre<Guest>,
        indices: &Indices,
        terms: &Arc<Terms>,
    ) -> Result<Self, StartFailure> {
        let mut store = Store::new(pre.engine(), Guest::new(Arc::clone(terms)));
        store.limiter(|guest| &mut guest.limiter);
        store.set_hostcall_fuel(terms.limits.copy_bytes);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().deadline.look()));
        let first = store.data_mut().deadline.restart(terms.limits.configure);
        store.set_epoch_deadline(first);
        store.data_mut().begin(Stage::Configure, None);

        match Self::get_ready(&mut store, pre, indices) {
            Ok(Ok(exports)) => Ok(Self {
                store,
                exports,
                calls: 0,
            }),
            Ok(Err(problems)) => Err(StartFailure::Settings(problems)),
            Err(error) if error.downcast_ref::<Skewed>().is_some() => {
                Err(StartFailure::Skew(format!("{error:#}")))
            }
            Err(error) => Err(StartFailure::Fault(Failure::of(&error, store.data_mut()))),
        }
    }

    fn get_ready(
        store: &mut Store<Guest>,
        pre: &InstancePre<Guest>,
        indices: &Indices,
    ) -> wasmtime::Result<Result<Exports, Vec<SettingsProblem>>> {
        let instance = pre.instantiate(&mut *store)?;
        macro_rules! load {
            ($interface:ident) => {
                match &indices.$interface {
                    Some(indices) => {
                        let loaded = indices.load(&mut *store, &instance);
                        Some(loaded.context(Skewed(stringify!($interface)))?)
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
        if let Some(lifecycle) = lifecycle
            && let Err(problems) = lifecycle.call_configure(&mut *store)?
        {
            return Ok(Err(problems));
        }
        Ok(Ok(exports))
    }

    /// Calls a hook. After an error the instance must be dropped.
    pub(crate) fn call<R>(
        &mut self,
        deadline: Duration,
        request: Option<Arc<dyn Request>>,
        call: impl FnOnce(&Exports, &mut Store<Guest>) -> wasmtime::Result<R>,
    ) -> Result<R, Failure> {
        self.calls += 1;
        let first = self.store.data_mut().deadline.restart(deadline);
        self.store.set_epoch_deadline(first);
        self.store.data_mut().begin(Stage::Call, request);
        let loan = Loan(&mut self.store);
        let result = call(&self.exports, &mut *loan.0);
        drop(loan);
        result.map_err(|error| Failure::of(&error, self.store.data_mut()))
    }

    /// Calls that this instance has served.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }
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

// === impl Failure ===

impl Failure {
    /// A value that the contract or a limit forbids.
    pub(crate) fn returned(kind: FaultKind, message: String) -> Self {
        Self {
            kind,
            message: Some(message),
            backtrace: Vec::new(),
        }
    }

    fn of(error: &wasmtime::Error, guest: &mut Guest) -> Self {
        let (kind, known) = classify(error, guest);
        Self {
            kind,
            message: guest.take_failure().or(known),
            backtrace: backtrace(error),
        }
    }
}

/// Names what went wrong. What the host itself refused comes first: the trap that follows is only how the guest took
/// it.
fn classify(error: &wasmtime::Error, guest: &Guest) -> (FaultKind, Option<String>) {
    if let Some(breach) = guest.breach() {
        let kind = match breach {
            Breach::HostCalls(_) => FaultKind::HostCalls,
            Breach::Copy(_) | Breach::Body(_) => FaultKind::CopyLimit,
            Breach::NotAtHand(_) => FaultKind::Contract,
        };
        return (kind, Some(breach.to_string()));
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return (FaultKind::Exhausted, Some(error.root_cause().to_string()));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => return (FaultKind::Deadline, None),
        Some(Trap::StackOverflow) => return (FaultKind::StackOverflow, None),
        Some(_) | None => {}
    }
    if let Some(denial) = guest.limiter.denied() {
        return (FaultKind::Memory, Some(denial.to_string()));
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return (FaultKind::Trap(*trap), None);
    }
    let cause = match error.downcast_ref::<WasmBacktrace>() {
        // The chain would have the whole backtrace in it.
        Some(_) => error.root_cause().to_string(),
        None => format!("{error:#}"),
    };
    // wasmtime keeps the types of these two errors to itself.
    let kind = if cause.contains("too much data is being copied") {
        FaultKind::CopyLimit
    } else if cause.contains("resource limit exceeded") {
        FaultKind::Memory
    } else {
        FaultKind::Contract
    };
    (kind, Some(cause))
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
            match place {
                Some((file, line)) => format!("{name} ({file}:{line})"),
                None => name.to_owned(),
            }
        })
        .collect()
}
