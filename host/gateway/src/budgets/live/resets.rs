//! The table of resets. A reset is a step of the ledger and a record of the database, which can't be written in one.
//!
//! The record is first, and with it a row that says that the reset is not made yet. Then the ledger makes it, under the name in the row,
//! and once its journal is written, the row says what was taken off. The ledger makes no reset of the same name twice, so a row of
//! which that is not known is made after a crash, whatever the crash has left. A ledger that is made again from receipts leaves out what
//! the rows took off.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, Row, Transaction};
use witgate_ledger::{Cleared, Ledger, Position, Taken, Unit, UnixMillis, Window};

use super::LiveLimits;
use super::limit::Key;
use super::records::{bad, json, maybe};
use crate::store::{Migration, StoreError};

/// Creates the table.
pub(crate) const RESETS: Migration = "
    CREATE TABLE live_limit_resets (
        name TEXT PRIMARY KEY,
        account TEXT NOT NULL,
        window TEXT NOT NULL,
        unit TEXT NOT NULL,
        asked_unix_ms INTEGER NOT NULL,
        taken TEXT
    ) STRICT, WITHOUT ROWID;
";

/// A reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reset {
    /// The name under which the ledger makes it.
    pub(crate) name: Arc<str>,
    key: Key,
    asked: UnixMillis,
    /// What it took off, or `None` if it is not known to have been made.
    pub(crate) taken: Option<Vec<Taken>>,
}

/// A reset that the ledger has made, as a row is to say once the journal has it.
#[derive(Debug)]
pub(crate) struct Made {
    name: Arc<str>,
    cleared: Cleared,
}

/// Writes a reset that is not made yet. Returns its name.
pub(super) fn ask(db: &Transaction<'_>, key: &Key, now: UnixMillis) -> rusqlite::Result<Arc<str>> {
    let name = format!("rst_{:024x}", rand::random::<u128>() >> 32);
    let values = (
        &name,
        &*key.account,
        key.window.to_string(),
        key.unit.code(),
        now.0,
    );
    db.execute(
        "INSERT INTO live_limit_resets (name, account, window, unit, asked_unix_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        values,
    )?;
    Ok(name.into())
}

/// Returns all resets in the database of a gateway that does not run, or none without one.
///
/// # Errors
///
/// The database can't be read.
pub(crate) fn of_directory(directory: &Path) -> rusqlite::Result<Vec<Reset>> {
    let path = crate::store::file(directory);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let known = "SELECT count(*) FROM sqlite_schema WHERE name = 'live_limit_resets'";
    match db.query_row(known, [], |row| row.get::<_, i64>(0))? {
        0 => Ok(Vec::new()),
        _ => select(&db, "TRUE"),
    }
}

fn note(db: &Connection, made: &Made) -> rusqlite::Result<()> {
    let values = (&*made.name, json(&made.cleared.taken)?);
    db.execute(
        "UPDATE live_limit_resets SET taken = ?2 WHERE name = ?1",
        values,
    )?;
    Ok(())
}

fn select(db: &Connection, condition: &str) -> rusqlite::Result<Vec<Reset>> {
    let mut select = db.prepare(&format!(
        "SELECT name, account, window, unit, asked_unix_ms, taken FROM live_limit_resets WHERE {condition}"
    ))?;
    select.query_map([], read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Reset> {
    let (name, account): (String, String) = (row.get(0)?, row.get(1)?);
    let (window, unit): (String, String) = (row.get(2)?, row.get(3)?);
    Ok(Reset {
        name: name.into(),
        key: Key {
            account: account.into(),
            window: Window::parse(&window).map_err(|error| bad(2, error))?,
            unit: Unit::parse(&unit).map_err(|error| bad(3, error))?,
        },
        asked: UnixMillis(row.get(4)?),
        taken: maybe(row, 5)?,
    })
}

// === impl LiveLimits ===

impl LiveLimits {
    /// Makes the resets of which it is not known whether they were made, and returns what their rows are to say. Blocks.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) fn make_resets(
        &self,
        ledger: &Ledger,
        now: UnixMillis,
    ) -> Result<Vec<Made>, StoreError> {
        // The connection is taken throughout, so no change of this process is between its record and its step.
        self.store.call_blocking(|db| {
            let pending = select(db, "taken IS NULL")?;
            Ok(pending
                .into_iter()
                .map(|reset| reset.make(ledger, now))
                .collect())
        })
    }

    /// Notes resets that were made. The journal has to have their steps. Blocks.
    ///
    /// # Errors
    ///
    /// The store can't be written.
    pub(crate) fn note_resets(&self, made: &[Made]) -> Result<(), StoreError> {
        self.store
            .call_blocking(|db| made.iter().try_for_each(|made| note(db, made)))
    }

    /// Notes a reset that was made. The journal has to have its step.
    ///
    /// # Errors
    ///
    /// The store can't be written.
    pub(crate) async fn note_reset(&self, made: Made) -> Result<(), StoreError> {
        self.store.call(move |db| note(db, &made)).await
    }
}

// === impl Reset ===

impl Reset {
    /// Makes the reset, unless its period is over: what was spent in it counts no more, and what is spent now was not meant.
    fn make(self, ledger: &Ledger, now: UnixMillis) -> Made {
        let Key {
            account,
            window,
            unit,
        } = &self.key;
        let cleared = if self.is_over(now) {
            Cleared {
                taken: Vec::new(),
                position: Position::default(),
            }
        } else {
            ledger.reset(&self.name, account, *window, *unit, now)
        };
        Made::new(self.name, cleared)
    }

    fn is_over(&self, now: UnixMillis) -> bool {
        match self.key.window {
            Window::Last(span) => {
                let length = u64::from(span.whole_minutes()) * 60_000;
                now.0 > self.asked.0.saturating_add(length)
            }
            window => window.resets_at(self.asked).is_some_and(|end| now >= end),
        }
    }
}

// === impl Made ===

impl Made {
    pub(super) fn new(name: Arc<str>, cleared: Cleared) -> Self {
        Self { name, cleared }
    }

    /// Returns the usage in units that was taken off.
    pub(crate) fn used(&self) -> u64 {
        self.cleared.used()
    }

    /// Returns the place of the step in the journal.
    pub(crate) fn position(&self) -> Position {
        self.cleared.position
    }
}
