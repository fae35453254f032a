//! The one WebAssembly engine of a process, tuned for many short calls.
//!
//! Promises: deadlines have a resolution of one millisecond, kept by one OS thread that ends with the last
//! [`Runtime`]; instances come from a pre-reserved pool where the machine grants the address space, and from ordinary
//! allocations where it does not. Bounded by [`RuntimeOptions`].

use crate::breaker::Bench;
use crate::cache::{Cache, CacheError, Key};
use crate::compiler::{CompileError, Compiler};
use crate::deadline::TICK;
use crate::guest::Guest;
use crate::kv::Tables;
use crate::limits::Room;
use crate::link::link;
use crate::notice;
use crate::signature::TrustedKeys;
use crate::vocabulary::Words;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

/// Places of the pool that may be free and keep their pages. A reload leaves some behind, and the pool would rather have a
/// place that was never used than one of these: as many as there are instances would be, after enough reloads, all of the
/// pool's memory in use.
const WARM: u32 = 64;

/// Bytes of a table that stay in memory for the next instance: one page. A table that fits in it (512 functions) is
/// reset by writing zeros; to ask the kernel which of its pages were written is a system call for each table of each call.
const TABLE_RESIDENT: usize = 4 << 10;

/// Sizes of the engine. They hold for all plugins together; limits per plugin are in its sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeOptions {
    /// Most instances alive at once, over all plugins. Default 1,000.
    pub instances: u32,
    /// Most linear memory of all instances together, in bytes; a call that needs more is load to shed. Default 1 GiB.
    pub memory_total: usize,
    /// Largest linear memory that any plugin may ask for, in bytes. It is address space, not memory in use.
    /// Default 256 MiB.
    pub memory_ceiling: usize,
    /// Most elements of a table. Default 20,000.
    pub table_ceiling: usize,
    /// Bytes of each linear memory that stay resident between two fresh instances, so that they need no page fault.
    /// Default 1 MiB.
    pub keep_resident: usize,
    /// Stack of a guest, in bytes. Default 512 KiB.
    pub stack: usize,
    /// Where instances live.
    pub allocation: Allocation,
    /// Directory in which compiled plugins are kept; it has to be this user's alone. Default none: everything is compiled
    /// at each start.
    pub cache: Option<PathBuf>,
    /// Keys that plugins have to be signed with. Default none: signatures are not looked at.
    pub trusted_keys: TrustedKeys,
    /// Names of headers that carry credentials, in lower case. No plugin can be granted one. Default none: the embedder
    /// knows what they are called.
    pub secret_headers: Arc<[String]>,
    /// Names of answer headers that only the host sets, in lower case, or the beginnings of such names with `*` behind them.
    /// A plugin that asks for one doesn't get it, and its log says so. Default none.
    pub host_headers: Arc<[String]>,
    /// Names of the answer headers that a plugin may set, written in the same way; what is none of them is dropped, and its
    /// log says so. Default all that are not the host's.
    pub answer_headers: Option<Arc<[String]>>,
    /// The program that compiles large plugins outside this process. Default none: all are compiled inside.
    pub compiler: Option<Compiler>,
    /// Says which of the values that plugins return can be used. Default: all of them.
    pub vocabulary: Words,
    /// What repeated faults do to a plugin. Default: they bench it for a while.
    pub bench: Bench,
}

/// Where instances live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// In a pool where the machine grants the address space, else on demand.
    Auto,
    /// Always on demand.
    OnDemand,
}

/// The engine and everything that is shared by all plugins. Cheap to clone; one per process.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    linker: Linker<Guest>,
    options: RuntimeOptions,
    pooled: bool,
    cache: Option<Cache>,
    compilations: AtomicU64,
    /// What plugins remember, whoever keeps them loaded.
    tables: Tables,
    room: Arc<Room>,
    _ticker: Ticker,
}

/// The thread that moves the deadline clock. Dropping it ends the thread.
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine refused its configuration: a fault of the embedder's options or of the machine.
    #[error("the WebAssembly engine can't start: {0:#}; check the sizes in the runtime options")]
    Engine(wasmtime::Error),
    /// The directory for compiled plugins can't be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The operating system refused the clock's thread.
    #[error("the thread of the deadline clock can't start: {0}; raise the process's thread limit")]
    Thread(std::io::Error),
}

// === impl RuntimeOptions ===

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            instances: 1_000,
            memory_total: 1 << 30,
            memory_ceiling: 256 << 20,
            table_ceiling: 20_000,
            keep_resident: 1 << 20,
            stack: 512 << 10,
            allocation: Allocation::Auto,
            cache: None,
            trusted_keys: TrustedKeys::default(),
            secret_headers: Arc::default(),
            host_headers: Arc::default(),
            answer_headers: None,
            compiler: None,
            vocabulary: Words::default(),
            bench: Bench::default(),
        }
    }
}

