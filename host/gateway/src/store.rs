//! What has to outlive the process: one `SQLite` database in the state directory.
//!
//! Two processes may have it open at once, which is what a hand-over needs. What a call wrote is on the disk when the call
//! returns (WAL with `synchronous = FULL`). Calls run one after another on a blocking thread, never on a request worker;
//! another process in the middle of a write is waited for up to [`BUSY`].

mod closed;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use self::closed::{keep_private, make};

/// The database's name in the state directory.
const FILE: &str = "state.db";

/// How long a call waits for another process's write.
const BUSY: Duration = Duration::from_secs(5);

/// A step that brings the database from one version to the next, as SQL. A released step never changes; new tables are new
/// steps at the end of the list.
pub(crate) type Migration = &'static str;

/// Connections for what is only read. Calls are short, so a few are enough, and a call that is not waits for itself.
const READERS: usize = 4;

/// The database. Cheap to clone; all clones use one connection to write by, and a few to read by.
#[derive(Clone)]
pub(crate) struct State {
    connection: Arc<Mutex<Connection>>,
    readers: Arc<[Mutex<Connection>]>,
    /// What the last call failed with; none when it succeeded.
    trouble: Arc<ArcSwapOption<String>>,
}

/// Why the state could not be had. It is the operator's to mend; nothing of a request stands in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// The directory or the database can't be opened.
    #[error("the state in {path} can't be opened: {reason}")]
    Open {
        /// The database.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// It was written by a newer version of the gateway.
    #[error(
        "the state in {path} is of version {found}, this gateway knows versions up to {known}: start the newer gateway"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The newest version that is known here.
        known: usize,
    },
    /// The database refused a call: the disk is full, or another process held it for too long.
    #[error("the state can't be read or written: {0}")]
    Refused(#[from] rusqlite::Error),
    /// The call did not come to its end.
    #[error("the state's thread stopped in the middle of a call")]
    Stopped,
}

// === impl State ===

impl State {
    /// Opens the database in `directory`, which is made if it is not there, and brings it up to date. Blocks.
    ///
    /// # Errors
    ///
    /// The directory can't be written, the database is damaged, or a newer gateway made it.
    pub(crate) fn open(directory: &Path, migrations: &[Migration]) -> Result<Self, StateError> {
        let path = directory.join(FILE);
        let failed = |reason: String| StateError::Open {
            path: path.clone(),
            reason,
        };
        make(directory).map_err(|error| failed(error.to_string()))?;
        keep_private(&path).map_err(|error| failed(error.to_string()))?;
        let mut connection = connect(&path).map_err(|error| failed(error.to_string()))?;
        let found =
            migrate(&mut connection, migrations).map_err(|error| failed(error.to_string()))?;
        if found > migrations.len() {
            return Err(StateError::Newer {
                path,
                found,
                known: migrations.len(),
            });
        }
        let readers = (0..READERS).map(|_| reader(&path).map(Mutex::new));
        let readers: rusqlite::Result<_> = readers.collect();
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            readers: readers.map_err(|error| failed(error.to_string()))?,
            trouble: Arc::new(ArcSwapOption::empty()),
        })
    }

    /// What the last call failed with, as long as none has succeeded since: readiness says so.
    pub(crate) fn trouble(&self) -> Option<Arc<String>> {
        self.trouble.load_full()
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
    ) -> Result<T, StateError> {
        let connection = Arc::clone(&self.connection);
        self.run(move || f(&mut connection.lock())).await
    }

    /// Runs `f`, which only reads, on a blocking thread and on a connection of its own: it waits for no call that writes.
    /// It sees what every call has written that has returned.
    ///
    /// # Errors
    ///
    /// The database refused, or `f` panicked.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StateError> {
        let readers = Arc::clone(&self.readers);
        self.run(move || {
            let free = readers.iter().find_map(|reader| reader.try_lock());
            match (free, readers.first()) {
                (Some(reader), _) => f(&reader),
                (None, Some(reader)) => f(&reader.lock()),
                (None, None) => Err(rusqlite::Error::InvalidQuery),
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StateError> {
        let called = match tokio::task::spawn_blocking(f).await {
            Ok(called) => called.map_err(StateError::Refused),
            Err(_) => Err(StateError::Stopped),
        };
        match &called {
            Ok(_) if self.trouble.load().is_none() => {}
            Ok(_) => self.trouble.store(None),
            Err(error) => self.trouble.store(Some(Arc::new(error.to_string()))),
        }
        called
    }
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Applies the migrations the database has not had, and returns its version.
fn migrate(connection: &mut Connection, migrations: &[Migration]) -> rusqlite::Result<usize> {
    // Taken at once, so that of two processes that start together one waits for the other.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken: usize = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for step in migrations.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    let now = taken.max(migrations.len());
    transaction.pragma_update(None, "user_version", now)?;
    transaction.commit()?;
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNERS: Migration =
        "CREATE TABLE owners (kind TEXT, id TEXT, owner TEXT, since_unix_ms INTEGER)";

    fn open(directory: &Path) -> Result<State, StateError> {
        State::open(directory, &[OWNERS])
    }

    #[tokio::test]
    async fn a_state_that_fails_is_in_trouble_until_a_call_succeeds() {
        let folder = tempfile::tempdir().unwrap();
        let state = open(folder.path()).unwrap();
        assert_eq!(state.trouble(), None, "nothing has failed");
        let failed = state.call(|db| db.execute("INSERT INTO nowhere VALUES (1)", ()));
        assert!(failed.await.is_err(), "there is no such table");
        let trouble = state.trouble().expect("it is said");
        assert!(trouble.contains("nowhere"), "with the reason: {trouble}");
        let read = state.call(|db| db.query_row("SELECT 1", (), |row| row.get::<_, i64>(0)));
        assert_eq!(read.await.unwrap(), 1, "the next call succeeds");
        assert_eq!(state.trouble(), None, "and that is that");
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
        let state = open(folder.path()).unwrap();
        let refused = state.call(|db| db.execute("NOT SQL", [])).await;
        assert!(
            matches!(refused, Err(StateError::Refused(_))),
            "the database says no: {refused:?}"
        );
        let stopped = state
            .call(|_| -> rusqlite::Result<()> { panic!("on purpose") })
            .await;
        assert!(
            matches!(stopped, Err(StateError::Stopped)),
            "a panic stays in its call: {stopped:?}"
        );
        let one: i64 = state
            .call(|db| db.query_row("SELECT 1", [], |row| row.get(0)))
            .await
            .unwrap();
        assert_eq!(one, 1, "the next call is served");
    }

    #[tokio::test]
    async fn what_is_read_waits_for_no_call_and_can_write_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let state = open(folder.path()).unwrap();
        let (go_on, held) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let writer = state.clone();
        let writing = tokio::spawn(async move {
            let call = writer.call(move |_| {
                let _ = begun.send(());
                let _ = held.recv();
                Ok(())
            });
            call.await
        });
        begins.await.expect("the call has begun");
        let read = state.read(|db| {
            db.query_row("SELECT count(*) FROM owners", (), |row| {
                row.get::<_, i64>(0)
            })
        });
        assert_eq!(read.await.unwrap(), 0, "it is read meanwhile");
        let written = state.read(|db| db.execute("DELETE FROM owners", ())).await;
        assert!(written.is_err(), "a reader can't write: {written:?}");
        go_on.send(()).expect("the call waits");
        writing.await.unwrap().expect("it ends well");
    }

    #[test]
    fn a_newer_state_and_a_damaged_one_are_refused_with_the_reason() {
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
