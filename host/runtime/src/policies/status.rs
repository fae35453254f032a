//! How each plugin is doing, for the admin API and the metrics page.

use super::shelf::Entry;
use crate::grants::Grants;
use crate::hook::Hook;
use crate::plugin::{Configured, Plugin};
use crate::stats::Figures;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;

/// One plugin, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginStatus {
    /// Its name.
    pub name: String,
    /// Its file; none for a required plugin without one.
    pub file: Option<PathBuf>,
    /// SHA-256 in hex of the bytes that serve; none when nothing does.
    pub sha256: Option<String>,
    /// Hooks of the plugin that serves.
    pub hooks: Vec<Hook>,
    /// Whether and how it serves.
    pub state: PluginState,
    /// What is wrong with the newest bytes of its files.
    pub last_error: Option<String>,
    /// Milliseconds left of its bench; none while it plays for some caller.
    pub benched_ms: Option<u64>,
    /// Tenants that it sits out for alone, because it faulted at their requests.
    pub benched_callers: usize,
    /// Instances alive now.
    pub live_instances: usize,
    /// When `lifecycle.configure` of the plugin that serves runs.
    pub configured: Option<Configured>,
    /// What the plugin that serves may see and use.
    pub grants: Option<Grants>,
    /// Entries and bytes that it holds in `kv`.
    pub remembers: (usize, usize),
    /// What the plugin that serves has done.
    pub figures: Figures,
}

/// Whether and how a plugin serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginState {
    /// The newest bytes serve.
    Serving,
    /// The newest bytes are bad; older ones serve.
    LastGood,
    /// The bytes are bad and nothing serves.
    Refused,
    /// It sits out after repeated faults; its fail policy holds.
    Benched,
    /// It is required and there is no file.
    Absent,
}

/// The state of every entry, and of required plugins that have no entry.
pub(super) fn of(board: &[Entry], missing: &[Arc<str>]) -> Vec<PluginStatus> {
    let absent = missing
        .iter()
        .filter(|name| !board.iter().any(|entry| entry.name == ***name))
        .map(|name| PluginStatus::absent(name));
    let mut all: Vec<_> = board.iter().map(PluginStatus::of).chain(absent).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

// === impl PluginStatus ===

impl PluginStatus {
    fn of(entry: &Entry) -> Self {
        let plugin = entry.plugin.as_deref();
        let benched = plugin.and_then(Plugin::benched);
        let state = match (plugin, benched, &entry.error) {
            (None, _, _) => PluginState::Refused,
            (Some(_), Some(_), _) => PluginState::Benched,
            (Some(_), None, Some(_)) => PluginState::LastGood,
            (Some(_), None, None) => PluginState::Serving,
        };
        Self {
            name: entry.name.clone(),
            file: Some(entry.file.clone()),
            sha256: plugin.map(|plugin| plugin.identity().wasm.to_string()),
            hooks: plugin.map_or_else(Vec::new, |plugin| plugin.hooks().collect()),
            state,
            last_error: entry.error.as_deref().map(str::to_owned),
            benched_ms: benched.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            benched_callers: plugin.map_or(0, Plugin::benched_callers),
            live_instances: plugin.map_or(0, Plugin::live_instances),
            configured: plugin.map(|plugin| plugin.configured().clone()),
            grants: plugin.map(|plugin| plugin.grants().clone()),
            remembers: plugin.map_or((0, 0), Plugin::remembers),
            figures: plugin.map_or_else(Figures::default, Plugin::figures),
        }
    }

    fn absent(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            file: None,
            sha256: None,
            hooks: Vec::new(),
            state: PluginState::Absent,
            last_error: None,
            benched_ms: None,
            benched_callers: 0,
            live_instances: 0,
            configured: None,
            grants: None,
            remembers: (0, 0),
            figures: Figures::default(),
        }
    }
}
