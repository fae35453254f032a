//! Native tests of plugins: made-up requests, and records of the plugin's calls to the host.
//!
//! All state is per thread, so tests can run in parallel.

mod facts;
mod grants;
mod guard;
mod host;
pub(crate) mod notes;
mod request;
mod scan;

pub(crate) use guard::{before, held_bytes};
pub use guard::{inspect, set_held_bytes};
pub(crate) use host::{count, gauge, kv, log, unix_ms};
pub use host::{logged, metric, set_clock};
pub use notes::forget_notes;
pub use request::{Caller, Head, RequestBuilder};

pub(crate) use facts::Facts;

#[cfg(test)]
mod tests;

use crate::types::Field;
use crate::{Plugin, Problems, Receipts, settings};

/// Makes a plugin from the JSON text of its settings, exactly as the host does. To read only the settings, use
/// [`typed`](crate::typed). Neither needs a dependency on `serde_json`.
///
/// # Errors
///
/// Returns every problem of the settings.
pub fn configure<P: Plugin>(json: &str) -> Result<P, Problems> {
    settings::configure(json)
}

/// Makes the receipts of an audit call from the fields of each.
#[must_use]
pub fn receipts(fields: Vec<Vec<Field>>) -> Receipts<'static> {
    Receipts {
        count: u32::try_from(fields.len()).unwrap_or(u32::MAX),
        facts: Facts {
            receipts: fields,
            ..Facts::default()
        },
    }
}

// === impl Receipts ===

impl Receipts<'static> {
    /// Sets the entries of a table, for native tests.
    #[must_use]
    pub fn with_table(mut self, name: &str, entries: &[(&str, &str)]) -> Self {
        self.facts.set_table(name, entries);
        self
    }
}
