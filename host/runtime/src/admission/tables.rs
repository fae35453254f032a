//! The tables of a plugin under admission.

use std::sync::Arc;

use super::findings::Findings;
use crate::engine::Runtime;
use crate::sidecar::Sidecar;
use crate::tables::{Tables, Unavailable};

// === impl Runtime ===

impl Runtime {
    /// Opens the tables of a plugin. Returns `None` if a URL has no content, which may be different soon: the plugin will be
    /// tried again, and is not compiled for nothing.
    pub(super) fn open_tables(
        &self,
        sidecar: &Sidecar,
        plugin: &Arc<str>,
        findings: &mut Findings,
    ) -> Option<Tables> {
        let fetch = self.options().fetch.as_ref();
        let failed = match Tables::open(&sidecar.tables, plugin, self.tables(), fetch) {
            Ok(tables) => return Some(tables),
            Err(failed) => failed,
        };
        let remote = failed.iter().any(|it| it.key == "url");
        for Unavailable { table, key, reason } in failed {
            let path = format!("tables.{table}.{key}");
            findings.reject(sidecar.problem(plugin, path, reason));
        }
        (!remote).then(Tables::default)
    }
}
