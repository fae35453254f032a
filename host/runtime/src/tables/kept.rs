//! The tables of all plugins, so that the next version of a plugin finds those of the last one.

use std::io;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::{Fetch, Table, TableConfig};

/// The open tables. The plugins own them.
#[derive(Debug, Default)]
pub(crate) struct KeptTables(Mutex<Vec<Kept>>);

/// A table of a plugin.
#[derive(Debug)]
struct Kept {
    plugin: Arc<str>,
    name: Box<str>,
    table: Weak<Table>,
}

// === impl KeptTables ===

impl KeptTables {
    /// Returns the open table of this plugin, name and definition with a new policy, or opens one.
    ///
    /// # Errors
    ///
    /// The thread can't start.
    pub(super) fn open(
        &self,
        plugin: &Arc<str>,
        config: &TableConfig,
        fetch: Option<&Arc<dyn Fetch>>,
    ) -> io::Result<Arc<Table>> {
        let mut kept = self.0.lock();
        kept.retain(|kept| kept.table.strong_count() > 0);
        let same = kept.iter().find_map(|kept| {
            let table = kept.table.upgrade()?;
            let is_same = kept.plugin == *plugin
                && kept.name == config.name
                && table.is_of(&config.definition);
            is_same.then_some(table)
        });
        if let Some(table) = same {
            table.set_policy(config.policy);
            return Ok(table);
        }
        let table = Arc::new(Table::try_start(plugin, config, fetch.cloned())?);
        kept.push(Kept {
            plugin: Arc::clone(plugin),
            name: config.name.clone(),
            table: Arc::downgrade(&table),
        });
        Ok(table)
    }
}
