//! The tables of live limits and of the records of their changes.
//!
//! A record is never changed or deleted. Amounts are 64-bit without a sign, so they are kept as JSON.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use serde::{Deserialize, Serialize};
use witgate_ledger::{Unit, UnixMillis, Window};

use super::change::Request;
use super::limit::{Key, Live, Terms, UNLIMITED};
use super::table::Table;
use crate::store::Migration;

/// Creates the tables.
pub(crate) const MIGRATION: Migration = "
    CREATE TABLE live_limits (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL,
        window TEXT NOT NULL,
        unit TEXT NOT NULL,
        terms TEXT NOT NULL,
        created_unix_ms INTEGER NOT NULL,
        updated_unix_ms INTEGER NOT NULL,
        version INTEGER NOT NULL,
        UNIQUE (account, window, unit)
    ) STRICT;
    CREATE TABLE live_limit_changes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at_unix_ms INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        target TEXT,
        account TEXT NOT NULL,
        before TEXT,
        after TEXT,
        reason TEXT,
        once TEXT,
        digest TEXT
    ) STRICT;
    CREATE INDEX live_limit_changes_of ON live_limit_changes (target);
    CREATE UNIQUE INDEX live_limit_changes_once ON live_limit_changes (actor, once) WHERE once IS NOT NULL;
";

/// The columns of a limit.
const LIMIT: &str =
    "number, id, account, window, unit, terms, created_unix_ms, updated_unix_ms, version";

/// A limit as a record shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The id, or `None` if there is no live limit and only spending was taken off.
    pub(crate) id: Option<String>,
    pub(crate) account: String,
    pub(crate) window: Window,
    pub(crate) unit: Unit,
    #[serde(default)]
    pub(crate) terms: Terms,
    pub(crate) created: Option<UnixMillis>,
    pub(crate) updated: Option<UnixMillis>,
    #[serde(default)]
    pub(crate) version: i64,
    /// The spending of the period, if that was changed.
    pub(crate) used: Option<u64>,
}

/// The record of a change.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) number: i64,
    pub(crate) at: UnixMillis,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) target: Option<String>,
    pub(crate) before: Option<Seen>,
    pub(crate) after: Option<Seen>,
    pub(crate) reason: Option<String>,
}

/// A question for records.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) limit: usize,
    /// Only records that are older than this one.
    pub(crate) after: Option<i64>,
    /// Only records that are newer than this one.
    pub(crate) before: Option<i64>,
    pub(crate) target: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) action: Option<String>,
}

/// Records, the newest first.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) changes: Vec<Change>,
    pub(crate) has_more: bool,
}

/// Reads all limits. What is known about the default of one is kept.
pub(super) fn load(db: &Connection, known: &Table) -> rusqlite::Result<Table> {
    let defaults = known.all().iter();
    let defaults: HashMap<&str, &Arc<AtomicU64>> =
        defaults.map(|live| (&*live.id, &live.default)).collect();
    let mut select = db.prepare(&format!("SELECT {LIMIT} FROM live_limits ORDER BY number"))?;
    let all = select.query_map([], |row| {
        let mut live = limit(row)?;
        if let Some(default) = defaults.get(&*live.id) {
            live.default = Arc::clone(default);
        }
        Ok(live)
    })?;
    Ok(Table::new(all.collect::<rusqlite::Result<_>>()?))
}

/// Returns the number of limits.
pub(super) fn count(db: &Connection) -> rusqlite::Result<usize> {
    db.query_row("SELECT count(*) FROM live_limits", [], |row| {
        row.get::<_, i64>(0)
    })
    .map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}

/// Returns the limit on an account, window and unit.
pub(super) fn of_key(db: &Connection, key: &Key) -> rusqlite::Result<Option<Live>> {
    let select =
        format!("SELECT {LIMIT} FROM live_limits WHERE account = ?1 AND window = ?2 AND unit = ?3");
    let named = (&*key.account, key.window.to_string(), key.unit.code());
    db.query_row(&select, named, limit).optional()
}

/// Returns the limit with an id.
pub(super) fn of_id(db: &Connection, id: &str) -> rusqlite::Result<Option<Live>> {
    let select = format!("SELECT {LIMIT} FROM live_limits WHERE id = ?1");
    db.query_row(&select, [id], limit).optional()
}

/// Writes a limit, in the place of an earlier version.
pub(super) fn write(db: &Transaction<'_>, live: &Live) -> rusqlite::Result<()> {
    let values = (
        &*live.id,
        &*live.key.account,
        live.key.window.to_string(),
        live.key.unit.code(),
        json(&live.terms)?,
        live.created.0,
        live.updated.0,
        live.version,
    );
    db.execute(
        "INSERT INTO live_limits (id, account, window, unit, terms, created_unix_ms, updated_unix_ms, version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET
         terms = excluded.terms, updated_unix_ms = excluded.updated_unix_ms, version = excluded.version",
        values,
    )?;
    Ok(())
}

/// Removes a limit.
pub(super) fn remove(db: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM live_limits WHERE id = ?1", [id])?;
    Ok(())
}

