//! The log: the seam between a ledger's lock and the disk.

mod keeper;
mod lease;
mod options;
mod recorder;
mod run;
mod stats;
mod writer;

use std::pin::pin;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::timeout;
use witgate_ledger::{Ledger, Position};

use self::keeper::Keeper;
use self::run::Run;
use self::stats::Counters;
use self::writer::Writer;
use crate::disk::Disk;

pub use self::lease::Lease;
pub use self::options::Options;
pub use self::stats::Stats;

/// A write that takes longer than this makes further requests wait for the log's thread instead of writing themselves, so
/// that a slow disk costs no more than one worker.
const SLOW: Duration = Duration::from_millis(20);

/// Turns that a request leaves to others of its thread before it waits to be woken. In the first one they note their steps, which one
/// write then takes. In the others a write of another thread ends, which costs less than waking this one.
const TURNS: usize = 8;

/// Time after which a request that waits for another's write tries again by itself.
const WRITE: Duration = Duration::from_millis(5);

/// The journal of a ledger. Dropping it writes what is buffered and syncs.
pub struct Log {
    shared: Arc<Shared>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// The state of a log's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Steps are written and synced in time.
    Well,
    /// Steps are late, or can't be written at all.
    Failing(Failing),
}

/// The reason why steps can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failing(pub Arc<str>);

/// The state that requests, the ledger and the thread share.
struct Shared {
    ledger: Weak<Ledger>,
    disk: Box<dyn Disk>,
    options: Options,
    writer: Mutex<Writer>,
    /// Held by the one that syncs, so that what it has synced is counted once. Taken before the writer.
    syncing: Mutex<()>,
    /// The last step that was written.
    written: AtomicU64,
    /// The last step that was synced.
    synced: AtomicU64,
    /// The reason why the disk refuses, or `None` while it does not.
    failing: Mutex<Option<Failing>>,
    is_failing: AtomicBool,
    /// True while writes are slow.
    is_slow: AtomicBool,
    /// True if there are steps that were not synced.
    is_dirty: AtomicBool,
    /// True while the thread waits to be woken by a step.
    is_asleep: AtomicBool,
    /// True while written steps that are not synced have spent more than the lease.
    is_exposed: AtomicBool,
    /// True if the next sync is not to be put off.
    is_pressed: AtomicBool,
    is_stopping: AtomicBool,
    /// True while the log may begin neither an epoch nor a segment.
    is_pinned: AtomicBool,
    write_runs: Run,
    sync_runs: Run,
    /// Notified after each write, and when the disk begins to refuse.
    news: Notify,
    keeper: Mutex<Option<Thread>>,
    counters: Counters,
}

// === impl Log ===

