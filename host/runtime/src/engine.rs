//! The WebAssembly engine of a process, tuned for many short calls.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::cache::{Cache, CacheError, Key};
use crate::compiler::CompileError;
use crate::epoch::EpochClock;
use crate::guest::Guest;
use crate::kv::KvStores;
use crate::limits::MemoryBudget;
use crate::link::link;
use crate::notice;
use crate::options::RuntimeOptions;
use crate::tables::KeptTables;

/// The engine and the state that all plugins share.
///
/// Create one per process; clones are cheap and share everything. One OS thread keeps the deadlines while
/// plugins run, and ends with the last clone. Instances come from a pool if the machine grants the address space, and
/// from ordinary allocations otherwise; [`is_pooled`](Self::is_pooled) tells which.
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
    /// The `kv` entries of all plugins, which outlive any directory that loads these.
    kv: KvStores,
    /// The tables of all plugins.
    tables: KeptTables,
    memory: Arc<MemoryBudget>,
    clock: Arc<EpochClock>,
}

/// An error of [`Runtime::try_new`] or [`Runtime::precompile`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The engine refused the options, or this machine can't run it.
    #[error(
        "the WebAssembly engine can't start: {0}; check the sizes in the runtime options and that the CPU and the \
         operating system are supported"
    )]
    Engine(String),
    /// The engine refused a component.
    #[error("the component doesn't compile: {0}")]
    Component(String),
    /// The directory for compiled plugins can't be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The operating system refused to start the thread of the deadline clock.
    #[error("the thread of the deadline clock can't start: {0}; raise the process's thread limit")]
    Thread(std::io::Error),
}

// === impl Runtime ===

impl Runtime {
    /// Starts the engine and its deadline clock.
    ///
    /// # Errors
    ///
    /// The engine refuses the options, the cache directory can't be used, or the clock's thread can't start.
    pub fn try_new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let failed = |error: wasmtime::Error| RuntimeError::Engine(format!("{error:#}"));
        let (engine, pooled) = options.engine().map_err(failed)?;
        let mut linker = Linker::new(&engine);
        link(&mut linker).map_err(failed)?;
        let cache = options.cache.as_deref().map(Cache::open).transpose()?;
        let ticking = engine.clone();
        let clock = EpochClock::try_start(move || ticking.increment_epoch())
            .map_err(RuntimeError::Thread)?;
        let memory = MemoryBudget::of(options.memory_total);
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                linker,
                options,
                pooled,
                cache,
                compilations: AtomicU64::new(0),
                kv: KvStores::default(),
                tables: KeptTables::default(),
                memory,
                clock: Arc::new(clock),
            }),
        })
    }

    /// Returns the options that the runtime was started with.
    pub fn options(&self) -> &RuntimeOptions {
        &self.shared.options
    }

    /// Returns whether instances come from the pool.
    pub fn is_pooled(&self) -> bool {
        self.shared.pooled
    }

    /// Returns the linear memory of all instances together, in bytes: first the memory in use, then the limit.
    pub fn memory(&self) -> (usize, usize) {
        (self.shared.memory.used(), self.shared.memory.limit())
    }

    /// Compiles a component to the code that a [`Compiler`](crate::Compiler) has to write to its standard output.
    ///
    /// # Errors
    ///
    /// The engine refuses the component.
    pub fn precompile(&self, component: &[u8]) -> Result<Vec<u8>, RuntimeError> {
        self.engine()
            .precompile_component(component)
            .map_err(|error| RuntimeError::Component(format!("{error:#}")))
    }

    /// Returns the number of components compiled since the start, not counting those from the cache.
    ///
    /// For tests, benches and `witgate plugin check`, which show whether the cache was of use; it may go away.
    #[doc(hidden)]
    pub fn compilations(&self) -> u64 {
        self.shared.compilations.load(Ordering::Relaxed)
    }

    /// Returns the compiled code of a key, or `None` if the cache does not have it.
    pub(crate) fn cached(&self, key: &Key) -> Option<Component> {
        let cache = self.shared.cache.as_ref()?;
        cache.load(self.engine(), key)
    }

    /// Returns a plugin's component as it was written, from the cache or compiled.
    pub(crate) fn component(&self, plugin: &str, bytes: &[u8]) -> Result<Component, CompileError> {
        let key = Key::of(self.engine(), &[b"component", bytes]);
        match self.cached(&key) {
            Some(component) => Ok(component),
            None => self.compile(plugin, bytes, &key),
        }
    }

    /// Compiles a plugin's component, in this process or in a child, and caches the code.
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

    /// Compiles a component that is used once and not cached.
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

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn memory_budget(&self) -> &Arc<MemoryBudget> {
        &self.shared.memory
    }

    pub(crate) fn clock(&self) -> &Arc<EpochClock> {
        &self.shared.clock
    }

    pub(crate) fn tables(&self) -> &KeptTables {
        &self.shared.tables
    }

    pub(crate) fn kv(&self) -> &KvStores {
        &self.shared.kv
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
