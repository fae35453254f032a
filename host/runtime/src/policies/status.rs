//! The status of each plugin, for the admin API and the metrics page.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::catalog::EntryState;
use crate::content::ContentKind;
use crate::grants::Grants;
use crate::hook::Hook;
use crate::plugin::Configured;
use crate::stats::PluginMetrics;
use crate::tables::TableStatus;

/// The status of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PluginStatus {
    /// The plugin's name.
    pub name: String,
    /// The plugin's file, or `None` for a required plugin without one.
    pub file: Option<PathBuf>,
    /// The SHA-256 in hex of the file that serves, or `None` if none does.
    pub sha256: Option<String>,
    /// The hooks of the plugin that serves.
    pub hooks: Vec<Hook>,
    /// The state of the plugin.
    pub state: PluginState,
    /// The error of the newest files.
    pub last_error: Option<String>,
    /// The milliseconds until the plugin is called again, or `None` if it is called for at least some callers.
    pub suspended_ms: Option<u64>,
    /// The number of tenants whose requests the plugin is suspended for after it faulted at them.
    pub suspended_callers: usize,
    /// The number of live instances.
    pub live_instances: usize,
    /// The time at which `lifecycle.configure` of the plugin that serves runs.
    pub configured: Option<Configured>,
    /// The grants of the plugin that serves.
    pub grants: Option<Grants>,
    /// The kinds of texts that the plugin that serves inspects.
    pub content: Vec<ContentKind>,
    /// The number of the plugin's `kv` entries, and their bytes.
    pub kv_usage: (usize, usize),
    /// The tables of the plugin that serves.
    pub tables: Vec<TableStatus>,
    /// The metrics of the plugin that serves.
    pub metrics: PluginMetrics,
}

/// The state of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PluginState {
    /// The newest files serve.
    Serving,
    /// The newest files are bad, and an older version serves.
    LastGood,
    /// The files are bad, and no version serves.
    Refused,
    /// The plugin is suspended after repeated faults, and its fail policy applies.
    Suspended,
    /// The plugin is required and has no file.
    Absent,
}

/// Returns the status of every entry, and of required plugins without an entry.
pub(super) fn of(states: &[EntryState], missing: &[Arc<str>]) -> Vec<PluginStatus> {
    let absent = missing
        .iter()
        .filter(|name| !states.iter().any(|state| state.name == ***name))
        .map(|name| PluginStatus::without_plugin(name, None, PluginState::Absent));
    let mut all: Vec<_> = states.iter().map(PluginStatus::of).chain(absent).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

// === impl PluginStatus ===

impl PluginStatus {
    fn of(entry: &EntryState) -> Self {
        let last_error = entry.error.as_deref().map(str::to_owned);
        let Some(plugin) = &entry.plugin else {
            let file = Some(entry.file.clone());
            return Self {
                last_error,
                ..Self::without_plugin(&entry.name, file, PluginState::Refused)
            };
        };
        let suspended = plugin.suspended();
        let state = match (suspended, &last_error) {
            (Some(_), _) => PluginState::Suspended,
            (None, Some(_)) => PluginState::LastGood,
            (None, None) => PluginState::Serving,
        };
        Self {
            name: entry.name.clone(),
            file: Some(entry.file.clone()),
            sha256: Some(plugin.identity().wasm.to_string()),
            hooks: plugin.hooks().collect(),
            state,
            last_error,
            suspended_ms: suspended.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            suspended_callers: plugin.suspended_callers(),
            live_instances: plugin.live_instances(),
            configured: Some(plugin.configured().clone()),
            grants: Some(plugin.grants().clone()),
            content: plugin.content().collect(),
            kv_usage: plugin.kv_usage(),
            tables: plugin.tables(),
            metrics: plugin.metrics(),
        }
    }

    fn without_plugin(name: &str, file: Option<PathBuf>, state: PluginState) -> Self {
        Self {
            name: name.to_owned(),
            file,
            sha256: None,
            hooks: Vec::new(),
            state,
            last_error: None,
            suspended_ms: None,
            suspended_callers: 0,
            live_instances: 0,
            configured: None,
            grants: None,
            content: Vec::new(),
            kv_usage: (0, 0),
            tables: Vec::new(),
            metrics: PluginMetrics::default(),
        }
    }
}
