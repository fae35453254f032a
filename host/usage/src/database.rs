//! The database of the roll-ups.
//!
//! It is written by the gateway alone, and by two of them during an upgrade. A commit survives the process and not a loss of
//! power; after one, the receipts are read again from the last commit that is on disk.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::tally::add_years;

/// Time that a write waits for that of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The version of the database that had no sums of years.
const BEFORE_YEARS: usize = 1;

/// The steps from one version of the database to the next. A released step never changes.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE metadata (slot INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        detail INTEGER NOT NULL,
        tenant INTEGER NOT NULL,
        key INTEGER NOT NULL,
        user INTEGER NOT NULL,
        model INTEGER NOT NULL,
        upstream INTEGER NOT NULL,
        session INTEGER NOT NULL,
        agent INTEGER NOT NULL,
        m1 INTEGER NOT NULL, m2 INTEGER NOT NULL, m3 INTEGER NOT NULL, m4 INTEGER NOT NULL,
        m5 INTEGER NOT NULL, m6 INTEGER NOT NULL, m7 INTEGER NOT NULL, m8 INTEGER NOT NULL,
        UNIQUE (detail, tenant, key, user, model, upstream, session, agent, m1, m2, m3, m4, m5, m6, m7, m8)
    ) STRICT;
    CREATE TABLE rooms (
        tenant INTEGER NOT NULL,
        detail INTEGER NOT NULL,
        day INTEGER NOT NULL,
        series INTEGER NOT NULL,
        PRIMARY KEY (tenant, detail, day)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE rollups (
        grain INTEGER NOT NULL,
        detail INTEGER NOT NULL,
        bucket INTEGER NOT NULL,
        series INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        messages INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        client_gone INTEGER NOT NULL,
        input INTEGER NOT NULL,
        output INTEGER NOT NULL,
        cache_read INTEGER NOT NULL,
        cache_write INTEGER NOT NULL,
        crash_tokens INTEGER NOT NULL,
        unpriced INTEGER NOT NULL,
        microusd INTEGER NOT NULL,
        picousd INTEGER NOT NULL,
        latencies BLOB NOT NULL,
        PRIMARY KEY (grain, detail, bucket, series)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sessions (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        tenant TEXT,
        user TEXT,
        first_unix_ms INTEGER NOT NULL,
        last_unix_ms INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        turns INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        microusd INTEGER NOT NULL,
        picousd INTEGER NOT NULL,
        UNIQUE (key, name)
    ) STRICT;
    CREATE INDEX sessions_by_time ON sessions (last_unix_ms);
    CREATE TABLE segments (
        identity BLOB PRIMARY KEY,
        place INTEGER NOT NULL,
        last TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX segments_by_last ON segments (last);
    CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
", "
    CREATE TABLE damaged (path TEXT PRIMARY KEY, error TEXT NOT NULL) STRICT, WITHOUT ROWID;
    -- The number of the last record that was read in a segment with a chain.
    ALTER TABLE segments ADD COLUMN record INTEGER;
    CREATE TABLE keys (key TEXT PRIMARY KEY, last_unix_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE zone (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
    -- An hour has the number of its first minute.
    UPDATE rollups SET bucket = bucket * 60 WHERE grain = 1;
"];

/// A failure of the roll-ups. It is the operator's to mend, and its text contains nothing of a receipt.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The database can't be opened.
    #[error("the usage database {path} can't be opened: {source}")]
    Open {
        /// The database.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// A newer version of the gateway has migrated the database.
    #[error(
        "the usage database {path} has version {found}, and this program supports versions up to {known}: use the newer one"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The version of the database.
        found: usize,
        /// The newest version that this program supports.
        known: usize,
    },
    /// The database refused a call.
    #[error("the usage database can't be read or written: {0}")]
    Refused(#[from] rusqlite::Error),
    /// The answer to a question would take more rows than it may.
    #[error(
        "the question is about too much at once: use a shorter range, or leave out session and agent"
    )]
    TooMuch,
    /// A receipts file can't be read.
    #[error("the receipts in {path} can't be read: {source}")]
    Receipts {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Opens the database for writing, and creates it if it does not exist, for its owner only.
///
/// # Errors
///
/// It can't be written, is damaged, or a newer gateway has migrated it.
pub fn open_writer(path: &Path) -> Result<Connection, UsageError> {
    let failed = |source| UsageError::Open {
        path: path.to_owned(),
        source,
    };
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    made.map_err(|error| failed(rusqlite::Error::ToSqlConversionFailure(error.into())))?;
    let (db, version) = open_and_migrate(path).map_err(failed)?;
    checked(db, version, path)
}

/// Opens an existing database for reading.
///
/// # Errors
///
/// It does not exist, can't be read, or a newer gateway has migrated it.
pub fn open_reader(path: &Path) -> Result<Connection, UsageError> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        let version = version(&db)?;
        Ok((db, version))
    };
    let (db, version) = open().map_err(|source| UsageError::Open {
        path: path.to_owned(),
        source,
    })?;
    checked(db, version, path)
}

fn open_and_migrate(path: &Path) -> rusqlite::Result<(Connection, usize)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.set_prepared_statement_cache_capacity(64);
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken = version(&transaction)?;
    for step in MIGRATIONS.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    if taken == BEFORE_YEARS {
        add_years(&transaction)?;
    }
    let reached = taken.max(MIGRATIONS.len());
    transaction.pragma_update(None, "user_version", reached)?;
    transaction.commit()?;
    Ok((db, reached))
}

fn version(db: &Connection) -> rusqlite::Result<usize> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn checked(db: Connection, version: usize, path: &Path) -> Result<Connection, UsageError> {
    if version > MIGRATIONS.len() {
        return Err(UsageError::Newer {
            path: path.to_owned(),
            found: version,
            known: MIGRATIONS.len(),
        });
    }
    Ok(db)
}
