//! The options of a runtime.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::breaker::Suspension;
use crate::compiler::Compiler;
use crate::signature::TrustedKeys;
use crate::tables::Fetch;
use crate::vocabulary::{AnyValue, Vocabulary};

/// The maximum number of free pool slots that keep their pages. A reload leaves free slots behind, and the pool prefers
/// slots that were never used; without this limit, enough reloads would bring all of the pool's memory into use.
const MAX_WARM_SLOTS: u32 = 64;

/// The bytes of a table that stay resident for the next instance: one page. A table that fits (512 functions) is reset by
/// writing zeros; asking the kernel for the pages that were written would be a system call for each table of each call.
const TABLE_KEEP_RESIDENT: usize = 4 << 10;

/// The options of a [`Runtime`](crate::Runtime), which hold for all plugins together. The limits of a single plugin are in
/// its sidecar.
///
/// Start from `RuntimeOptions::default()` and change fields with the `with_…` methods.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RuntimeOptions {
    /// The maximum number of live instances of all plugins. Default 1,000.
    pub instances: u32,
    /// The maximum linear memory of all instances together, in bytes. A call that needs more is shed as
    /// [`FaultKind::Exhausted`](crate::FaultKind::Exhausted). Default 1 GiB.
    pub memory_total: usize,
    /// The maximum linear memory that a sidecar may allow one instance, in bytes. Default 256 MiB.
    pub memory_ceiling: usize,
    /// The maximum number of table elements that a sidecar may allow one instance. Default 20,000.
    pub table_ceiling: usize,
    /// The bytes of each linear memory that stay resident between two fresh instances, so that these need no page faults.
    /// Default 1 MiB.
    pub keep_resident: usize,
    /// The stack size of a guest, in bytes. Default 512 KiB. A call runs on the stack of the calling thread, which must
    /// have this much left.
    pub stack: usize,
    /// The allocation of instances. Default [`Allocation::Auto`].
    pub allocation: Allocation,
    /// The directory for compiled plugins, which only this process's user may write to. Default `None`: every start
    /// compiles every plugin.
    pub cache: Option<PathBuf>,
    /// The keys that plugins must be signed with. Default none: signatures are not checked.
    pub trusted_keys: TrustedKeys,
    /// Lowercase names of request headers that carry credentials, which no sidecar can grant. Default none: the embedder
    /// knows their names.
    pub secret_headers: Arc<[String]>,
    /// Lowercase names of response headers that only the host sets, or prefixes of such names followed by `*`. If a plugin
    /// sets one, the host drops it and writes a line to the plugin's log. Default none.
    pub host_headers: Arc<[String]>,
    /// Lowercase names or prefixes of the response headers that plugins may set. Others are dropped, with a line in the
    /// plugin's log. Default `None`: all but the host's.
    pub response_headers: Option<Arc<[String]>>,
    /// The program that compiles large plugins outside of this process. Default `None`: all are compiled inside.
    pub compiler: Option<Compiler>,
    /// The embedder's checks of the values that plugins return. The default accepts all values.
    pub vocabulary: Arc<dyn Vocabulary>,
    /// The embedder's way to fetch tables from URLs. Default `None`: tables come from files only.
    pub fetch: Option<Arc<dyn Fetch>>,
    /// The effect of repeated faults on a plugin. Default [`Suspension::AfterFaults`].
    pub suspension: Suspension,
}

/// The allocation of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allocation {
    /// In a pool if the machine grants the address space, on demand otherwise.
    Auto,
    /// Always on demand.
    OnDemand,
}

setters!(RuntimeOptions {
    with_instances(instances: u32);
    with_memory_total(memory_total: usize);
    with_memory_ceiling(memory_ceiling: usize);
    with_table_ceiling(table_ceiling: usize);
    with_keep_resident(keep_resident: usize);
    with_stack(stack: usize);
    with_allocation(allocation: Allocation);
    with_cache(cache: impl Into<Option<PathBuf>>);
    with_trusted_keys(trusted_keys: TrustedKeys);
    with_secret_headers(secret_headers: impl Into<Arc<[String]>>);
    with_host_headers(host_headers: impl Into<Arc<[String]>>);
    with_response_headers(response_headers: impl Into<Option<Arc<[String]>>>);
    with_compiler(compiler: impl Into<Option<Compiler>>);
    with_suspension(suspension: Suspension);
});

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
            response_headers: None,
            compiler: None,
            vocabulary: Arc::new(AnyValue),
            fetch: None,
            suspension: Suspension::default(),
        }
    }
}

impl RuntimeOptions {
    /// Sets [`vocabulary`](Self::vocabulary).
    #[must_use]
    pub fn with_vocabulary(mut self, vocabulary: impl Vocabulary + 'static) -> Self {
        self.vocabulary = Arc::new(vocabulary);
        self
    }

    /// Sets [`fetch`](Self::fetch).
    #[must_use]
    pub fn with_fetch(mut self, fetch: impl Fetch + 'static) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Returns the engine, and whether its instances are pooled.
    pub(crate) fn engine(&self) -> wasmtime::Result<(Engine, bool)> {
        if self.allocation == Allocation::Auto {
            let mut config = self.config();
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(self.pool()));
            match Engine::new(&config) {
                Ok(engine) => return Ok((engine, true)),
                Err(cause) => tracing::warn!(
                    "no address space for a pool of plugin instances, allocating on demand: {cause:#}"
                ),
            }
        }
        Ok((Engine::new(&self.config())?, false))
    }

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
            // Calls are synchronous, so no instance needs a stack of its own. wasmtime-wasi turns on the feature that
            // would map one for each.
            .total_stacks(0)
            .max_memory_size(self.memory_ceiling)
            .table_elements(self.table_ceiling)
            .max_unused_warm_slots(self.instances.min(MAX_WARM_SLOTS))
            .linear_memory_keep_resident(self.keep_resident)
            .table_keep_resident(TABLE_KEEP_RESIDENT)
            .pagemap_scan(Enabled::Auto);
        pool
    }
}
