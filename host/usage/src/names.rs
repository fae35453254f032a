//! Texts, each kept once under a number. Zero is the absence of a text.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _};

use crate::series::VALUES;

/// Longest text in bytes. Receipts cut foreign texts to 512.
const MAX_BYTES: usize = 600;

/// The text that stands for all values beyond a tenant's room.
pub(crate) const OTHER: &str = "(other)";

/// The numbers of texts in one transaction. A later one may find texts that are gone.
pub(crate) struct Names<'db> {
    pub(crate) db: &'db Connection,
    known: HashMap<String, i64>,
    /// The last text at each place of a series, and its number: receipts that follow each other have many texts in common.
    last: [(String, i64); VALUES],
}

// === impl Names ===

impl<'db> Names<'db> {
    pub(crate) fn new(db: &'db Connection) -> Self {
        Self {
            db,
            known: HashMap::new(),
            last: Default::default(),
        }
    }

    /// Returns the number of the text at a place of a series, which is new if need be.
    pub(crate) fn intern_at(&mut self, place: usize, text: Option<&str>) -> rusqlite::Result<i64> {
        let Some(text) = text.map(cut) else {
            return Ok(0);
        };
        if let Some((last, id)) = self.last.get(place)
            && *id != 0
            && last == text
        {
            return Ok(*id);
        }
        let number = self.intern(Some(text))?;
        if let Some((last, id)) = self.last.get_mut(place) {
            last.clear();
            last.push_str(text);
            *id = number;
        }
        Ok(number)
    }

    /// Returns the number of a text, which is new if need be.
    pub(crate) fn intern(&mut self, text: Option<&str>) -> rusqlite::Result<i64> {
        let Some(text) = text.map(cut) else {
            return Ok(0);
        };
        if let Some(id) = self.known.get(text) {
            return Ok(*id);
        }
        let id = match number(self.db, text)? {
            Some(id) => id,
            None => {
                self.db
                    .prepare_cached("INSERT INTO names (text) VALUES (?1)")?
                    .execute([text])?;
                self.db.last_insert_rowid()
            }
        };
        self.known.insert(text.to_owned(), id);
        Ok(id)
    }
}

/// Returns the number of a text, or `None` if it is not kept.
pub(crate) fn number(db: &Connection, text: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT id FROM names WHERE text = ?1")?
        .query_row([cut(text)], |row| row.get(0))
        .optional()
}

/// Returns the text with a number, or `None` for zero.
pub(crate) fn text(db: &Connection, id: i64) -> rusqlite::Result<Option<String>> {
    if id == 0 {
        return Ok(None);
    }
    db.prepare_cached("SELECT text FROM names WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_BYTES))
        .unwrap_or(text)
}
