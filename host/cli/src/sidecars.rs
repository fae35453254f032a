//! Sidecars that no plugin reads, and plugins with a similar name for which they may be meant.

use std::path::{Path, PathBuf};

/// Returns a name without differences that people overlook, so that `tool-router` equals `Tool_Router`.
fn folded(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    Some(stem.to_ascii_lowercase().replace(['-', '.', ' '], "_"))
}

/// Returns the sidecar beside a plugin that has nearly its name, or `None`. For a plugin without a sidecar of its own.
pub(super) fn misnamed(plugin: &Path) -> Option<PathBuf> {
    let wanted = folded(plugin)?;
    orphans(folder_of(plugin))
        .into_iter()
        .find(|sidecar| folded(sidecar).as_ref() == Some(&wanted))
}

/// Returns the sidecars of a folder that belong to no plugin, sorted.
pub(super) fn orphans(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut orphans: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .filter(|path| !is_hidden(path) && !path.with_extension("wasm").exists())
        .collect();
    orphans.sort();
    orphans
}

/// Returns the plugin with nearly the same name, for which a sidecar may be meant, or `None`.
pub(super) fn meant(sidecar: &Path) -> Option<PathBuf> {
    let wanted = folded(sidecar)?;
    std::fs::read_dir(folder_of(sidecar))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "wasm"))
        .find(|plugin| folded(plugin).as_ref() == Some(&wanted))
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_none_or(|name| name.starts_with('.'))
}
