//! A bounded queue with a single consumer that takes batches.
//!
//! A channel falls short in three ways: items refused after closing have to return to their sender, the number of waiting
//! items is shown, and a batch takes one lock.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    capacity: usize,
    /// Maximum bytes of items, including those that the consumer is working on.
    bytes: usize,
    /// Signals new items to the consumer.
    filled: Condvar,
    /// Signals finished items to threads that flush.
    done: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    /// Bytes of items in the queue and with the consumer.
    bytes: usize,
    door: Door,
    taker: Taker,
    nudge: Nudge,
    /// Items ever pushed.
    pushed: u64,
    /// The number of them that are finished.
    done: u64,
    /// Threads that wait until items are finished, so that the consumer waits for no more of them.
    flushing: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Door {
    Open,
    Closed,
}

#[derive(Debug, PartialEq, Eq)]
enum Taker {
    /// It waits for an item.
    Waiting,
    /// It waits for a batch of so many items.
    Lingering(usize),
    Busy,
}

/// A request that the consumer stop waiting, with or without items.
#[derive(Debug, PartialEq, Eq)]
enum Nudge {
    None,
    Given,
}

/// The result of a consumer's wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// At least one item.
    Items,
    /// No item: the timeout passed, or the consumer was nudged.
    Nothing,
    /// The queue is closed and empty.
    End,
}

// === impl Queue ===

impl<T> Queue<T> {
    pub(crate) fn new(capacity: usize, bytes: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            door: Door::Open,
            taker: Taker::Busy,
            nudge: Nudge::None,
            pushed: 0,
            done: 0,
            flushing: 0,
        };
        Self {
            state: Mutex::new(state),
            capacity,
            bytes,
            filled: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Pushes an item of `bytes` bytes, or returns it as `Err` if there is no room or the queue is closed. An item larger than
    /// the capacity fits into an empty queue.
    pub(crate) fn push(&self, item: T, bytes: usize) -> Result<(), T> {
        let mut state = self.state.lock();
        let fits = state.bytes == 0 || state.bytes.saturating_add(bytes) <= self.bytes;
        if state.door == Door::Closed || state.items.len() >= self.capacity || !fits {
            return Err(item);
        }
        state.items.push_back(item);
        state.bytes = state.bytes.saturating_add(bytes);
        state.pushed += 1;
        let wake = match state.taker {
            Taker::Waiting => true,
            Taker::Lingering(most) => !self.may_linger(&state, most),
            Taker::Busy => false,
        };
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for items, without limit if `timeout` is `None`.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Taken {
        let mut state = self.state.lock();
        state.taker = Taker::Waiting;
        let empty = |state: &mut State<T>| {
            state.items.is_empty() && state.door == Door::Open && state.nudge == Nudge::None
        };
        match timeout {
            None => self.filled.wait_while(&mut state, empty),
            Some(timeout) => {
                let _ = self.filled.wait_while_for(&mut state, empty, timeout);
            }
        }
        state.taken()
    }

    /// Waits for the timeout, or until there is a batch of `most` items, whichever is first. Items before that wake no thread. Does not
    /// wait while the queue is half full in bytes or closed, or while another thread waits for the items inside.
    pub(crate) fn linger(&self, most: usize, timeout: Duration) -> Taken {
        let mut state = self.state.lock();
        state.taker = Taker::Lingering(most);
        let may_linger = |state: &mut State<T>| self.may_linger(state, most);
        let _ = self.filled.wait_while_for(&mut state, may_linger, timeout);
        state.taken()
    }

    fn may_linger(&self, state: &State<T>, most: usize) -> bool {
        state.items.len() < most.min(self.capacity)
            && state.bytes < self.bytes / 2
            && state.door == Door::Open
            && state.nudge == Nudge::None
            && state.flushing == 0
    }

    /// Moves up to `max` items to the end of `batch`.
    pub(crate) fn take(&self, batch: &mut Vec<T>, max: usize) {
        let mut state = self.state.lock();
        let count = state.items.len().min(max);
        batch.extend(state.items.drain(..count));
    }

    /// Marks `count` items of `bytes` bytes as finished.
    pub(crate) fn finish(&self, count: usize, bytes: usize) {
        let mut state = self.state.lock();
        state.done += count as u64;
        state.bytes = state.bytes.saturating_sub(bytes);
        drop(state);
        self.done.notify_all();
    }

    /// Waits until all items currently in the queue are finished.
    pub(crate) fn wait_finished(&self) {
        let mut state = self.state.lock();
        let target = state.pushed;
        if state.done == target {
            return;
        }
        state.flushing += 1;
        self.filled.notify_all();
        self.done
            .wait_while(&mut state, |state| state.done < target);
        state.flushing -= 1;
    }

    /// Closes the queue for new items. Items inside can still be taken.
    pub(crate) fn close(&self) {
        self.state.lock().door = Door::Closed;
        self.filled.notify_all();
    }

    /// Wakes the consumer.
    pub(crate) fn nudge(&self) {
        self.state.lock().nudge = Nudge::Given;
        self.filled.notify_all();
    }

    /// Returns the number of items inside, and the bytes of items inside and with the consumer.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.items.len(), state.bytes)
    }
}

// === impl State ===

impl<T> State<T> {
    /// Ends a wait of the consumer.
    fn taken(&mut self) -> Taken {
        self.taker = Taker::Busy;
        self.nudge = Nudge::None;
        match (self.items.is_empty(), &self.door) {
            (false, _) => Taken::Items,
            (true, Door::Open) => Taken::Nothing,
            (true, Door::Closed) => Taken::End,
        }
    }
}
