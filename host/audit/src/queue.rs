//! A bounded queue that one thread takes batches from.
//!
//! A channel would do, but for three things: what is refused after the end has to come back to its sender, the
//! number of waiting items is shown, and a batch is one lock.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    capacity: usize,
    /// Most bytes of items, of those with the taker too.
    bytes: usize,
    /// The taker waits here for items.
    filled: Condvar,
    /// Those who flush wait here for the taker.
    done: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    /// Bytes of what is inside, and of what the taker has.
    bytes: usize,
    door: Door,
    taker: Taker,
    nudge: Nudge,
    /// Items ever put in, and of these, how many have been dealt with.
    pushed: u64,
    done: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Door {
    Open,
    Closed,
}

#[derive(Debug, PartialEq, Eq)]
enum Taker {
    Waiting,
    Busy,
}

/// Whether the taker should look up, items or not.
#[derive(Debug, PartialEq, Eq)]
enum Nudge {
    None,
    Given,
}

/// What the taker finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// At least one item.
    Items,
    /// Nothing came in time, or the taker was nudged.
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
        };
        Self {
            state: Mutex::new(state),
            capacity,
            bytes,
            filled: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Puts an item of so many bytes in, or gives it back where there is no room or the queue is closed. One that is
    /// larger than the room gets in where it is alone.
    pub(crate) fn push(&self, item: T, bytes: usize) -> Result<(), T> {
        let mut state = self.state();
        let fits = state.bytes == 0 || state.bytes.saturating_add(bytes) <= self.bytes;
        if state.door == Door::Closed || state.items.len() >= self.capacity || !fits {
            return Err(item);
        }
        state.items.push_back(item);
        state.bytes = state.bytes.saturating_add(bytes);
        state.pushed += 1;
        let wake = state.taker == Taker::Waiting;
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for items, for ever or for some time.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Taken {
        let mut state = self.state();
        state.taker = Taker::Waiting;
        let empty = |state: &mut State<T>| {
            state.items.is_empty() && state.door == Door::Open && state.nudge == Nudge::None
        };
        let mut state = match timeout {
            None => self
                .filled
                .wait_while(state, empty)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.filled
                    .wait_timeout_while(state, timeout, empty)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        state.taker = Taker::Busy;
        state.nudge = Nudge::None;
        match (state.items.is_empty(), &state.door) {
            (false, _) => Taken::Items,
            (true, Door::Open) => Taken::Nothing,
            (true, Door::Closed) => Taken::End,
        }
    }

    /// Moves up to `max` items to the end of `batch`.
    pub(crate) fn take(&self, batch: &mut Vec<T>, max: usize) {
        let mut state = self.state();
        let count = state.items.len().min(max);
        batch.extend(state.items.drain(..count));
    }

    /// The taker has dealt with so many items of so many bytes.
    pub(crate) fn finish(&self, count: usize, bytes: usize) {
        let mut state = self.state();
        state.done += count as u64;
        state.bytes = state.bytes.saturating_sub(bytes);
        drop(state);
        self.done.notify_all();
    }

    /// Waits until all that is in the queue now has been dealt with.
    pub(crate) fn wait_finished(&self) {
        let state = self.state();
        let target = state.pushed;
        let _done = self
            .done
            .wait_while(state, |state| state.done < target)
            .unwrap_or_else(PoisonError::into_inner);
    }

    /// Lets nothing in any more. What is inside can still be taken.
    pub(crate) fn close(&self) {
        self.state().door = Door::Closed;
        self.filled.notify_all();
    }

    /// Has the taker come back from waiting.
    pub(crate) fn nudge(&self) {
        self.state().nudge = Nudge::Given;
        self.filled.notify_all();
    }

    /// Returns how many items are inside, and the bytes of what is inside and with the taker.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state();
        (state.items.len(), state.bytes)
    }

    /// Whether waiting longer would bring anything to a batch of `max`.
    pub(crate) fn may_grow(&self, max: usize) -> bool {
        let state = self.state();
        state.door == Door::Open && state.items.len() < max.min(self.capacity)
    }

    /// Nothing panics under the lock.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
