//! The parts of a gateway that its program supplies.

use std::sync::Arc;

use witgate_runtime::Compiler;
use witgate_upstream::{Resolver, SharedResolver, system_resolver};

/// The parts of a gateway that its program supplies. The default suits a program that embeds the gateway.
#[derive(Clone)]
pub struct Options {
    pub(super) compiler: Option<Compiler>,
    pub(super) resolver: SharedResolver,
    pub(super) dropped_log_lines: fn() -> u64,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            compiler: None,
            resolver: system_resolver(),
            dropped_log_lines: || 0,
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
}
