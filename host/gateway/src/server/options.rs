//! The parts of a gateway that its program supplies.

use std::sync::Arc;

use witgate_runtime::Compiler;
use witgate_upstream::{Resolver, SharedResolver, system_resolver};

/// The threads that serve clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientWorkers {
    /// Those of the runtime that the gateway is started on.
    CurrentRuntime,
    /// Threads of the gateway, `listen.threads` of them.
    Dedicated,
}

/// The parts of a gateway that its program supplies. The default suits a program that embeds the gateway.
#[derive(Clone)]
pub struct Options {
    pub(super) compiler: Option<Compiler>,
    pub(super) resolver: SharedResolver,
    pub(super) dropped_log_lines: fn() -> u64,
    pub(super) workers: ClientWorkers,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            compiler: None,
            resolver: system_resolver(),
            dropped_log_lines: || 0,
            workers: ClientWorkers::CurrentRuntime,
        }
    }
}

impl Options {
    /// Compiles large plugins in a child process, whose memory is bounded. The default is to compile them in this one.
    #[must_use]
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = Some(compiler);
        self
    }

    /// Looks up the names of upstreams with `resolver` in place of the system's.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Reports the program's count of log lines that it dropped on the metrics page.
    #[must_use]
    pub fn dropped_log_lines(mut self, count: fn() -> u64) -> Self {
        self.dropped_log_lines = count;
        self
    }

    /// Serves clients on threads of the gateway's own, `listen.threads` of them, each with a runtime: a connection stays on one
    /// thread, which takes less processor time. The default is to serve them on the current runtime.
    #[must_use]
    pub fn dedicated_workers(mut self) -> Self {
        self.workers = ClientWorkers::Dedicated;
        self
    }
}
