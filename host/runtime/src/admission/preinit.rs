//! Runs `lifecycle.configure` once and makes its result the image that instances start from.
//!
//! The component is instrumented so that its memories and globals can be read from outside, instantiated, configured with
//! only `settings` and `log` at hand, and written anew with what was read as its initial state. A component that can't be
//! treated so (nested modules, state in tables, WASI) is a [`NotPossible`], and its instances are configured one by one.

use super::{AdmissionCause, Candidate, contract_check};
use crate::guest::Guest;
use crate::instance::{Indices, Instance};
use crate::wasi;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use wasmtime::Store;
use wasmtime::component::{Lift, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

/// Why a plugin has no image of its configured state.
pub(super) enum NotPossible {
    /// It has no `lifecycle.configure`.
    NothingToDo,
    /// The component is of a kind that can't be treated. Its instances are configured one by one.
    Refused(String),
    /// The plugin may not serve: it is not configured, here or elsewhere.
    NotAdmitted(AdmissionCause),
}

/// Makes the image of a candidate's component.
pub(super) fn image(candidate: &Candidate<'_>) -> Result<Vec<u8>, NotPossible> {
    let Candidate {
        runtime,
        bytes,
        terms,
        sidecar,
    } = candidate;
    let mut wizer = Wizer::new();
    wizer.keep_init_func(true);
    let (context, instrumented) = wizer.instrument_component(bytes).map_err(refused)?;
    let instrumented = runtime
        .compile_for_once(&terms.name, &instrumented)
        .map_err(refused)?;
    if wasi::is_used(&instrumented) {
        let why = "it imports WASI, and its image would hold handles that its instances don't have";
        return Err(NotPossible::Refused(why.to_owned()));
    }
    // What is not granted is told of the image, which imports the same.
    contract_check::check(&instrumented, runtime.engine(), bytes, &sidecar.grants)
        .map_err(NotPossible::NotAdmitted)?;
    let pre = runtime
        .linker()
        .instantiate_pre(&instrumented)
        .map_err(|error| NotPossible::NotAdmitted(candidate.skewed(format!("{error:#}"))))?;
    let indices = Indices::probe(&pre);
    if indices.lifecycle.is_none() {
        return Err(NotPossible::NothingToDo);
    }
    let started = Instance::start_instrumented(&pre, &indices, terms);
    let mut instance = candidate
        .started(started)
        .map_err(NotPossible::NotAdmitted)?;

    let mut state = State {
        instance: &mut instance,
        failed: None,
    };
    let image = now(wizer.snapshot_component(&context, &mut state))
        .ok_or_else(|| NotPossible::Refused("the snapshot waits for something".to_owned()))?;
    match state.failed {
        None => image.map_err(refused),
        Some(error) => Err(refused(error)),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refused(error: wasmtime::Error) -> NotPossible {
    NotPossible::Refused(format!("{error:#}"))
}

/// The value of a future that waits for nothing: every call of the instance is a plain one.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The configured instance, as it is read.
struct State<'a> {
    instance: &'a mut Instance,
    /// The first reading that failed. What is read after it is zero, and nobody uses it.
    failed: Option<wasmtime::Error>,
}

// === impl State ===

impl State<'_> {
    fn read<R: Lift + 'static, T: Default>(
        &mut self,
        interface: &str,
        function: &str,
        take: impl FnOnce(&mut Store<Guest>, R) -> T,
    ) -> T {
        if self.failed.is_some() {
            return T::default();
        }
        match self.instance.read_state(interface, function, take) {
            Ok(value) => value,
            Err(error) => {
                self.failed = Some(error);
                T::default()
            }
        }
    }
}

impl ComponentInstanceState for State<'_> {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        // The reader is called in any case: whoever asked counts on it.
        let mut contents = Some(contents);
        self.read(instance, func, |store, list: WasmList<u8>| {
            if let Some(contents) = contents.take() {
                contents(list.as_le_slice(&*store));
            }
        });
        if let Some(contents) = contents {
            contents(&[]);
        }
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read(instance, func, |_, value| value)
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read(instance, func, |_, value| value)
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read(instance, func, |_, value: f32| value.to_bits())
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read(instance, func, |_, value: f64| value.to_bits())
    }
}