impl Log {
    /// Begins a journal of the ledger as it is now, in the epoch after this one: writes a snapshot of it, removes older files,
    /// and hears of every step from then on. Blocks.
    ///
    /// # Errors
    ///
    /// The disk refuses, or the system has no thread to give. The ledger is not journalled then, and older files stay.
    pub fn begin(
        ledger: &Arc<Ledger>,
        disk: Box<dyn Disk>,
        after: u64,
        options: Options,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            ledger: Arc::downgrade(ledger),
            disk,
            options,
            writer: Mutex::new(Writer::new(after)),
            syncing: Mutex::new(()),
            written: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            failing: Mutex::new(None),
            is_failing: AtomicBool::new(false),
            is_slow: AtomicBool::new(false),
            is_dirty: AtomicBool::new(false),
            is_asleep: AtomicBool::new(false),
            is_exposed: AtomicBool::new(false),
            is_pressed: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            is_pinned: AtomicBool::new(false),
            write_runs: Run::default(),
            sync_runs: Run::default(),
            news: Notify::new(),
            keeper: Mutex::new(None),
            counters: Counters::default(),
        });
        let begun = shared.rebase().and_then(|()| Keeper::start(&shared));
        let keeper = begun.inspect_err(|_| ledger.detach())?;
        Ok(Self {
            shared,
            keeper: Mutex::new(Some(keeper)),
        })
    }

    /// Waits until the step at `through`, and all before it, survive the process, and until a loss of power would forget no
    /// more than the lease. Almost always it writes the steps itself, together with those of other requests that the thread has
    /// ready, and they are within the lease.
    /// Does not wait once the log is closed, because then another process keeps the journal.
    ///
    /// # Errors
    ///
    /// The disk refuses, or takes too long. The steps stay in memory, and are written once it is well again.
    pub async fn written(&self, through: Position) -> Result<(), Failing> {
        let shared = &self.shared;
        let mut turns = 0;
        let mut waiting = None;
        loop {
            if shared.may_go_on(through) {
                return Ok(());
            }
            if let Some(failing) = shared.failing() {
                return Err(failing);
            }
            let is_first = turns == 0;
            if !is_first && !shared.has_written(through) && shared.try_write() {
                continue;
            }
            if turns < TURNS && !shared.needs_thread() {
                turns += 1;
                yield_now().await;
                continue;
            }
            let mut news = pin!(shared.news.notified());
            // Heard from here on: a write that ended since the attempt is not waited for.
            news.as_mut().enable();
            if shared.may_go_on(through) || !shared.has_written(through) && shared.try_write() {
                continue;
            }
            let began = *waiting.get_or_insert_with(Instant::now);
            let left = shared.options.patience.saturating_sub(began.elapsed());
            let wait = if shared.needs_thread() {
                shared.press();
                left
            } else {
                // Another thread writes at this moment, and tells when it has.
                left.min(WRITE)
            };
            if timeout(wait, news).await.is_err() && wait == left {
                return Err(shared.failing().unwrap_or_else(|| shared.too_slow()));
            }
        }
    }

    /// Writes every step so far. Blocks.
    ///
    /// # Errors
    ///
    /// The disk refuses. The steps stay in memory.
    pub fn write(&self) -> Result<(), Failing> {
        self.shared.write(self.shared.writer.lock());
        self.shared.failing().map_or(Ok(()), Err)
    }

    /// Writes and syncs every step so far. Blocks.
    ///
    /// # Errors
    ///
    /// The disk refuses. The steps stay in memory.
    pub fn sync(&self) -> Result<(), Failing> {
        self.write()?;
        self.shared.sync();
        self.shared.failing().map_or(Ok(()), Err)
    }

    /// Begins a new epoch with a snapshot of the ledger, which has inherited balances since the log began. Blocks. If the disk
    /// refuses, the thread tries again.
    pub fn renew(&self) {
        if let Err(error) = self.shared.rebase() {
            let reason = format!("a snapshot of the ledger can't be written: {error}");
            self.shared.fail(&reason);
        }
    }

    /// Returns whether steps are written and synced in time.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.failing().map_or(Health::Well, Health::Failing)
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Has the log stay in its epoch, which it returns, and in its segment: another process is about to begin one after it.
    pub fn pin(&self) -> u64 {
        self.shared.is_pinned.store(true, Release);
        self.shared.writer.lock().epoch
    }

    /// Lets the log begin epochs and segments again.
    pub fn unpin(&self) {
        self.shared.is_pinned.store(false, Release);
    }

    /// Lets another process begin an epoch of its own, while this one goes on in the epoch that it is pinned to, and has marked
    /// ([`crate::Mark`]).
    ///
    /// # Errors
    ///
    /// The system refuses. The other process can begin once this one has ended.
    pub fn release(&self) -> std::io::Result<()> {
        self.shared.disk.release()
    }

    /// Stops hearing of steps, writes and syncs what there is, and lets go of the files. Blocks. Later calls do nothing.
    pub fn close(&self) {
        let Some(keeper) = self.keeper.lock().take() else {
            return;
        };
        if let Some(ledger) = self.shared.ledger.upgrade() {
            ledger.detach();
        }
        self.shared.is_stopping.store(true, Release);
        self.shared.wake();
        if keeper.join().is_err() {
            tracing::error!("the thread of the ledger's journal panicked");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

// === impl Shared ===

impl Shared {
    /// Returns whether a request whose last step is at `through` may go on.
    fn may_go_on(&self, through: Position) -> bool {
        // The flag is set before the step counts as written.
        self.has_written(through) && !self.is_exposed.load(Acquire)
            || self.is_stopping.load(Relaxed)
    }

    fn has_written(&self, through: Position) -> bool {
        self.written.load(Acquire) >= through.sequence
    }

    /// Writes all that is buffered, unless another thread writes or writes are slow. Returns whether it tried.
    fn try_write(&self) -> bool {
        if self.is_slow.load(Relaxed) {
            return false;
        }
        let writer = self.writer.try_lock();
        writer.map(|writer| self.write(writer)).is_some()
    }

    /// Writes all that is buffered.
    fn write(&self, mut writer: MutexGuard<'_, Writer>) {
        if self.is_failing.load(Relaxed) {
            return;
        }
        let before = Instant::now();
        self.write_runs.begin(before);
        let written = writer.write(self);
        drop(writer);
        self.write_runs.end();
        let took = before.elapsed();
        if took > SLOW && !self.is_slow.swap(true, Relaxed) {
            tracing::warn!(
                millis = took.as_millis(),
                "a write to the ledger's journal took long; requests wait for its thread until writes are fast again"
            );
        }
        if let Err(error) = written {
            self.fail(&format!("the ledger's journal can't be written: {error}"));
        }
        self.news.notify_waiters();
    }

    /// Returns the reason why steps are not written, or `None`.
    fn failing(&self) -> Option<Failing> {
        if self.is_failing.load(Acquire) {
            return self.failing.lock().clone();
        }
        self.is_stuck().then(|| self.too_slow())
    }

    fn fail(&self, reason: &str) {
        let mut failing = self.failing.lock();
        if failing.is_none() {
            tracing::error!("{reason}");
        }
        *failing = Some(Failing(reason.into()));
        self.is_failing.store(true, Release);
        self.counters.failures.fetch_add(1, Relaxed);
        // For requests that wait for a sync.
        self.news.notify_waiters();
        self.wake();
    }

    fn recover(&self) {
        *self.failing.lock() = None;
        self.is_failing.store(false, Release);
        self.news.notify_waiters();
        tracing::info!("the ledger's journal is written again");
    }

    /// Returns whether a write or a sync has been running for too long.
    fn is_stuck(&self) -> bool {
        let patience = self.options.patience;
        let mut runs = [&self.write_runs, &self.sync_runs].into_iter();
        runs.any(|run| run.is_running() && run.is_late(patience, Instant::now()))
    }

    fn too_slow(&self) -> Failing {
        let patience = self.options.patience.as_millis();
        Failing(
            format!("the disk of the ledger's journal takes more than {patience} ms for a write")
                .into(),
        )
    }

    /// Returns whether a request that waits does so for the thread: for a sync, or because writes are slow.
    fn needs_thread(&self) -> bool {
        self.is_exposed.load(Acquire) || self.is_slow.load(Relaxed)
    }

    /// Has the thread write and sync as soon as it can.
    fn press(&self) {
        self.is_pressed.store(true, Release);
        self.wake();
    }

    /// Wakes the thread.
    fn wake(&self) {
        self.is_dirty.store(true, Release);
        if let Some(keeper) = &*self.keeper.lock() {
            keeper.unpark();
        }
    }
}
