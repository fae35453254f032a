//! The ledger's end of a log: steps as bytes, in a buffer.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use witgate_ledger::{Entry, Journal, Position, Split};

use super::Shared;
use super::lease::Spending;
use crate::codec::put_frame;
use crate::record::{put_entry, put_split};

/// Steps that were not taken to be written yet.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub(super) bytes: Vec<u8>,
    /// The last step, also if there was no room for it.
    pub(super) last: u64,
    /// The completeness of the steps.
    pub(super) fit: Fit,
    /// What the steps have spent.
    pub(super) spending: Spending,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// All steps are there.
    #[default]
    Whole,
    /// Steps are missing: only a new snapshot of the ledger contains them.
    Overflowed,
}

/// A ledger's journal that fills a buffer.
pub(super) struct Recorder {
    pub(super) buffer: Arc<Mutex<Buffer>>,
    pub(super) shared: Weak<Shared>,
    /// The most bytes of the buffer.
    pub(super) limit: usize,
}

// === impl Recorder ===

impl Recorder {
    fn put(
        &self,
        at: Position,
        write: impl FnOnce(&mut Vec<u8>),
        count: impl FnOnce(&mut Spending),
    ) {
        {
            let mut buffer = self.buffer.lock();
            buffer.last = at.sequence;
            count(&mut buffer.spending);
            if buffer.bytes.len() >= self.limit {
                buffer.fit = Fit::Overflowed;
            }
            if buffer.fit == Fit::Whole {
                put_frame(&mut buffer.bytes, at.epoch, write);
            }
        }
        // The thread writes what no request waits for. In one order with the stores of `Shared::sleep`: either the thread sees
        // this step, or this step sees that the thread sleeps.
        if let Some(shared) = self.shared.upgrade()
            && !shared.is_dirty.load(Relaxed)
            && !shared.is_dirty.swap(true, SeqCst)
            && shared.is_asleep.load(SeqCst)
        {
            shared.wake();
        }
    }
}

impl Journal for Recorder {
    fn note(&mut self, entry: &Entry<'_>) {
        let count = |spending: &mut Spending| spending.count(entry);
        self.put(entry.position, |out| put_entry(out, entry), count);
    }

    fn split(&mut self, split: &Split<'_>) {
        self.put(split.position, |out| put_split(out, split), |_| {});
    }
}
