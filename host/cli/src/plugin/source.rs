//! The files of a plugin on the command line.

use std::path::Path;

use witgate_gateway::capture::unreadable;
use witgate_runtime::{SidecarText, Source};

/// Reads a plugin's file with the sidecar beside it, or with `sidecar` instead.
pub(super) fn source(file: &Path, sidecar: Option<&Path>) -> anyhow::Result<Source> {
    std::fs::metadata(file).map_err(|error| unreadable(file, &error))?;
    let mut source = Source::read(file)?;
    if let Some(sidecar) = sidecar {
        let text = std::fs::read_to_string(sidecar).map_err(|error| unreadable(sidecar, &error))?;
        source.sidecar = Some(SidecarText::new(sidecar, text));
    }
    Ok(source)
}
