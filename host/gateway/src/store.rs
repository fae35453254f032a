//! The gateway's `SQLite` database: opens it, migrates it, and runs calls on it. It knows no table.
//!
//! With a `[state]` directory the database outlives the process, and two processes may have it open at once, which is what
//! an upgrade needs: what a call wrote is on disk when the call returns (WAL with `synchronous = FULL`). Without one, the
//! database is in memory and ends with the process. Calls run one after another on a blocking thread, never on a request
//! worker, and wait up to [`BUSY_TIMEOUT`] for a write of another process.

mod permissions;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use self::permissions::{create_private_dir, create_private_file};

/// Name of the database in the state directory.
const FILE: &str = "state.db";

/// Time that a call waits for a write of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections for calls that only read. Reads are short, so a few are enough.
const READERS: usize = 4;

/// A step that brings the database from one version to the next, as SQL. A released step never changes; new tables are new
/// steps at the end of the list.
pub(crate) type Migration = &'static str;

/// The database. Clones share its connections: one for writing, and a few for reading.
#[derive(Clone)]
pub(crate) struct Store {
    durability: Durability,
    writer: Arc<Mutex<Connection>>,
    /// Connections for reading; without any, the writer serves reads too.
    readers: Arc<[Mutex<Connection>]>,
    /// The error of the last call, or `None` if it succeeded.
    last_error: Arc<ArcSwapOption<String>>,
}

/// Lifetime of what a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// On disk: outlives the process.
    Disk,
    /// In memory: ends with the process.
    Process,
}

/// A failure of the store. It is the operator's to mend, and its text contains nothing of a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The directory or the database can't be opened.
    #[error("the state database {path} can't be opened: {reason}")]
    Open {
        /// The database.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A newer version of the gateway has migrated the database.
    #[error(
        "the state database {path} has version {found}, and this gateway supports versions up to {known}: start the newer gateway"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The version of the database.
        found: usize,
        /// The newest version that this gateway supports.
        known: usize,
    },
    /// The database refused a call: the disk is full, or another process held it for too long.
    #[error("the state database can't be read or written: {0}")]
    Refused(#[from] rusqlite::Error),
    /// The call panicked.
    #[error("a call to the state database panicked")]
    Stopped,
}

