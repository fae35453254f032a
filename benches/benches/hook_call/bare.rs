//! The baseline: wasmtime's generated bindings and nothing else, with the engine tuned as the host tunes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store,
};
use witgate_runtime::Envelope;

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
        path: "../wit",
        world: "plugin",
        imports: { default: trappable },
    });
}

use generated::exports::witgate::plugin::route;
use generated::witgate::plugin::{
    caller, clock, context, kv, log, metrics, notes, planned, receipts, request, settings, tables,
    texts, types, upstreams,
};

/// The store's state: a host that tells the tenant, and answers nothing else.
pub(crate) struct Silent {
    envelope: Arc<Envelope>,
}

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
    pub(crate) fn start(&self, envelope: &Arc<Envelope>) -> Running {
        let silent = Silent {
            envelope: Arc::clone(envelope),
        };
        let mut store = Store::new(self.pre.engine(), silent);
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
    pub(crate) fn call(&mut self) -> Option<types::Plan> {
        self.store.set_epoch_deadline(1_000);
        self.guest
            .call_decide(&mut self.store)
            .expect("it serves")
            .expect("it refuses nothing")
    }
}

/// Answers that nobody asks for: the guest of the bench asks for the tenant alone.
macro_rules! silent {
    ($($name:ident($($arg:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&mut self, $(_: $arg),*) -> Result<$answer> {
            Ok(Default::default())
        })*
    };
}

impl types::Host for Silent {}

impl request::Host for Silent {
    silent! {
        id() -> String;
        method() -> String;
        path() -> String;
        header(String) -> Option<String>;
        headers(String) -> Option<Vec<types::Attribute>>;
        granted_headers() -> Option<Vec<types::Attribute>>;
        user_id() -> Option<String>;
        head_attributes() -> Option<Vec<types::Attribute>>;
        tools() -> Option<Vec<String>>;
        member(String) -> Option<String>;
        body_read(u64, u32) -> Vec<u8>;
    }

    fn endpoint(&mut self) -> Result<types::EndpointCode> {
        Ok(types::EndpointCode::Messages)
    }

    fn head(&mut self) -> Result<request::Scan> {
        Err(wasmtime::Error::msg("nobody calls this"))
    }
}

impl caller::Host for Silent {
    silent! {
        key_id() -> String;
        tenant() -> Option<String>;
        user() -> Option<String>;
        tier() -> Option<String>;
        label(String) -> Option<String>;
        labels() -> Option<Vec<types::Attribute>>;
    }
}

impl context::Host for Silent {
    silent! {
        correlation_id() -> String;
        resource() -> Option<String>;
        user() -> Option<String>;
        session() -> Option<String>;
        agent() -> Option<String>;
        metadata(String) -> Option<String>;
        all_metadata() -> Option<Vec<types::Attribute>>;
        get_attribute(String) -> Option<String>;
        attributes() -> Option<Vec<types::Attribute>>;
        timeout_ms() -> Option<u32>;
        secondary_index() -> Option<u32>;
    }

    fn tenant(&mut self) -> Result<Option<String>> {
        Ok(self.envelope.tenant.clone())
    }

    fn routing(&mut self) -> Result<context::RoutingFacts> {
        Err(wasmtime::Error::msg("nobody calls this"))
    }
}

impl upstreams::Host for Silent {
    silent! {
        names() -> Vec<String>;
        stats(String) -> Option<upstreams::UpstreamStats>;
        attributes(String) -> Option<Vec<types::Attribute>>;
    }
}

impl planned::Host for Silent {
    silent! {
        rule() -> Option<String>;
        target(u32) -> Option<planned::Destination>;
    }
}

impl receipts::Host for Silent {
    silent! {
        get_field(u32, String) -> Option<types::Value>;
        fields(u32) -> Vec<types::Field>;
    }
}

impl texts::Host for Silent {
    fn before(&mut self) -> Result<Option<char>> {
        Ok(None)
    }
    fn held_bytes(&mut self) -> Result<u32> {
        Ok(0)
    }
}

impl notes::Host for Silent {
    silent! {
        get(String) -> Option<String>;
    }

    fn set(&mut self, _: String, _: String) -> Result<()> {
        Ok(())
    }

    fn append(&mut self, _: String, _: String) -> Result<()> {
        Ok(())
    }
}

impl tables::Host for Silent {
    silent! {
        get(String, String) -> Option<String>;
        age(String) -> Option<u64>;
    }
}

impl kv::Host for Silent {
    silent! {
        get(String) -> Option<Vec<u8>>;
        delete(String) -> bool;
    }

    fn set(
        &mut self,
        _: String,
        _: Vec<u8>,
        _: Option<u64>,
    ) -> Result<std::result::Result<(), kv::Error>> {
        Ok(Err(kv::Error::Full))
    }

    fn increment(
        &mut self,
        _: String,
        _: i64,
        _: Option<u64>,
    ) -> Result<std::result::Result<i64, kv::Error>> {
        Ok(Err(kv::Error::Full))
    }

    fn compare_and_set(
        &mut self,
        _: String,
        _: Option<Vec<u8>>,
        _: Vec<u8>,
        _: Option<u64>,
    ) -> Result<std::result::Result<bool, kv::Error>> {
        Ok(Err(kv::Error::Full))
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
