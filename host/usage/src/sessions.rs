//! Sessions: each with its cost, its turns and the time it was last seen. A session is known by its key and its name, because
//! clients choose the names.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::record::Record;
use crate::sums::Sums;
use crate::tally::{PICO_PER_MICRO, split, stored};

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The number of the session, by which operators name it.
    pub id: i64,
    /// The key of its requests.
    pub key: String,
    /// The name that its client gave it.
    pub name: String,
    /// The tenant of its last request with one.
    pub tenant: Option<String>,
    /// The user of its last request with one.
    pub user: Option<String>,
    /// Time of its first request in Unix milliseconds.
    pub first_unix_ms: i64,
    /// Time of its last request in Unix milliseconds.
    pub last_unix_ms: i64,
    /// Exchanges that something may have been sent for.
    pub requests: u64,
    /// Answers of a model to the session itself, not to its sub-agents.
    pub turns: u64,
    /// Exchanges that failed.
    pub errors: u64,
    /// Tokens of all kinds.
    pub tokens: u64,
    /// Cost in pico-USD.
    pub picousd: u128,
}

/// The sums that receipts add to a session.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    tenant: Option<String>,
    user: Option<String>,
    first: Option<i64>,
    last: i64,
    turns: u64,
    sums: Sums,
}

const COLUMNS: &str = "id, key, name, tenant, user, first_unix_ms, last_unix_ms, requests, turns, errors, tokens, \
                       microusd, picousd";

// === impl Visits ===

impl Visits {
    /// Adds a receipt that counts as `sums`.
    pub(crate) fn add(&mut self, record: &Record<'_>, sums: &Sums, started: i64) {
        let texts = [
            (&mut self.tenant, &record.tenant),
            (&mut self.user, &record.user),
        ];
        for (last, text) in texts {
            if let Some(text) = text.get()
                && last.as_deref() != Some(text)
            {
                *last = Some(text.to_owned());
            }
        }
        self.first = Some(self.first.map_or(started, |first| first.min(started)));
        self.last = self.last.max(started);
        if record.agent.get().is_none() {
            self.turns = self.turns.saturating_add(sums.messages);
        }
        self.sums.add(sums);
    }
}

/// Adds to a session, which is new if need be.
pub(crate) fn add(db: &Connection, key: &str, name: &str, visits: &Visits) -> rusqlite::Result<()> {
    let sums = &visits.sums;
    let first = visits.first.unwrap_or(visits.last);
    let before = session_named(db, key, name)?;
    let before = before.unwrap_or_else(|| Session::empty(key, name, first));
    let (microusd, picousd) = split(before.picousd.saturating_add(sums.picousd));
    let sum = |before: u64, more: u64| stored(before.saturating_add(more));
    db.prepare_cached(
        "INSERT INTO sessions (key, name, tenant, user, first_unix_ms, last_unix_ms, requests, turns, errors, tokens, \
         microusd, picousd) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
         ON CONFLICT (key, name) DO UPDATE SET tenant = excluded.tenant, user = excluded.user, \
         first_unix_ms = excluded.first_unix_ms, last_unix_ms = excluded.last_unix_ms, requests = excluded.requests, \
         turns = excluded.turns, errors = excluded.errors, tokens = excluded.tokens, microusd = excluded.microusd, \
         picousd = excluded.picousd",
    )?
    .execute(params![
        key,
        name,
        visits.tenant.as_ref().or(before.tenant.as_ref()),
        visits.user.as_ref().or(before.user.as_ref()),
        before.first_unix_ms.min(first),
        before.last_unix_ms.max(visits.last),
        sum(before.requests, sums.requests),
        sum(before.turns, visits.turns),
        sum(before.errors, sums.errors),
        sum(before.tokens, sums.tokens()),
        microusd,
        picousd,
    ])?;
    Ok(())
}

/// Returns up to `limit` sessions, the last seen first: those of a key, or of all keys.
///
/// # Errors
///
/// The database can't be read.
pub fn sessions(
    db: &Connection,
    key: Option<&str>,
    limit: usize,
    skip: usize,
) -> rusqlite::Result<Vec<Session>> {
    let mut select = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM sessions WHERE ?1 IS NULL OR key = ?1 ORDER BY last_unix_ms DESC, id DESC \
         LIMIT ?2 OFFSET ?3"
    ))?;
    let found = select.query_map((key, limit, skip), Session::read)?;
    found.collect()
}

/// Returns the session with a number, or `None` if there is none.
///
/// # Errors
///
/// The database can't be read.
pub fn session(db: &Connection, id: i64) -> rusqlite::Result<Option<Session>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM sessions WHERE id = ?1"))?
        .query_row([id], Session::read)
        .optional()
}

/// Returns the session of a key by its name, or `None` if there is none.
///
/// # Errors
///
/// The database can't be read.
pub fn session_named(db: &Connection, key: &str, name: &str) -> rusqlite::Result<Option<Session>> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM sessions WHERE key = ?1 AND name = ?2"
    ))?
    .query_row((key, name), Session::read)
    .optional()
}

// === impl Session ===

impl Session {
    fn empty(key: &str, name: &str, first_unix_ms: i64) -> Self {
        Self {
            id: 0,
            key: key.to_owned(),
            name: name.to_owned(),
            tenant: None,
            user: None,
            first_unix_ms,
            last_unix_ms: first_unix_ms,
            requests: 0,
            turns: 0,
            errors: 0,
            tokens: 0,
            picousd: 0,
        }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (micro, pico): (u64, u64) = (row.get(11)?, row.get(12)?);
        Ok(Self {
            id: row.get(0)?,
            key: row.get(1)?,
            name: row.get(2)?,
            tenant: row.get(3)?,
            user: row.get(4)?,
            first_unix_ms: row.get(5)?,
            last_unix_ms: row.get(6)?,
            requests: row.get(7)?,
            turns: row.get(8)?,
            errors: row.get(9)?,
            tokens: row.get(10)?,
            picousd: u128::from(micro) * PICO_PER_MICRO + u128::from(pico),
        })
    }
}