impl RuntimeOptions {
    fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .concurrency_support(false)
            .max_wasm_stack(self.stack)
            .memory_init_cow(true)
            .wasm_backtrace_details(WasmBacktraceDetails::Enable);
        config
    }

    fn pool(&self) -> PoolingAllocationConfig {
        let mut pool = PoolingAllocationConfig::new();
        // A component made from one core module has three core instances: the module, a shim and its fix-up. The
        // allowance is for components that are composed of more.
        let modules = self.instances.saturating_mul(4);
        pool.total_component_instances(self.instances)
            .total_core_instances(modules)
            .total_memories(self.instances)
            .total_tables(self.instances.saturating_mul(2))
            .max_memory_size(self.memory_ceiling)
            .table_elements(self.table_ceiling)
            .max_unused_warm_slots(self.instances.min(WARM))
            .linear_memory_keep_resident(self.keep_resident)
            .table_keep_resident(TABLE_RESIDENT)
            .pagemap_scan(Enabled::Auto);
        pool
    }

    /// The engine, and whether its instances are pooled.
    fn engine(&self) -> Result<(Engine, bool), RuntimeError> {
        if self.allocation == Allocation::Auto {
            let mut config = self.config();
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(self.pool()));
            match Engine::new(&config) {
                Ok(engine) => return Ok((engine, true)),
                Err(cause) => {
                    tracing::warn!("no pool for plugin instances, allocating on demand: {cause:#}");
                }
            }
        }
        let engine = Engine::new(&self.config()).map_err(RuntimeError::Engine)?;
        Ok((engine, false))
    }
}

// === impl Runtime ===

impl Runtime {
    /// Starts the engine and its deadline clock.
    ///
    /// # Errors
    ///
    /// When the engine refuses the options, or the clock's thread can't start.
    pub fn try_new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let (engine, pooled) = options.engine()?;
        let mut linker = Linker::new(&engine);
        link(&mut linker).map_err(RuntimeError::Engine)?;
        let cache = options.cache.as_deref().map(Cache::open).transpose()?;
        let ticker = Ticker::try_start(engine.clone()).map_err(RuntimeError::Thread)?;
        let room = Room::of(options.memory_total);
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                linker,
                options,
                pooled,
                cache,
                compilations: AtomicU64::new(0),
                tables: Tables::default(),
                room,
                _ticker: ticker,
            }),
        })
    }

    /// The options it was started with.
    pub fn options(&self) -> &RuntimeOptions {
        &self.shared.options
    }

    /// Whether instances come from the pool.
    pub fn is_pooled(&self) -> bool {
        self.shared.pooled
    }

    /// The compiled code of a key, if it is in the cache.
    pub(crate) fn cached(&self, key: &Key) -> Option<Component> {
        let cache = self.shared.cache.as_ref()?;
        cache.load(self.engine(), key)
    }

    /// Compiles a plugin's component, here or in a process of its own, and keeps it in the cache.
    pub(crate) fn compile(
        &self,
        plugin: &str,
        bytes: &[u8],
        key: &Key,
    ) -> Result<Component, CompileError> {
        self.shared.compilations.fetch_add(1, Ordering::Relaxed);
        let component = notice::while_compiling(plugin, bytes.len(), || {
            match &self.shared.options.compiler {
                Some(compiler) if compiler.is_for(bytes) => compiler.compile(self.engine(), bytes),
                Some(_) | None => Component::from_binary(self.engine(), bytes)
                    .map_err(|error| CompileError::Component(format!("{error:#}"))),
            }
        })?;
        if let Some(cache) = &self.shared.cache {
            cache.store(key, &component);
        }
        Ok(component)
    }

    /// Compiles a plugin's component that is used and thrown away.
    pub(crate) fn compile_for_once(
        &self,
        plugin: &str,
        bytes: &[u8],
    ) -> wasmtime::Result<Component> {
        self.shared.compilations.fetch_add(1, Ordering::Relaxed);
        notice::while_compiling(plugin, bytes.len(), || {
            Component::from_binary(self.engine(), bytes)
        })
    }

    /// Components that were compiled since the start; those of the cache are not among them.
    pub fn compilations(&self) -> u64 {
        self.shared.compilations.load(Ordering::Relaxed)
    }

    /// Compiles a component to what [`Compiler`] expects of its program on standard output.
    ///
    /// # Errors
    ///
    /// When the engine refuses the code.
    pub fn precompile(&self, component: &[u8]) -> Result<Vec<u8>, RuntimeError> {
        self.engine()
            .precompile_component(component)
            .map_err(RuntimeError::Engine)
    }

    pub(crate) fn trusted_keys(&self) -> &TrustedKeys {
        &self.shared.options.trusted_keys
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// Linear memory that all instances together have now, and how much they may have, in bytes.
    pub fn memory(&self) -> (usize, usize) {
        (self.shared.room.taken(), self.shared.room.limit())
    }

    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.shared.room
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.shared.tables
    }

    pub(crate) fn linker(&self) -> &Linker<Guest> {
        &self.shared.linker
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("options", &self.shared.options)
            .field("pooled", &self.shared.pooled)
            .finish_non_exhaustive()
    }
}

// === impl Ticker ===

impl Ticker {
    fn try_start(engine: Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("witgate-clock".to_owned())
            .spawn(move || {
                let (start, mut ticks) = (Instant::now(), 0);
                while !stopped.load(Ordering::Relaxed) {
                    thread::park_timeout(TICK);
                    // On a busy machine this thread wakes late, and the clock catches up.
                    let due = start.elapsed().as_nanos() / TICK.as_nanos();
                    while ticks < due {
                        engine.increment_epoch();
                        ticks += 1;
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread can't panic, and there would be nothing to do about it.
            let _ = thread.join();
        }
    }
}
