//! The thread of a log: syncs, writes what no request waits for, begins segments and snapshots, and tries again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use witgate_ledger::UnixMillis;

use super::lease::Spending;
use super::recorder::{Buffer, Recorder};
use super::writer::{Segment, State};
use super::{SLOW, Shared};
use crate::draining::marked;
use crate::file::Name;
use crate::image::Image;
use crate::recover::{OnDamage, names, recover_from};
use crate::snapshot::snapshot;

/// Time after its end for which a period is kept in snapshots, for a clock that is set back.
const KEPT_PAST_END_MILLIS: u64 = 10 * 60_000;

/// Rounds without a step after which the thread sleeps. Until then it looks by itself, so that steps in quick succession need not wake it.
const IDLE_ROUNDS: u32 = 5;

/// The thread of a log.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    /// The snapshot that is being written.
    snapshot: Option<JoinHandle<()>>,
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<JoinHandle<()>> {
        let keeper = Self {
            shared: Arc::clone(shared),
            snapshot: None,
        };
        let thread = std::thread::Builder::new()
            .name("ledger-journal".into())
            .spawn(move || keeper.run())?;
        *shared.keeper.lock() = Some(thread.thread().clone());
        Ok(thread)
    }

    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut idle = IDLE_ROUNDS;
        while !shared.is_stopping.load(Acquire) {
            if shared.is_failing.load(Acquire) {
                std::thread::park_timeout(shared.options.retry);
                shared.retry();
            } else if shared.is_dirty.load(Acquire) {
                self.round();
                shared.pause(shared.options.sync_interval);
                idle = 0;
            } else if idle < IDLE_ROUNDS {
                shared.pause(shared.options.sync_interval);
                idle += 1;
            } else {
                shared.sleep();
            }
        }
        self.round();
        if let Some(writing) = self.snapshot.take() {
            let _ = writing.join();
        }
        if let Err(error) = shared.disk.release() {
            tracing::error!(%error, "the lock of the ledger's journal can't be released before this process ends");
        }
    }

    fn round(&mut self) {
        let shared = &self.shared;
        shared.is_dirty.store(false, Release);
        shared.is_pressed.store(false, Release);
        let before = Instant::now();
        shared.write(shared.writer.lock());
        if before.elapsed() < SLOW && shared.is_slow.swap(false, Relaxed) {
            tracing::info!("writes to the ledger's journal are fast again");
        }
        shared.sync();
        self.rotate();
    }

    /// Begins a new segment if the last one is full, and has the older ones become a snapshot.
    fn rotate(&mut self) {
        let shared = &self.shared;
        if shared.is_failing.load(Acquire)
            || shared.is_pinned.load(Acquire)
            || self
                .snapshot
                .as_ref()
                .is_some_and(|writing| !writing.is_finished())
        {
            return;
        }
        let begun = {
            let _syncing = shared.syncing.lock();
            let mut writer = shared.writer.lock();
            let limit = shared.options.segment_bytes;
            let full = writer.tape.as_ref();
            let Some(full) = full.filter(|last| last.length >= limit) else {
                return;
            };
            // Some of it may have been appended since the last sync, and the next segment may not survive without that. Requests
            // wait meanwhile, for very little.
            shared.sync_runs.begin(Instant::now());
            let synced = full.tape.sync();
            shared.sync_runs.end();
            match synced {
                Ok(()) => Segment::create(shared, writer.epoch).map(|segment| {
                    let unsynced = writer.unsynced;
                    writer.synced(unsynced, shared);
                    writer.tape = Some(segment);
                }),
                Err(error) => {
                    drop(writer);
                    shared.broken(&error);
                    return;
                }
            }
        };
        shared.news.notify_waiters();
        if let Err(error) = begun {
            tracing::warn!(%error, "a new segment of the ledger's journal can't be begun; the last one grows");
            return;
        }
        let sharing = Arc::clone(shared);
        let writing = std::thread::Builder::new()
            .name("ledger-snapshot".into())
            .spawn(move || sharing.compact());
        match writing {
            Ok(writing) => self.snapshot = Some(writing),
            Err(error) => tracing::warn!(%error, "no thread for a snapshot of the ledger"),
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Sleeps until there is something to do, of which the next step tells.
    fn sleep(&self) {
        self.is_asleep.store(true, SeqCst);
        while !self.is_dirty.load(SeqCst)
            && !self.is_failing.load(Acquire)
            && !self.is_stopping.load(Acquire)
        {
            std::thread::park();
        }
        self.is_asleep.store(false, SeqCst);
    }

    /// Waits, unless the log stops meanwhile.
    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now())
            && !left.is_zero()
            && !self.is_stopping.load(Acquire)
            && !self.is_slow.load(Relaxed)
            && !self.is_pressed.load(Acquire)
        {
            std::thread::park_timeout(left);
        }
    }

    /// Syncs what is written.
    pub(super) fn sync(&self) {
        let _syncing = self.syncing.lock();
        let (tape, written, spent) = {
            let writer = self.writer.lock();
            let Some(segment) = &writer.tape else {
                return;
            };
            let written = self.written.load(Acquire);
            (Arc::clone(&segment.tape), written, writer.unsynced)
        };
        // For requests that found the writer taken just now.
        self.news.notify_waiters();
        if written == self.synced.load(Acquire) {
            return;
        }
        let before = Instant::now();
        self.sync_runs.begin(before);
        let synced = tape.sync();
        self.sync_runs.end();
        let nanos = u64::try_from(before.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.counters.syncs.fetch_add(1, Relaxed);
        self.counters.sync_nanos.fetch_add(nanos, Relaxed);
        match synced {
            Ok(()) => {
                self.synced.store(written, Release);
                self.writer.lock().synced(spent, self);
                // For requests that waited for the lease.
                self.news.notify_waiters();
            }
            Err(error) => self.broken(&error),
        }
    }

    /// Notes that what is on disk is not known: a failed sync may have lost anything since the last one.
    fn broken(&self, error: &io::Error) {
        self.writer.lock().state = State::Broken;
        self.fail(&format!("the ledger's journal can't be synced: {error}"));
    }

    /// Tries again to write.
    fn retry(self: &Arc<Self>) {
        let tried = {
            let mut writer = self.writer.lock();
            match writer.state {
                State::Following => writer.write(self),
                State::Broken => {
                    drop(writer);
                    self.rebase()
                }
            }
        };
        match tried {
            Ok(()) => self.recover(),
            Err(error) => {
                // A failed write may have found that steps are missing.
                let reason = format!("the ledger's journal can't be written: {error}");
                self.fail(&reason);
            }
        }
    }

    /// Begins a new epoch with a snapshot of the ledger as it is.
    pub(super) fn rebase(self: &Arc<Self>) -> io::Result<()> {
        let Some(ledger) = self.ledger.upgrade() else {
            return Err(io::Error::other("the ledger is gone"));
        };
        let _syncing = self.syncing.lock();
        let mut writer = self.writer.lock();
        if self.is_pinned.load(Acquire) {
            return Err(io::Error::other(
                "steps are missing in it, and another process is taking over: it counts them",
            ));
        }
        writer.epoch += 1;
        writer.state = State::Broken;
        writer.tape = None;
        writer.torn = None;
        writer.pending.clear();
        writer.taken = Spending::default();
        let buffer = Arc::new(Mutex::new(Buffer::default()));
        let recorder = Recorder {
            buffer: Arc::clone(&buffer),
            shared: Arc::downgrade(self),
            limit: self.options.buffer_bytes,
        };
        let export = ledger.attach(writer.epoch, recorder, (self.options.now)());
        writer.buffer = buffer;
        let image = Image::of(&export);
        self.publish(&image)?;
        let last = export.position.sequence;
        self.written.store(last, Release);
        self.synced.store(last, Release);
        writer.unsynced = Spending::default();
        writer.expose(self);
        writer.tape = Some(Segment::create(self, writer.epoch)?);
        writer.state = State::Following;
        drop(writer);
        self.remove_before(Name::snapshot(image.position), &image);
        Ok(())
    }

    /// Makes the segments before the last one a snapshot.
    fn compact(&self) {
        let last = self.writer.lock().tape.as_ref().map(|last| last.name);
        let Some(last) = last else {
            return;
        };
        let mut files = match names(&*self.disk) {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(%error, "the directory of the ledger's journal can't be read");
                return;
            }
        };
        files.retain(|name| name.position < last.position);
        let mut image = match recover_from(&*self.disk, &files, OnDamage::Refuse) {
            Ok(recovered) => recovered.into_image(),
            Err(error) => {
                tracing::error!(%error, "the ledger's journal can't be made a snapshot; its segments stay");
                return;
            }
        };
        let position = image.position;
        if position.epoch != last.position.epoch || position.sequence + 1 != last.position.sequence
        {
            tracing::error!(
                "the ledger's journal lacks steps before its last segment; its segments stay"
            );
            return;
        }
        let past = (self.options.now)().0.saturating_sub(KEPT_PAST_END_MILLIS);
        image.forget_past(UnixMillis(past));
        match self.publish(&image) {
            Ok(()) => self.remove_before(last, &image),
            Err(error) => {
                tracing::warn!(%error, "a snapshot of the ledger can't be written; its segments stay");
            }
        }
    }

    fn publish(&self, image: &Image) -> io::Result<()> {
        let content = snapshot(image);
        let name = Name::snapshot(image.position).to_string();
        self.disk.publish(&name, &content)?;
        self.counters.snapshots.fetch_add(1, Relaxed);
        let bytes = content.len() as u64;
        self.counters.snapshot_bytes.store(bytes, Relaxed);
        Ok(())
    }

    /// Removes the segments before this file, and the snapshots before that of the image.
    fn remove_before(&self, first: Name, image: &Image) {
        let kept = Name::snapshot(image.position);
        let all = names(&*self.disk).unwrap_or_default();
        // Those of processes that drain are not this one's.
        let marked = marked(&*self.disk);
        let old = |name: &&Name| {
            let is_old = name.position <= first.position && **name != kept && **name != first;
            is_old && !marked.contains(&name.position.epoch)
        };
        for name in all.iter().filter(old) {
            if let Err(error) = self.disk.remove(&name.to_string()) {
                tracing::warn!(%name, %error, "an old file of the ledger's journal can't be removed");
            }
        }
    }
}
