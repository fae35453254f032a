//! A plugin's name, configuration and counters.

use std::borrow::Cow;
use std::sync::Arc;

use crate::contract::log::Level;
use crate::epoch::EpochClock;
use crate::fault::{Failure, Fault};
use crate::grants::{Grants, HeaderGrant};
use crate::hook::Hook;
use crate::kv::KvStore;
use crate::limits::{Limits, MemoryBudget};
use crate::sidecar::Settings;
use crate::stats::Stats;
use crate::tables::Tables;
use crate::vocabulary::Vocabulary;

/// The configuration and the counters that all instances of a plugin share.
#[derive(Debug)]
pub(crate) struct PluginSpec {
    pub(crate) name: Arc<str>,
    pub(crate) sha256: Arc<str>,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    /// Names of headers that carry credentials.
    pub(crate) secret_headers: Arc<[String]>,
    /// Response headers that only the host sets.
    pub(crate) host_headers: Arc<[HeaderGrant]>,
    /// Response headers that a plugin may set; `None` allows all but the host's.
    pub(crate) response_headers: Option<Arc<[HeaderGrant]>>,
    /// The plugin's `kv` entries.
    pub(crate) kv: Arc<KvStore>,
    /// The plugin's tables.
    pub(crate) tables: Arc<Tables>,
    /// `[settings]` of the sidecar.
    pub(crate) settings: Settings,
    pub(crate) vocabulary: Arc<dyn Vocabulary>,
    /// The memory of all instances of the engine.
    pub(crate) memory: Arc<MemoryBudget>,
    /// The clock of the engine, which lives as long as a plugin.
    pub(crate) clock: Arc<EpochClock>,
    pub(crate) stats: Stats,
}

// === impl PluginSpec ===

impl PluginSpec {
    /// Returns a copy for an instance that is tested and thrown away, with `kv` entries and counters of its own.
    pub(crate) fn for_test(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            sha256: Arc::clone(&self.sha256),
            limits: self.limits.clone(),
            grants: self.grants.clone(),
            secret_headers: Arc::clone(&self.secret_headers),
            host_headers: Arc::clone(&self.host_headers),
            response_headers: self.response_headers.clone(),
            kv: Arc::default(),
            tables: Arc::clone(&self.tables),
            settings: self.settings.clone(),
            vocabulary: Arc::clone(&self.vocabulary),
            memory: Arc::clone(&self.memory),
            clock: Arc::clone(&self.clock),
            stats: Stats::default(),
        }
    }

    /// Counts a failure and makes it a fault of this plugin.
    pub(crate) fn fault(&self, hook: Option<Hook>, failure: Failure) -> Fault {
        self.stats.faulted(failure.kind);
        let shown = |text: String| match self.settings.secrets.redact(&text) {
            Cow::Owned(redacted) => redacted,
            Cow::Borrowed(_) => text,
        };
        Fault {
            plugin: Arc::clone(&self.name),
            sha256: Arc::clone(&self.sha256),
            hook,
            kind: failure.kind,
            message: failure.message.map(shown),
            backtrace: failure.backtrace,
        }
    }

    /// Writes a line to the plugin's log, unless the plugin is over its limit of lines a second.
    pub(crate) fn log_line(&self, level: Level, message: &str) {
        if !self.stats.may_log(self.limits.log_lines) {
            return;
        }
        let message = self.settings.secrets.redact(message);
        // The macros need a level that is known when they are compiled.
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(target: "witgate::plugin", plugin = %self.name, "{message}")
            };
        }
        match level {
            Level::Trace => line!(trace),
            Level::Debug => line!(debug),
            Level::Info => line!(info),
            Level::Warn => line!(warn),
            Level::Error => line!(error),
        }
    }
}