/// Writes the record of a change. Returns its number.
pub(super) fn note(
    db: &Transaction<'_>,
    request: &Request,
    (before, after): &(Option<Seen>, Option<Seen>),
    now: UnixMillis,
) -> rusqlite::Result<i64> {
    let about = after.as_ref().or(before.as_ref());
    let once = request.once.as_ref();
    let values = (
        now.0,
        &request.actor,
        request.change.name(),
        about.and_then(|seen| seen.id.as_deref()),
        about.map_or("", |seen| &seen.account),
        before.as_ref().map(json).transpose()?,
        after.as_ref().map(json).transpose()?,
        &request.reason,
        once.map(|once| &once.key),
        once.map(|once| &once.digest),
    );
    db.execute(
        "INSERT INTO live_limit_changes (at_unix_ms, actor, action, target, account, before, after, reason, once, digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        values,
    )?;
    Ok(db.last_insert_rowid())
}

/// Returns the hash of an earlier request of this name, and the limit after it.
pub(super) fn made(
    db: &Connection,
    actor: &str,
    once: &str,
) -> rusqlite::Result<Option<(String, Seen)>> {
    db.query_row(
        "SELECT digest, coalesce(after, before), number FROM live_limit_changes WHERE actor = ?1 AND once = ?2",
        (actor, once),
        |row| {
            let seen: Seen = parsed(row, 1)?;
            // The number of a change is the version of its limit.
            let version = if seen.used.is_none() { row.get(2)? } else { seen.version };
            Ok((row.get(0)?, Seen { version, ..seen }))
        },
    )
    .optional()
}

/// Answers a question for records.
pub(super) fn audit(db: &Connection, asked: &Asked) -> rusqlite::Result<Answer> {
    let newest_first = asked.before.is_none();
    let order = if newest_first { "DESC" } else { "ASC" };
    let mut select = db.prepare(&format!(
        "SELECT number, at_unix_ms, actor, action, target, before, after, reason FROM live_limit_changes
         WHERE (?1 IS NULL OR number < ?1) AND (?2 IS NULL OR number > ?2)
         AND (?3 IS NULL OR target = ?3) AND (?4 IS NULL OR account = ?4)
         AND (?5 IS NULL OR actor = ?5) AND (?6 IS NULL OR action = ?6)
         ORDER BY number {order} LIMIT ?7"
    ))?;
    let most = i64::try_from(asked.limit.saturating_add(1)).unwrap_or(i64::MAX);
    let wanted = (
        asked.after,
        asked.before,
        &asked.target,
        &asked.account,
        &asked.actor,
        &asked.action,
        most,
    );
    let found = select.query_map(wanted, |row| {
        Ok(Change {
            number: row.get(0)?,
            at: UnixMillis(row.get(1)?),
            actor: row.get(2)?,
            action: row.get(3)?,
            target: row.get(4)?,
            before: maybe(row, 5)?,
            after: maybe(row, 6)?,
            reason: row.get(7)?,
        })
    })?;
    let mut changes: Vec<Change> = found.collect::<rusqlite::Result<_>>()?;
    let has_more = changes.len() > asked.limit;
    changes.truncate(asked.limit);
    if !newest_first {
        changes.reverse();
    }
    Ok(Answer { changes, has_more })
}

fn limit(row: &Row<'_>) -> rusqlite::Result<Live> {
    let window: String = row.get(3)?;
    let unit: String = row.get(4)?;
    let account: String = row.get(2)?;
    let id: String = row.get(1)?;
    Ok(Live {
        number: row.get(0)?,
        id: id.into(),
        key: Key {
            account: account.into(),
            window: Window::parse(&window).map_err(|error| bad(3, error))?,
            unit: Unit::parse(&unit).map_err(|error| bad(4, error))?,
        },
        terms: parsed(row, 5)?,
        created: UnixMillis(row.get(6)?),
        updated: UnixMillis(row.get(7)?),
        version: row.get(8)?,
        default: Arc::new(UNLIMITED.into()),
    })
}

pub(super) fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn parsed<T: for<'a> Deserialize<'a>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| bad(column, error))
}

pub(super) fn maybe<T: for<'a> Deserialize<'a>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    match row.get::<_, Option<String>>(column)? {
        Some(_) => parsed(row, column).map(Some),
        None => Ok(None),
    }
}

pub(super) fn bad(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

// === impl Seen ===

impl Seen {
    /// Returns what a record shows of a limit.
    pub(super) fn of(live: &Live) -> Self {
        Self {
            id: Some(live.id.to_string()),
            terms: live.terms,
            created: Some(live.created),
            updated: Some(live.updated),
            version: live.version,
            ..Self::of_key(&live.key)
        }
    }

    /// Returns what a record shows where there is no live limit.
    pub(super) fn of_key(key: &Key) -> Self {
        Self {
            id: None,
            account: key.account.to_string(),
            window: key.window,
            unit: key.unit,
            terms: Terms::default(),
            created: None,
            updated: None,
            version: 0,
            used: None,
        }
    }

    /// Adds the spending of the period.
    pub(super) fn with_used(self, used: Option<u64>) -> Self {
        Self { used, ..self }
    }
}
