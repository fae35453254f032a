//! How much one plugin may take, and who keeps it to that inside a store.

use crate::hook::PerHook;
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// What a plugin may take. Everything is per call unless it says otherwise; the values come from the sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time of a call, per hook.
    pub deadline: PerHook<Duration>,
    /// Wall-clock time for a new instance to start and for `lifecycle.configure`.
    pub configure: Duration,
    /// Linear memory of an instance, in bytes, over all its memories.
    pub memory_bytes: usize,
    /// Elements of a table.
    pub table_elements: usize,
    /// Core instances of a component.
    pub core_instances: usize,
    /// Bytes copied between host and guest.
    pub copy_bytes: usize,
    /// Bytes of the body that are read.
    pub body_bytes: usize,
    /// Calls from the guest to the host.
    pub host_calls: u32,
    /// Elements of each returned list.
    pub list_items: usize,
    /// Lines in the log, per second, over all instances.
    pub log_lines: u32,
    /// Names of custom metrics, over all instances, for the life of the plugin.
    pub metric_names: usize,
    /// Instances alive at once.
    pub live_instances: usize,
    /// Calls after which an instance is replaced.
    pub recycle_after: u64,
}

/// Keeps one store to its limits, and remembers that it had to.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: usize,
    memory_used: usize,
    table_elements: usize,
    core_instances: usize,
    denied: Option<Denial>,
}

/// What was refused to a guest. Refusing is not a fault yet: a guest may live with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    Memory { wanted: usize, limit: usize },
    Table { wanted: usize, limit: usize },
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            memory_used: 0,
            table_elements: limits.table_elements,
            core_instances: limits.core_instances,
            denied: None,
        }
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
        self.memory_used = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            self.denied = Some(Denial::Table {
                wanted: desired,
                limit: self.table_elements,
            });
            return Ok(false);
        }
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
            Self::Memory { wanted, limit } => {
                write!(f, "{wanted} bytes of memory wanted, the limit is {limit}")
            }
            Self::Table { wanted, limit } => {
                write!(
                    f,
                    "a table of {wanted} elements wanted, the limit is {limit}"
                )
            }
        }
    }
}
