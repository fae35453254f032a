//! The host side of the shapes: the engine as `witgate-runtime` makes it, and imports that count what it counts.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use wasmtime::component::{Component, InstancePre, Linker, Resource, ResourceType};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store,
    StoreContextMut, StoreLimits, UpdateDeadline,
};

use crate::values;

#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    unused_qualifications,
    unreachable_pub,
    dead_code,
    reason = "generated code"
)]
pub(crate) mod generated {
    wasmtime::component::bindgen!({
        path: "../tests/guests/examples/shapes/wit",
        world: "shapes",
        with: { "witgate:shapes/types.request": super::Handle },
    });
}

use generated::witgate::shapes::types::{Basics, Caller, Head, Value};
use generated::{Shapes, ShapesPre};

#[allow(
    unreachable_pub,
    reason = "the generated bindings name it in public signatures"
)]
pub struct Handle;

/// The strings that getters return: copied for each call, or lent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strings {
    Copied,
    Lent,
}

/// The store's state, with the counters that the host's runtime keeps.
pub(crate) struct State {
    limits: StoreLimits,
    facts: Arc<values::Facts>,
    host_calls: u32,
    copied: usize,
}

/// A compiled guest.
pub(crate) struct Guest {
    pre: ShapesPre<State>,
    facts: Arc<values::Facts>,
}

/// An instance of it.
pub(crate) struct Running {
    pub(crate) store: Store<State>,
    pub(crate) shapes: Shapes,
}

type Cx<'a> = StoreContextMut<'a, State>;

/// Starts an engine with the options of the host's runtime, and its clock, which ends with the process.
pub(crate) fn engine() -> Engine {
    let mut pool = PoolingAllocationConfig::new();
    pool.max_memory_size(256 << 20)
        .total_stacks(0)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(4 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(512 << 10)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config).expect("the engine starts");
    let ticking = engine.clone();
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(1));
            ticking.increment_epoch();
        }
    });
    engine
}

// === impl State ===

impl State {
    fn enter(&mut self, bytes: usize) -> Result<&values::Facts> {
        self.host_calls += 1;
        self.copied += bytes;
        if self.host_calls > 1_000 || self.copied > 16 << 20 {
            return Err(wasmtime::Error::msg("a limit"));
        }
        Ok(&self.facts)
    }
}

// === impl Guest ===

impl Guest {
    /// Compiles a core module, or takes a component as it is.
    pub(crate) fn compile(engine: &Engine, module: &[u8], strings: Strings) -> Self {
        let encoded = wit_component::ComponentEncoder::default()
            .module(module)
            .and_then(|mut encoder| encoder.encode());
        let bytes = encoded.unwrap_or_else(|_| module.to_vec());
        let component = Component::new(engine, bytes).expect("it compiles");
        let mut linker = Linker::new(engine);
        // A guest in JavaScript may import WASI, and does not need it for these calls.
        linker.allow_shadowing(true);
        linker
            .define_unknown_imports_as_traps(&component)
            .expect("WASI is linked");
        link(&mut linker, strings).expect("the imports are linked");
        let pre: InstancePre<State> = linker
            .instantiate_pre(&component)
            .expect("the imports are there");
        Self {
            pre: ShapesPre::new(pre).expect("the exports are there"),
            facts: Arc::new(values::Facts::typical()),
        }
    }

    pub(crate) fn start(&self) -> Running {
        let state = State {
            limits: StoreLimits::default(),
            facts: Arc::clone(&self.facts),
            host_calls: 0,
            copied: 0,
        };
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1_000)));
        store.set_epoch_deadline(1_000);
        let shapes = self.pre.instantiate(&mut store).expect("it starts");
        Running { store, shapes }
    }
}

// === impl Running ===

