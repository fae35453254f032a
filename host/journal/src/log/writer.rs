//! The disk's end of a log: from the buffer to the last segment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};

use parking_lot::Mutex;

use super::Shared;
use super::lease::Spending;
use super::recorder::{Buffer, Fit};
use crate::disk::Tape;
use crate::file::{HEAD, Name};

/// The memory that is kept for the next write, in bytes.
const KEPT: usize = 1 << 20;

/// The writer of the last segment.
pub(super) struct Writer {
    pub(super) epoch: u64,
    pub(super) buffer: Arc<Mutex<Buffer>>,
    /// Bytes that were taken from the buffer and are not written.
    pub(super) pending: Vec<u8>,
    /// The last segment, or `None` before the first one, and after one that could not be written.
    pub(super) tape: Option<Segment>,
    /// The segment before, if it could not be written and is not synced.
    pub(super) torn: Option<Arc<dyn Tape>>,
    /// What the steps in `pending` have spent.
    pub(super) taken: Spending,
    /// What steps that are written and not synced have spent.
    pub(super) unsynced: Spending,
    pub(super) state: State,
}

/// A segment that is written.
pub(super) struct Segment {
    pub(super) tape: Arc<dyn Tape>,
    pub(super) name: Name,
    /// The number of bytes that are certainly there.
    pub(super) length: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Steps go on from what is on disk.
    Following,
    /// The content of the disk is not known, or steps are missing: a new epoch has to begin.
    Broken,
}

// === impl Writer ===

impl Writer {
    /// Returns a writer before its first epoch.
    pub(super) fn new(after: u64) -> Self {
        Self {
            epoch: after,
            buffer: Arc::default(),
            pending: Vec::new(),
            tape: None,
            torn: None,
            taken: Spending::default(),
            unsynced: Spending::default(),
            state: State::Broken,
        }
    }

    /// Writes all that is buffered.
    pub(super) fn write(&mut self, shared: &Shared) -> io::Result<()> {
        if self.state == State::Broken {
            return Err(io::Error::other("a new snapshot has to be written first"));
        }
        let (last, fit) = {
            let mut buffer = self.buffer.lock();
            if self.pending.is_empty() {
                std::mem::swap(&mut self.pending, &mut buffer.bytes);
            } else {
                self.pending.extend_from_slice(&buffer.bytes);
                buffer.bytes.clear();
            }
            self.taken.add(std::mem::take(&mut buffer.spending));
            (buffer.last, buffer.fit)
        };
        if fit == Fit::Overflowed {
            self.state = State::Broken;
            return Err(io::Error::other(
                "more steps waited for the disk than are kept in memory",
            ));
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut segment = match self.tape.take() {
            Some(segment) => segment,
            None => {
                self.sync_torn()?;
                Segment::create(shared, self.epoch)?
            }
        };
        if let Err(error) = segment.tape.append(&self.pending) {
            // A part of the bytes may be there. If it stays, the next segment begins with the same steps.
            if segment.tape.cut(segment.length).is_ok() {
                self.tape = Some(segment);
            } else {
                self.torn = Some(segment.tape);
            }
            return Err(error);
        }
        let bytes = self.pending.len() as u64;
        segment.length += bytes;
        self.tape = Some(segment);
        self.pending.clear();
        self.pending.shrink_to(KEPT);
        shared.counters.bytes.fetch_add(bytes, Relaxed);
        shared.counters.writes.fetch_add(1, Relaxed);
        self.unsynced.add(std::mem::take(&mut self.taken));
        self.expose(shared);
        shared.written.store(last, Release);
        Ok(())
    }

    /// Syncs the segment that could not be written: the next one may not survive without the steps in it.
    pub(super) fn sync_torn(&mut self) -> io::Result<()> {
        if let Some(torn) = &self.torn {
            torn.sync()?;
            self.torn = None;
        }
        Ok(())
    }

    /// Notes that steps which have spent this were synced.
    pub(super) fn synced(&mut self, spending: Spending, shared: &Shared) {
        self.unsynced.take_off(spending);
        self.expose(shared);
    }

    /// Tells whether a loss of power would forget more than the lease.
    pub(super) fn expose(&self, shared: &Shared) {
        let lease = &shared.options.lease;
        let exposed = self.unsynced.exceeds(lease);
        shared.is_exposed.store(exposed, Release);
        let unsynced = self.unsynced.picousd();
        shared.counters.unsynced_picousd.store(unsynced, Relaxed);
        if self.unsynced.exceeds_half(lease) && !shared.is_pressed.load(Relaxed) {
            shared.press();
        }
    }
}

// === impl Segment ===

impl Segment {
    /// Creates the segment after the last step that was written.
    pub(super) fn create(shared: &Shared, epoch: u64) -> io::Result<Self> {
        let name = Name::segment(epoch, shared.written.load(Relaxed) + 1);
        let tape = shared.disk.create(&name.to_string())?;
        tape.append(&name.head())?;
        Ok(Self {
            tape,
            name,
            length: HEAD as u64,
        })
    }
}
