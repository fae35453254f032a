//! Sidecars that no plugin reads because their name is not quite its own.

use std::path::{Path, PathBuf};

/// A name without what is easily mistaken: `tool-router` and `Tool_Router` are told apart by nobody.
fn folded(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    Some(stem.to_ascii_lowercase().replace(['-', '.', ' '], "_"))
}

/// The sidecar beside a plugin that has nearly its name, if the plugin has none of its own.
pub(super) fn misnamed(plugin: &Path) -> Option<PathBuf> {
    let wanted = folded(plugin)?;
    orphans(folder_of(plugin))
        .into_iter()
        .find(|sidecar| folded(sidecar).as_ref() == Some(&wanted))
}

/// The sidecars of a folder whose plugin is not there, in order.
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

/// The plugin that a sidecar without one may be meant for: it has nearly the same name.
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
