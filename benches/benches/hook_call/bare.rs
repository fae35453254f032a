//! The baseline: wasmtime's generated bindings and nothing else, with the engine tuned as the host tunes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker, Resource};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store,
};

#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    unused_qualifications,
    unreachable_pub,
    dead_code,
    reason = "generated code"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit/frozen/0.1.0",
        world: "plugin",
        imports: { default: trappable },
        with: { "witgate:plugin/types.request": super::Handle },
    });
}

use generated::exports::witgate::plugin::route;
use generated::witgate::plugin::{clock, log, metrics, settings, types};

#[allow(
    unreachable_pub,
    reason = "the generated bindings name it in public signatures"
)]
pub struct Handle;

/// The store's state: a host that answers nothing.
pub(crate) struct Silent;

/// The engine and its clock.
pub(crate) struct BareEngine {
    engine: Engine,
    stop: Arc<AtomicBool>,
}

/// A compiled guest.
pub(crate) struct Bare {
    pre: InstancePre<Silent>,
    indices: route::GuestIndices,
}

/// An instance of it.
pub(crate) struct Running {
    store: Store<Silent>,
    guest: route::Guest,
}

// === impl BareEngine ===

impl BareEngine {
    pub(crate) fn new() -> Self {
        let mut pool = PoolingAllocationConfig::new();
        pool.max_memory_size(256 << 20)
            .linear_memory_keep_resident(1 << 20)
            .table_keep_resident(4 << 10)
            .pagemap_scan(Enabled::Auto);
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .concurrency_support(false)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).expect("the engine starts");
        let stop = Arc::new(AtomicBool::new(false));
        let (ticking, stopped) = (engine.clone(), Arc::clone(&stop));
        thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
                ticking.increment_epoch();
            }
        });
        Self { engine, stop }
    }

    /// Compiles a guest anew, as the host compiles each plugin.
    pub(crate) fn compile(&self, module: &[u8]) -> Bare {
        let bytes = wit_component::ComponentEncoder::default()
            .module(module)
            .and_then(|mut encoder| encoder.encode())
            .expect("it encodes");
        let component = Component::new(&self.engine, bytes).expect("it compiles");
        let mut linker = Linker::new(&self.engine);
        generated::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |silent| silent)
            .expect("the imports are linked");
        let pre = linker
            .instantiate_pre(&component)
            .expect("the imports are there");
        let indices = route::GuestIndices::new(&pre).expect("the export is there");
        Bare { pre, indices }
    }
}

impl Drop for BareEngine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

// === impl Bare ===

impl Bare {
    pub(crate) fn start(&self) -> Running {
        let mut store = Store::new(self.pre.engine(), Silent);
        store.set_epoch_deadline(1_000);
        let instance = self.pre.instantiate(&mut store).expect("it starts");
        let guest = self
            .indices
            .load(&mut store, &instance)
            .expect("its types are right");
        Running { store, guest }
    }
}

// === impl Running ===

impl Running {
    pub(crate) fn call(
        &mut self,
        envelope: &types::Envelope,
        upstreams: &[types::UpstreamStats],
    ) -> Option<types::Plan> {
        self.store.set_epoch_deadline(1_000);
        self.guest
            .call_decide(
                &mut self.store,
                Resource::new_borrow(0),
                envelope,
                upstreams,
            )
            .expect("it serves")
            .expect("it refuses nothing")
    }
}

pub(crate) fn envelope(from: &witgate_runtime::Envelope) -> types::Envelope {
    types::Envelope {
        correlation_id: None,
        resource: None,
        tenant: from.tenant.clone(),
        user: from.user.clone(),
        session: from.session.clone(),
        agent: None,
        metadata: from.metadata.clone(),
        timeout_ms: None,
        secondary_index: None,
        edits: Vec::new(),
        response_headers: Vec::new(),
        attributes: Vec::new(),
    }
}

pub(crate) fn upstreams(from: &[witgate_runtime::UpstreamStats]) -> Vec<types::UpstreamStats> {
    from.iter()
        .map(|stats| types::UpstreamStats {
            name: stats.name.clone(),
            in_flight: stats.in_flight,
            requests: stats.requests,
            errors: stats.errors,
            attributes: Vec::new(),
        })
        .collect()
}

/// Answers that nobody asks for: the guest of the bench calls nothing.
macro_rules! silent {
    ($($name:ident($($arg:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&mut self, $(_: $arg),*) -> Result<$answer> {
            Ok(Default::default())
        })*
    };
}

impl types::Host for Silent {}

impl types::HostRequest for Silent {
    silent! {
        id(Resource<Handle>) -> String;
        endpoint(Resource<Handle>) -> String;
        method(Resource<Handle>) -> String;
        path(Resource<Handle>) -> String;
        header(Resource<Handle>, String) -> Option<String>;
        headers(Resource<Handle>, String) -> Vec<types::Attribute>;
        tools(Resource<Handle>) -> Vec<String>;
        member(Resource<Handle>, String) -> Option<String>;
        body_read(Resource<Handle>, u64, u32) -> Vec<u8>;
        drop(Resource<Handle>) -> ();
    }

    fn caller(&mut self, _: Resource<Handle>) -> Result<types::Caller> {
        Err(wasmtime::Error::msg("nobody calls this"))
    }

    fn head(&mut self, _: Resource<Handle>) -> Result<types::Head> {
        Err(wasmtime::Error::msg("nobody calls this"))
    }
}

impl log::Host for Silent {
    silent! {
        write(log::Level, String) -> ();
        failure(String) -> ();
    }
}

impl metrics::Host for Silent {
    silent! {
        count(String, u64) -> ();
        gauge(String, i64) -> ();
    }
}

impl settings::Host for Silent {
    silent! { json() -> String; }
}

impl clock::Host for Silent {
    silent! {
        unix_ms() -> u64;
        monotonic_ns() -> u64;
    }
}