/// Returns the path of the database in a directory.
pub(crate) fn file(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

// === impl Store ===

impl Store {
    /// Opens the database in `directory`, which is created if it does not exist, and migrates it. Blocks.
    ///
    /// # Errors
    ///
    /// The directory can't be written, the database is damaged, or a newer gateway has migrated it.
    pub(crate) fn open(directory: &Path, migrations: &[Migration]) -> Result<Self, StoreError> {
        let path = file(directory);
        let failed = |reason: String| StoreError::Open {
            path: path.clone(),
            reason,
        };
        create_private_dir(directory).map_err(|error| failed(error.to_string()))?;
        create_private_file(&path).map_err(|error| failed(error.to_string()))?;
        let mut writer = open_writer(&path).map_err(|error| failed(error.to_string()))?;
        let version =
            migrate(&mut writer, migrations).map_err(|error| failed(error.to_string()))?;
        if version > migrations.len() {
            return Err(StoreError::Newer {
                path,
                found: version,
                known: migrations.len(),
            });
        }
        let readers = (0..READERS).map(|_| open_reader(&path).map(Mutex::new));
        let readers: rusqlite::Result<_> = readers.collect();
        let readers = readers.map_err(|error| failed(error.to_string()))?;
        Ok(Self::new(Durability::Disk, writer, readers))
    }

    /// Opens an empty database in memory.
    ///
    /// # Errors
    ///
    /// A migration is no valid SQL.
    pub(crate) fn in_memory(migrations: &[Migration]) -> Result<Self, StoreError> {
        let mut writer = Connection::open_in_memory()?;
        migrate(&mut writer, migrations)?;
        Ok(Self::new(Durability::Process, writer, Arc::from([])))
    }

    fn new(durability: Durability, writer: Connection, readers: Arc<[Mutex<Connection>]>) -> Self {
        Self {
            durability,
            writer: Arc::new(Mutex::new(writer)),
            readers,
            last_error: Arc::new(ArcSwapOption::empty()),
        }
    }

    /// Returns the lifetime of what the store holds.
    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// Returns the error of the last call, or `None` if it succeeded. The readiness page reports it.
    pub(crate) fn last_error(&self) -> Option<Arc<String>> {
        self.last_error.load_full()
    }

    /// Runs `f` on a blocking thread. What it wrote is durable when this returns. Dropping the future does not undo it. If `f`
    /// panics, its transaction is rolled back and the connection serves the next call.
    ///
    /// # Errors
    ///
    /// The database refused, or `f` panicked.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = Arc::clone(&self.writer);
        self.run(move || f(&mut writer.lock())).await
    }

    /// Runs `f` on this thread, which may block. What it wrote is durable when this returns.
    ///
    /// # Errors
    ///
    /// The database refused.
    pub(crate) fn call_blocking<T>(
        &self,
        f: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        f(&mut self.writer.lock()).map_err(StoreError::Refused)
    }

    /// Runs `f`, which only reads, on a blocking thread. On disk it has a connection of its own and waits for no write. It
    /// sees what every call wrote that has returned.
    ///
    /// # Errors
    ///
    /// The database refused, or `f` panicked.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (readers, writer) = (Arc::clone(&self.readers), Arc::clone(&self.writer));
        self.run(move || {
            let free = readers.iter().find_map(Mutex::try_lock);
            match free {
                Some(reader) => f(&reader),
                None => f(&readers.first().unwrap_or(&writer).lock()),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let result = match tokio::task::spawn_blocking(f).await {
            Ok(result) => result.map_err(StoreError::Refused),
            Err(_) => Err(StoreError::Stopped),
        };
        match &result {
            Ok(_) if self.last_error.load().is_none() => {}
            Ok(_) => self.last_error.store(None),
            Err(error) => self.last_error.store(Some(Arc::new(error.to_string()))),
        }
        result
    }
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Applies the migrations the database has not had, and returns its version.
fn migrate(connection: &mut Connection, migrations: &[Migration]) -> rusqlite::Result<usize> {
    // The lock is taken at once, so that of two processes that start together one waits for the other.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken: usize = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for step in migrations.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    let version = taken.max(migrations.len());
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNERS: Migration =
        "CREATE TABLE owners (kind TEXT, id TEXT, owner TEXT, since_unix_ms INTEGER)";

    fn open(directory: &Path) -> Result<Store, StoreError> {
        Store::open(directory, &[OWNERS])
    }

    #[tokio::test]
    async fn a_store_reports_its_last_error_until_a_call_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        assert_eq!(store.last_error(), None, "nothing has failed");
        let failed = store.call(|db| db.execute("INSERT INTO nowhere VALUES (1)", ()));
        assert!(failed.await.is_err(), "there is no such table");
        let error = store.last_error().expect("an error is reported");
        assert!(error.contains("nowhere"), "with the reason: {error}");
        let read = store.call(|db| db.query_row("SELECT 1", (), |row| row.get::<_, i64>(0)));
        assert_eq!(read.await.unwrap(), 1, "the next call succeeds");
        assert_eq!(store.last_error(), None, "the error is gone");
    }

    #[tokio::test]
    async fn a_store_in_memory_serves_reads_and_writes_and_is_empty_in_the_next_process() {
        let store = Store::in_memory(&[OWNERS]).unwrap();
        let claim = |db: &mut Connection| {
            db.execute(
                "INSERT INTO owners VALUES ('file', 'file_1', 'acme', 1)",
                [],
            )
        };
        store.call(claim).await.unwrap();
        let count = |db: &Connection| {
            db.query_row("SELECT count(*) FROM owners", [], |row| {
                row.get::<_, i64>(0)
            })
        };
        assert_eq!(store.read(count).await.unwrap(), 1, "a read sees the write");
        let other = Store::in_memory(&[OWNERS]).unwrap();
        assert_eq!(other.read(count).await.unwrap(), 0, "nothing is shared");
    }

    #[tokio::test]
    async fn what_a_call_wrote_is_there_for_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let nested = folder.path().join("a/b");
        let one = open(&nested).unwrap();
        let two = open(&nested).unwrap();
        one.call(|db| {
            db.execute(
                "INSERT INTO owners VALUES ('file', 'file_1', 'acme', 1)",
                [],
            )
        })
        .await
        .unwrap();
        let seen: String = two
            .call(|db| db.query_row("SELECT owner FROM owners", [], |row| row.get(0)))
            .await
            .unwrap();
        assert_eq!(seen, "acme", "a process that had it open already sees it");
        drop((one, two));
        let seen: String = open(&nested)
            .unwrap()
            .call(|db| db.query_row("SELECT owner FROM owners", [], |row| row.get(0)))
            .await
            .unwrap();
        assert_eq!(seen, "acme", "and so does one that starts later");
    }

    #[tokio::test]
    async fn a_call_that_fails_or_panics_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        let refused = store.call(|db| db.execute("NOT SQL", [])).await;
        assert!(
            matches!(refused, Err(StoreError::Refused(_))),
            "the database says no: {refused:?}"
        );
        let stopped = store
            .call(|_| -> rusqlite::Result<()> { panic!("on purpose") })
            .await;
        assert!(
            matches!(stopped, Err(StoreError::Stopped)),
            "a panic stays in its call: {stopped:?}"
        );
        let one: i64 = store
            .call(|db| db.query_row("SELECT 1", [], |row| row.get(0)))
            .await
            .unwrap();
        assert_eq!(one, 1, "the next call is served");
    }

    #[tokio::test]
    async fn what_is_read_waits_for_no_call_and_can_write_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).unwrap();
        let (go_on, held) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let writer = store.clone();
        let writing = tokio::spawn(async move {
            let call = writer.call(move |_| {
                let _ = begun.send(());
                let _ = held.recv();
                Ok(())
            });
            call.await
        });
        begins.await.expect("the call has begun");
        let read = store.read(|db| {
            db.query_row("SELECT count(*) FROM owners", (), |row| {
                row.get::<_, i64>(0)
            })
        });
        assert_eq!(read.await.unwrap(), 0, "it is read meanwhile");
        let written = store.read(|db| db.execute("DELETE FROM owners", ())).await;
        assert!(written.is_err(), "a reader can't write: {written:?}");
        go_on.send(()).expect("the call waits");
        writing.await.unwrap().expect("it ends well");
    }

    #[test]
    fn a_newer_database_and_a_damaged_one_are_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        drop(open(folder.path()).unwrap());
        let path = folder.path().join(FILE);
        let other = Connection::open(&path).unwrap();
        other.pragma_update(None, "user_version", 99).unwrap();
        drop(other);
        let newer = open(folder.path()).err().map(|error| error.to_string());
        assert!(
            newer
                .as_deref()
                .is_some_and(|text| text.contains("version 99")),
            "{newer:?}"
        );
        let damaged = tempfile::tempdir().unwrap();
        std::fs::write(
            damaged.path().join(FILE),
            "not a database, but long enough".repeat(64),
        )
        .unwrap();
        let refused = open(damaged.path()).err().map(|error| error.to_string());
        assert!(
            refused
                .as_deref()
                .is_some_and(|text| text.contains("can't be opened")),
            "{refused:?}"
        );
    }
}
