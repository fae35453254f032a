//! How much one plugin may take, and who keeps it to that inside a store.

mod room;

use crate::hook::PerHook;
use crate::kv::KvLimits;
use std::time::Duration;
use wasmtime::ResourceLimiter;

pub(crate) use room::{Room, Taken};

/// What a plugin may take; the values come from the sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What a call may take, per hook.
    pub calls: PerHook<CallLimits>,
    /// What a new instance may take to start, with `lifecycle.configure`.
    pub start: CallLimits,
    /// Linear memory of an instance, in bytes, over all its memories.
    pub memory_bytes: usize,
    /// Elements of all tables of an instance, the few that link its imports among them.
    pub table_elements: usize,
    /// Core instances of a component.
    pub core_instances: usize,
    /// Lines in the log, per second, over all instances.
    pub log_lines: u32,
    /// Names of custom metrics, over all instances, for the life of the plugin.
    pub metric_names: usize,
    /// What the plugin's `kv` may hold.
    pub kv: KvLimits,
    /// Instances alive at once.
    pub live_instances: usize,
    /// Calls after which an instance is replaced.
    pub recycle_after: u64,
}

/// What one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Processor time; at most ten times as much on the wall.
    pub deadline: Duration,
    /// Bytes copied between host and guest.
    pub copy_bytes: usize,
    /// Bytes of the body that are read.
    pub body_bytes: usize,
    /// Calls from the guest to the host.
    pub host_calls: u32,
    /// Elements of each returned list.
    pub list_items: usize,
    /// Bytes of all returned texts together.
    pub return_bytes: usize,
}

/// Keeps one store to its limits, and remembers that it had to.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    memory_used: usize,
    table_elements: usize,
    tables_used: usize,
    core_instances: usize,
    taken: Taken,
    denied: Option<Denial>,
}

/// What was refused to a guest. Refusing is not a fault yet: a guest may live with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    Memory {
        wanted: usize,
        limit: usize,
    },
    /// All instances together have as much as there may be.
    Room {
        limit: usize,
    },
    Table {
        wanted: usize,
        limit: usize,
    },
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn new(limits: &Limits, taken: Taken) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            memory_used: 0,
            table_elements: limits.table_elements,
            tables_used: 0,
            core_instances: limits.core_instances,
            taken,
            denied: None,
        }
    }

    /// Allows for core modules that the host itself put into the component.
    pub(crate) fn allow_core_instances(&mut self, more: usize) {
        self.core_instances += more;
    }

    /// Forgets what earlier calls were refused.
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
        if !self.taken.grow(wanted - self.memory_used) {
            self.denied = Some(Denial::Room {
                limit: self.taken.limit(),
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
                "{wanted} bytes of memory wanted, the limit is {limit}; keep less, or raise `memory_bytes` in [limits] of the sidecar"
            ),
            Self::Room { limit } => write!(
                f,
                "all instances together have the {limit} bytes of memory that there are for plugins"
            ),
            Self::Table { wanted, limit } => write!(
                f,
                "{wanted} elements of tables wanted, the limit is {limit}; raise `table_elements` in [limits] of the sidecar"
            ),
        }
    }
}
