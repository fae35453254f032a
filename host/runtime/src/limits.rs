//! The limits of a plugin, and their enforcement inside a store.

mod memory_budget;

pub(crate) use memory_budget::{MemoryBudget, MemoryShare};

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::hook::PerHook;
use crate::kv::KvLimits;

/// The limits of a plugin, from its sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The limits of a call, for each hook.
    pub calls: PerHook<CallLimits>,
    /// The limits of starting an instance, including `lifecycle.configure`.
    pub start: CallLimits,
    /// The linear memory of an instance in bytes, all its memories together.
    pub memory_bytes: usize,
    /// The elements of all tables of an instance, including the few that link its imports.
    pub table_elements: usize,
    /// The number of core instances of a component.
    pub core_instances: usize,
    /// The log lines per second, all instances together.
    pub log_lines: u32,
    /// The number of names of custom metrics, all instances together, for the life of the plugin.
    pub metric_names: usize,
    /// The limits of the plugin's `kv` entries.
    pub kv: KvLimits,
    /// The number of live instances.
    pub live_instances: usize,
    /// The number of calls after which an instance is replaced.
    pub recycle_after: u64,
    /// The bytes of a text that a guard may hold back.
    pub held_bytes: usize,
    /// The bytes of the largest piece of a text that a guard gets.
    pub piece_bytes: usize,
}

/// The limits of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLimits {
    /// The processor time. A call also ends after ten times as much wall-clock time.
    pub deadline: Duration,
    /// The bytes copied between host and guest.
    pub copy_bytes: usize,
    /// The bytes of the request body that the guest reads.
    pub body_bytes: usize,
    /// The number of calls from the guest to the host.
    pub host_calls: u32,
    /// The elements of each returned list.
    pub list_items: usize,
    /// The bytes of all returned texts together.
    pub return_bytes: usize,
}

/// The memory and table limits of one store, with the last refusal.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    memory_used: usize,
    table_elements: usize,
    tables_used: usize,
    core_instances: usize,
    share: MemoryShare,
    denied: Option<Denial>,
}

/// A refused request for memory. It is not a fault yet: the guest may cope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    Memory {
        wanted: usize,
        limit: usize,
    },
    /// All instances together are at their limit.
    Total {
        limit: usize,
    },
    Table {
        wanted: usize,
        limit: usize,
    },
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn new(limits: &Limits, share: MemoryShare) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            memory_used: 0,
            table_elements: limits.table_elements,
            tables_used: 0,
            core_instances: limits.core_instances,
            share,
            denied: None,
        }
    }

    /// Allows for core modules that the host itself added to the component.
    pub(crate) fn allow_core_instances(&mut self, more: usize) {
        self.core_instances += more;
    }

    /// Forgets the refusals of earlier calls.
    pub(crate) fn begin_call(&mut self) {
        self.denied = None;
    }

    pub(crate) fn denied(&self) -> Option<Denial> {
        self.denied
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self
            .memory_used
            .saturating_add(desired.saturating_sub(current));
        if wanted > self.memory_bytes {
            self.denied = Some(Denial::Memory {
                wanted,
                limit: self.memory_bytes,
            });
            return Ok(false);
        }
        if !self.share.grow(wanted - self.memory_used) {
            self.denied = Some(Denial::Total {
                limit: self.share.limit(),
            });
            return Ok(false);
        }
        self.memory_used = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self
            .tables_used
            .saturating_add(desired.saturating_sub(current));
        if wanted > self.table_elements {
            self.denied = Some(Denial::Table {
                wanted,
                limit: self.table_elements,
            });
            return Ok(false);
        }
        self.tables_used = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.core_instances
    }
}

// === impl Denial ===

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory { wanted, limit } => write!(
                f,
                "it needs {wanted} bytes of memory, and the limit is {limit}; use less, or raise `memory_bytes` in [limits] of the sidecar"
            ),
            Self::Total { limit } => write!(
                f,
                "the plugins of this host already use all {limit} bytes of memory that they may use together"
            ),
            Self::Table { wanted, limit } => write!(
                f,
                "it needs {wanted} table elements, and the limit is {limit}; raise `table_elements` in [limits] of the sidecar"
            ),
        }
    }
}
