//! Files of receipts that can't be read, and so are missing in the sums.

use rusqlite::Connection;

/// A file that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: String,
    /// The reason.
    pub error: String,
}

/// Returns the closed segments that can't be read. What they have beyond the damage is missing in all sums.
///
/// # Errors
///
/// The database can't be read.
pub fn damaged(db: &Connection) -> rusqlite::Result<Vec<Damage>> {
    let mut select = db.prepare_cached("SELECT path, error FROM damaged ORDER BY path")?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Damage {
            path: row.get(0)?,
            error: row.get(1)?,
        })
    };
    select.query_map([], read)?.collect()
}

/// Replaces the files of which the database tells.
pub(crate) fn write(db: &Connection, damaged: &[Damage]) -> rusqlite::Result<()> {
    db.execute("DELETE FROM damaged", [])?;
    for Damage { path, error } in damaged {
        db.execute(
            "INSERT OR REPLACE INTO damaged VALUES (?1, ?2)",
            (path, error),
        )?;
    }
    Ok(())
}
