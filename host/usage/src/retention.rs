//! The age at which sums are deleted. Longer grains have the same sums, so only precision goes.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use witgate_ledger::Zone;

use crate::grain::Grain;
use crate::series::{Detail, Room};

/// Days for which sums are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Days of sums by minute.
    pub minutes: u32,
    /// Days of sums by hour.
    pub hours: u32,
    /// Days of sums by day.
    pub days: u32,
    /// Days of sessions, and of sums by session and agent.
    pub sessions: u32,
    /// Room for each tenant.
    pub room: Room,
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Rows that are deleted in one transaction, so that no receipt waits for long.
const AT_ONCE: usize = 10_000;

// === impl Keep ===

impl Keep {
    /// Returns the days for which sums of a grain are kept, or `None` for ever.
    pub(crate) fn of(&self, detail: Detail, grain: Grain) -> Option<u32> {
        match (detail, grain) {
            (_, Grain::Minute) => Some(self.minutes),
            (Detail::Without, Grain::Hour) => Some(self.hours),
            (Detail::With, Grain::Hour) => Some(self.hours.min(self.sessions)),
            (Detail::Without, Grain::Day) => Some(self.days),
            (Detail::With, Grain::Day | Grain::Month | Grain::Year) => Some(self.sessions),
            (Detail::Without, Grain::Month | Grain::Year) => None,
        }
    }
}

/// Deletes what is too old, once an hour. Returns the number of rows that were deleted.
///
/// # Errors
///
/// The database can't be written.
pub fn clean(
    db: &mut Connection,
    keep: &Keep,
    zone: Zone,
    now_unix_ms: i64,
) -> rusqlite::Result<usize> {
    let hour = now_unix_ms.div_euclid(HOUR_MS);
    let last: Option<i64> = db
        .query_row(
            "SELECT value FROM facts WHERE name = 'cleaned'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if last == Some(hour) {
        return Ok(0);
    }
    let mut deleted = 0;
    for (detail, grain) in [
        (Detail::Without, Grain::Minute),
        (Detail::Without, Grain::Hour),
        (Detail::Without, Grain::Day),
        (Detail::With, Grain::Hour),
        (Detail::With, Grain::Day),
    ] {
        let Some(days) = keep.of(detail, grain) else {
            continue;
        };
        let before = grain.bucket(zone, now_unix_ms.saturating_sub(i64::from(days) * DAY_MS));
        deleted += delete(
            db,
            "DELETE FROM rollups WHERE grain = ?1 AND detail = ?2 AND bucket = (SELECT min(bucket) FROM rollups \
             WHERE grain = ?1 AND detail = ?2 AND bucket < ?3)",
            (grain.code(), detail.code(), before),
        )?;
    }
    let before = now_unix_ms.saturating_sub(i64::from(keep.sessions) * DAY_MS);
    deleted += delete(
        db,
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE last_unix_ms < ?1 LIMIT ?2)",
        (before, AT_ONCE),
    )?;
    deleted += db.execute(
        "DELETE FROM rooms WHERE detail = 1 AND day < ?1",
        [Grain::Day.bucket(zone, now_unix_ms) - 1],
    )?;
    if last.map(|last| last.div_euclid(24)) != Some(hour.div_euclid(24)) {
        deleted += forget(db)?;
    }
    db.execute(
        "INSERT OR REPLACE INTO facts VALUES ('cleaned', ?1)",
        [hour],
    )?;
    Ok(deleted)
}

/// Deletes rows, some at a time, until there are none.
fn delete(
    db: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params + Copy,
) -> rusqlite::Result<usize> {
    let mut all = 0;
    loop {
        match db.prepare_cached(sql)?.execute(parameters)? {
            0 => return Ok(all),
            some => all += some,
        }
    }
}

/// Deletes details without sums, and names without a series.
fn forget(db: &mut Connection) -> rusqlite::Result<usize> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let details = transaction.execute(
        "DELETE FROM series WHERE detail = 1 AND id NOT IN (SELECT series FROM rollups WHERE detail = 1)",
        [],
    )?;
    let columns = "tenant key user model upstream session agent m1 m2 m3 m4 m5 m6 m7 m8";
    let used: Vec<_> = columns
        .split(' ')
        .map(|column| format!("SELECT {column} FROM series"))
        .collect();
    let names = transaction.execute(
        &format!(
            "DELETE FROM names WHERE id NOT IN ({})",
            used.join(" UNION ")
        ),
        [],
    )?;
    transaction.commit()?;
    Ok(details + names)
}
