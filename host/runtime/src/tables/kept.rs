//! The tables of all plugins, so that the next version of a plugin finds those of the last one.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::{Fetch, Table, TableConfig};

/// The open tables by plugin and name. The plugins own them.
#[derive(Debug, Default)]
pub(crate) struct KeptTables(Mutex<HashMap<Key, Weak<Table>>>);

type Key = (Arc<str>, Box<str>);

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
        kept.retain(|_, table| table.strong_count() > 0);
        let key = (Arc::clone(plugin), config.name.clone());
        let same = kept.get(&key).and_then(Weak::upgrade);
        if let Some(table) = same.filter(|table| table.is_of(&config.definition)) {
            table.set_policy(config.policy);
            return Ok(table);
        }
        let table = Arc::new(Table::try_start(plugin, config, fetch.cloned())?);
        kept.insert(key, Arc::downgrade(&table));
        Ok(table)
    }
}
