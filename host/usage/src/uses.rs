//! The last use of each key, as its receipts say.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _};

/// The last uses of keys that some receipts are about, in Unix milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Uses(HashMap<String, i64>);

// === impl Uses ===

impl Uses {
    pub(crate) fn add(&mut self, key: &str, at_unix_ms: i64) {
        match self.0.get_mut(key) {
            Some(last) => *last = (*last).max(at_unix_ms),
            None => drop(self.0.insert(key.to_owned(), at_unix_ms)),
        }
    }

    pub(crate) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        for (key, at) in &self.0 {
            db.prepare_cached(
                "INSERT INTO keys VALUES (?1, ?2) \
                 ON CONFLICT (key) DO UPDATE SET last_unix_ms = max(last_unix_ms, excluded.last_unix_ms)",
            )?
            .execute((key, at))?;
        }
        Ok(())
    }
}

/// Returns the time of the last request with a key that left a receipt, in Unix milliseconds, or `None` without one.
///
/// # Errors
///
/// The database can't be read.
pub fn last_use(db: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT last_unix_ms FROM keys WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}
