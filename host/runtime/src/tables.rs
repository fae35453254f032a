//! Tables of a plugin: keys and values that the host keeps for look-ups, from a file or a URL.
//!
//! Each table has a thread of its own, so that a slow source delays no other. The thread replaces the content as a whole, and a
//! look-up reads whatever content is there without a lock. A failure leaves the last good content in place. A plugin's next
//! version takes over the tables whose source has not changed.

mod content;
mod fetch;
mod kept;
mod source;
mod status;
mod table;

pub(crate) use content::Format;
pub use fetch::{Fetch, FetchRequest, Fetched};
pub(crate) use kept::KeptTables;
pub(crate) use source::{NO_FETCH, Remote, Source};
pub use status::TableStatus;
pub(crate) use table::Table;

use std::sync::Arc;
use std::time::{Duration, Instant};

/// A table as its sidecar configures it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableConfig {
    pub(crate) name: Box<str>,
    pub(crate) definition: Definition,
    pub(crate) policy: Policy,
}

/// The part of a table's configuration that determines its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) source: Source,
    pub(crate) format: Format,
    pub(crate) max_bytes: usize,
    pub(crate) max_entries: usize,
}

/// The part of a table's configuration that may change while its content stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    /// The time between two readings.
    pub(crate) refresh: Duration,
    /// The maximum time of one reading.
    pub(crate) timeout: Duration,
    /// The maximum age of content that is used, or `None` for any age.
    pub(crate) max_age: Option<Duration>,
    /// The need for content before the plugin serves.
    pub(crate) first: First,
}

/// The need for content before the plugin serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// The plugin is refused without it.
    Required,
    /// The table is empty without it.
    Optional,
}

/// The tables of one plugin.
#[derive(Debug, Default)]
pub(crate) struct Tables(Vec<Opened>);

/// A table with the policy of the plugin that looks things up in it.
#[derive(Debug)]
struct Opened {
    config: TableConfig,
    table: Arc<Table>,
}

/// A look-up that has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The sidecar declares no table of this name.
    Undeclared,
    /// The content is older than this maximum, or there was never any.
    Stale(Duration),
}

/// A table that has no content and needs some.
#[derive(Debug)]
pub(crate) struct Unavailable {
    pub(crate) table: Box<str>,
    /// The key of the sidecar that names the source.
    pub(crate) key: &'static str,
    pub(crate) reason: String,
}

// === impl Tables ===

impl Tables {
    /// Opens the tables of a sidecar and waits for the first content of each, all at the same time.
    ///
    /// # Errors
    ///
    /// The tables without content that need some.
    pub(crate) fn open(
        configs: &[TableConfig],
        plugin: &Arc<str>,
        kept: &KeptTables,
        fetch: Option<&Arc<dyn Fetch>>,
    ) -> Result<Self, Vec<Unavailable>> {
        let begun = Instant::now();
        let mut failed = Vec::new();
        let unavailable = |config: &TableConfig, reason| Unavailable {
            table: config.name.clone(),
            key: config.definition.source.key(),
            reason,
        };
        let mut opened = Vec::with_capacity(configs.len());
        for config in configs {
            match kept.open(plugin, config, fetch) {
                Ok(table) => opened.push(Opened {
                    config: config.clone(),
                    table,
                }),
                Err(error) => {
                    let reason = format!("the thread that reads it can't start: {error}");
                    failed.push(unavailable(config, reason));
                }
            }
        }
        for Opened { config, table } in &opened {
            let ready = table.wait(begun + config.policy.timeout);
            match (ready, config.policy.first) {
                (Ok(()), _) | (Err(_), First::Optional) => {}
                (Err(reason), First::Required) => failed.push(unavailable(config, reason)),
            }
        }
        match failed.is_empty() {
            true => Ok(Self(opened)),
            false => Err(failed),
        }
    }

    /// Passes the value of a key, or `None`, to `found`, while the content is borrowed.
    ///
    /// # Errors
    ///
    /// There is no such table, or its content is too old. `look` decides whether that matters.
    pub(crate) fn get<T>(
        &self,
        table: &str,
        key: &str,
        look: Look,
        found: impl FnOnce(Option<&str>) -> T,
    ) -> Result<T, NoAnswer> {
        let Opened { config, table } = self.find(table)?;
        if let (Some(max), Look::Service) = (config.policy.max_age, look)
            && table.age().is_none_or(|age| age > max)
        {
            return Err(NoAnswer::Stale(max));
        }
        Ok(table.get(key, found))
    }

    /// Returns the age of a table's content, or `None` if there was never any.
    ///
    /// # Errors
    ///
    /// There is no such table.
    pub(crate) fn age(&self, table: &str) -> Result<Option<Duration>, NoAnswer> {
        Ok(self.find(table)?.table.age())
    }

    pub(crate) fn status(&self) -> Vec<TableStatus> {
        let each = self.0.iter();
        each.map(|it| it.table.status(&it.config)).collect()
    }

    fn find(&self, name: &str) -> Result<&Opened, NoAnswer> {
        // A sidecar has few of them.
        let mut opened = self.0.iter();
        opened
            .find(|it| *it.config.name == *name)
            .ok_or(NoAnswer::Undeclared)
    }
}

/// The purpose of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// A request, for which content that is too old doesn't count.
    Service,
    /// A smoke test, for which any content will do.
    Test,
}

// === impl TableConfig ===

impl TableConfig {
    /// Returns whether the content comes from elsewhere, so that it may become available without a change on this machine.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.definition.source, Source::Url(_))
    }
}
