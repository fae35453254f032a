//! `[plugins]`: the plugin directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use witgate_config_file::Check;
use witgate_runtime::TrustedKeys;

use super::memory::Origin;

/// Maximum of `memory_bytes`.
const MAX_MEMORY_BYTES: u64 = 1 << 40;

/// The plugin directory and the limits of its plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// Directory that is watched.
    pub directory: PathBuf,
    /// Plugins without which no traffic is served.
    pub required: Vec<String>,
    /// Time between two looks at the directory, besides notifications of the file system.
    pub poll: Duration,
    /// Directory of compiled plugins, or `None` to compile at each start.
    pub cache: Option<PathBuf>,
    /// Keys that plugins must be signed with. If empty, plugins need no signature.
    pub trusted_keys: TrustedKeys,
    /// Maximum bytes of memory of all instances of all plugins.
    pub memory_bytes: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct PluginsFile {
    directory: PathBuf,
    #[serde(default)]
    required: Vec<String>,
    poll_ms: Option<u64>,
    cache: Option<PathBuf>,
    trusted_keys: Option<PathBuf>,
    memory_bytes: Option<u64>,
}

// === impl PluginsFile ===

impl PluginsFile {
    /// Checks the table. The default cache is beside the gateway's state, in the directory `state`; the
    /// default memory depends on the machine.
    pub(super) fn check(
        self,
        state: Option<&Path>,
        machine: Origin,
        check: &mut Check<'_>,
    ) -> Plugins {
        let mut trusted_keys = TrustedKeys::default();
        if let Some(keys) = self.trusted_keys {
            match TrustedKeys::read(&check.resolve(keys)) {
                Ok(keys) => trusted_keys = keys,
                Err(error) => check.problem("trusted_keys", error.to_string()),
            }
        }
        let message = "must be the name of a plugin";
        let required = check.each("required", self.required, message, |name| {
            (!name.is_empty()).then_some(name)
        });
        let cache = self.cache.map(|cache| check.resolve(cache));
        Plugins {
            directory: check.directory("directory", self.directory),
            required,
            poll: check.millis("poll_ms", self.poll_ms, Duration::from_secs(1)),
            cache: cache.or_else(|| state.map(|state| state.join("code"))),
            trusted_keys,
            memory_bytes: check.number(
                "memory_bytes",
                self.memory_bytes,
                machine.for_plugins(),
                1..=MAX_MEMORY_BYTES,
            ),
        }
    }
}