impl Running {
    /// Begins a call as the host's runtime does.
    pub(crate) fn call<R>(
        &mut self,
        call: impl FnOnce(&Shapes, &mut Store<State>) -> Result<R>,
    ) -> R {
        self.store.set_hostcall_fuel(16 << 20);
        let state = self.store.data_mut();
        state.host_calls = 0;
        state.copied = 0;
        self.store.set_epoch_deadline(1_000);
        call(&self.shapes, &mut self.store).expect("it serves")
    }
}

/// Returns a handle to the request.
pub(crate) fn handle() -> Resource<Handle> {
    Resource::new_borrow(0)
}

fn link(linker: &mut Linker<State>, strings: Strings) -> Result<()> {
    // The world uses the resource, so it is imported by the world as well.
    let request = ResourceType::host::<Handle>();
    linker.root().resource("request", request, |_, _| Ok(()))?;
    let mut it = linker.instance("witgate:shapes/types")?;
    it.resource("request", request, |_, _| Ok(()))?;
    it.func_wrap(
        "[method]request.caller",
        |mut cx: Cx<'_>, (_,): (Resource<Handle>,)| -> Result<(Caller,)> {
            Ok((cx.data_mut().enter(0)?.caller.clone(),))
        },
    )?;
    it.func_wrap(
        "[method]request.head",
        |mut cx: Cx<'_>, (_,): (Resource<Handle>,)| -> Result<(Head,)> {
            Ok((cx.data_mut().enter(0)?.head.clone(),))
        },
    )?;
    it.func_wrap(
        "[method]request.number",
        |mut cx: Cx<'_>, (_,): (Resource<Handle>,)| -> Result<(u64,)> {
            Ok((cx.data_mut().enter(0)?.head.prompt_tokens,))
        },
    )?;
    match strings {
        Strings::Copied => it.func_wrap(
            "[method]request.text",
            |mut cx: Cx<'_>, (_,): (Resource<Handle>,)| -> Result<(Option<String>,)> {
                Ok((Some((*cx.data_mut().enter(20)?.text).to_owned()),))
            },
        )?,
        Strings::Lent => it.func_wrap(
            "[method]request.text",
            |mut cx: Cx<'_>, (_,): (Resource<Handle>,)| -> Result<(Option<Arc<str>>,)> {
                Ok((Some(Arc::clone(&cx.data_mut().enter(20)?.text)),))
            },
        )?,
    }

    let mut it = linker.instance("witgate:shapes/facts")?;
    it.func_wrap("number", |mut cx: Cx<'_>, (): ()| -> Result<(u64,)> {
        Ok((cx.data_mut().enter(0)?.head.prompt_tokens,))
    })?;
    match strings {
        Strings::Copied => it.func_wrap(
            "text",
            |mut cx: Cx<'_>, (): ()| -> Result<(Option<String>,)> {
                Ok((Some((*cx.data_mut().enter(20)?.text).to_owned()),))
            },
        )?,
        Strings::Lent => it.func_wrap(
            "text",
            |mut cx: Cx<'_>, (): ()| -> Result<(Option<Arc<str>>,)> {
                Ok((Some(Arc::clone(&cx.data_mut().enter(20)?.text)),))
            },
        )?,
    }
    it.func_wrap("all", |mut cx: Cx<'_>, (): ()| -> Result<(Basics,)> {
        Ok((cx.data_mut().enter(40)?.basics.clone(),))
    })?;
    it.func_wrap(
        "header",
        |mut cx: Cx<'_>, (name,): (String,)| -> Result<(Option<Arc<str>>,)> {
            let text = &cx.data_mut().enter(name.len())?.text;
            Ok((name.ends_with("session-id").then(|| Arc::clone(text)),))
        },
    )?;
    it.func_wrap(
        "field",
        |mut cx: Cx<'_>, (_, name): (u32, String)| -> Result<(Option<Value>,)> {
            cx.data_mut().enter(name.len())?;
            Ok((Some(Value::Integer(412)),))
        },
    )?;
    it.func_wrap("plan-model", |mut cx: Cx<'_>, (model,): (String,)| {
        cx.data_mut().enter(model.len())?;
        std::hint::black_box(model);
        Ok(())
    })
}
