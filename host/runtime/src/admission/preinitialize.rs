//! Preinitialization: runs `lifecycle.configure` once, and makes an image of the result that instances start from.
//!
//! The component is instrumented so that its memories and globals can be read, instantiated, configured with only `settings`
//! and `log` available, and rewritten with the state that was read as its initial state. Some components can't be treated
//! like this (nested modules, state in tables, WASI); then each instance is configured by itself.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wasmtime::Store;
use wasmtime::component::{Lift, WasmList};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use super::{AdmissionCause, Candidate, contract_check};
use crate::guest::Guest;
use crate::instance::{Indices, Instance};
use crate::wasi;

/// The reason that a plugin has no image of its configured state.
pub(super) enum NoImage {
    /// The plugin has no `lifecycle.configure`.
    NotConfigurable,
    /// The component can't be preinitialized, so each instance is configured by itself.
    Impossible(String),
    /// The plugin is refused.
    Refused(AdmissionCause),
}

/// Makes the image of a plugin's component.
pub(super) fn image(candidate: &Candidate<'_>) -> Result<Vec<u8>, NoImage> {
    let Candidate {
        runtime,
        bytes,
        spec,
        sidecar,
    } = candidate;
    let mut wizer = Wizer::new();
    wizer.keep_init_func(true);
    let (context, instrumented) = wizer.instrument_component(bytes).map_err(impossible)?;
    let instrumented = runtime
        .compile_for_once(&spec.name, &instrumented)
        .map_err(impossible)?;
    if wasi::is_used(&instrumented) {
        let why =
            "it imports WASI, and the image would contain handles that its instances don't have";
        return Err(NoImage::Impossible(why.to_owned()));
    }
    // Missing grants are reported for the image, which has the same imports.
    contract_check::check(&instrumented, runtime.engine(), bytes, &sidecar.grants)
        .map_err(NoImage::Refused)?;
    let pre = runtime
        .linker()
        .instantiate_pre(&instrumented)
        .map_err(|error| NoImage::Refused(candidate.type_mismatch(format!("{error:#}"))))?;
    let indices = Indices::probe(&pre);
    if indices.lifecycle.is_none() {
        return Err(NoImage::NotConfigurable);
    }
    let started = Instance::start(&pre, &indices, spec, 1);
    let mut instance = candidate.started(started).map_err(NoImage::Refused)?;

    let mut state = State {
        instance: &mut instance,
        failed: None,
    };
    let image = now(wizer.snapshot_component(&context, &mut state))
        .ok_or_else(|| NoImage::Impossible("the snapshot waits for an event".to_owned()))?;
    match state.failed {
        None => image.map_err(impossible),
        Some(error) => Err(impossible(error)),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn impossible(error: wasmtime::Error) -> NoImage {
    NoImage::Impossible(format!("{error:#}"))
}

/// Returns the value of a future that never waits, since every call of the instance is synchronous.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The reader of the configured instance.
struct State<'a> {
    instance: &'a mut Instance,
    /// The error of the first failed read. Later reads return zeros, which are not used.
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
        // The caller relies on the reader being called.
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
