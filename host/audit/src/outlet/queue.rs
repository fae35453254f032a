//! The queue of an outlet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::{Bounds, OutletStats, WhenFull};

/// The result of waiting for lines.
pub(super) enum Taken {
    Lines,
    /// The queue is closed, and empty or out of time.
    End,
}

#[derive(Debug)]
pub(super) struct Queue {
    bounds: Bounds,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Whole lines. Those that are being delivered stay until they are.
    waiting: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// The number of elements that are being delivered.
    taken: usize,
    delivered: u64,
    dropped: u64,
    failing: Option<Arc<str>>,
    /// The time until which deliveries are tried, once the queue is closed.
    until: Option<Instant>,
    /// Set once the thread has ended.
    ended: bool,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Returns whether so many further bytes have to wait outside. An empty queue takes any number.
    pub(super) fn blocks(&self, bytes: usize) -> bool {
        self.bounds.when_full == WhenFull::Block && !self.state.lock().fits(bytes, &self.bounds)
    }

    /// Adds lines, or drops them if there is no room.
    pub(super) fn push(&self, lines: &Arc<[u8]>) {
        let mut state = self.state.lock();
        let count = count(lines);
        if state.until.is_some() || !state.fits(lines.len(), &self.bounds) {
            if state.dropped == 0 {
                tracing::warn!(outlet = %self.bounds.name, "the queue is full; receipts are dropped there, and counted");
            }
            state.dropped += count;
            return;
        }
        state.bytes += lines.len();
        state.waiting.push_back(Arc::clone(lines));
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for lines and copies them. They stay in the queue until they are delivered.
    pub(super) fn take(&self, lines: &mut Vec<u8>) -> Taken {
        lines.clear();
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let is_over = state.until.is_some_and(|until| until <= now);
            if is_over || (state.waiting.is_empty() && state.until.is_some()) {
                let left: u64 = state.waiting.iter().map(|lines| count(lines)).sum();
                if left > 0 {
                    tracing::error!(outlet = %self.bounds.name, receipts = left, "the outlet did not take all receipts before the end");
                }
                state.dropped += left;
                state.waiting.clear();
                state.bytes = 0;
                return Taken::End;
            }
            if !state.waiting.is_empty() {
                break;
            }
            self.changed.wait(&mut state);
        }
        state.taken = 0;
        let State { waiting, taken, .. } = &mut *state;
        for more in waiting.iter() {
            if *taken > 0 && lines.len() + more.len() > self.bounds.batch_bytes {
                break;
            }
            lines.extend_from_slice(more);
            *taken += 1;
        }
        Taken::Lines
    }

    /// Removes the lines that were taken last.
    pub(super) fn delivered(&self) {
        let mut state = self.state.lock();
        state.delivered += state.remove();
        if state.failing.take().is_some() {
            tracing::info!(outlet = %self.bounds.name, "receipts are delivered again");
        }
    }

    /// Drops the lines that were taken last.
    pub(super) fn rejected(&self, error: &str) {
        let mut state = self.state.lock();
        let dropped = state.remove();
        state.dropped += dropped;
        state.failing = Some(error.into());
        tracing::error!(outlet = %self.bounds.name, error, receipts = dropped, "receipts are rejected, so they are dropped there");
    }

    pub(super) fn failed(&self, error: &str) {
        let mut state = self.state.lock();
        if state.failing.is_none() {
            tracing::warn!(outlet = %self.bounds.name, error, "receipts can't be delivered; they are kept and tried again");
        }
        state.failing = Some(error.into());
    }

    /// Waits before a retry. Ends early when the queue is closed.
    pub(super) fn pause(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.state.lock();
        loop {
            let until = state.until.map_or(until, |end| end.min(until));
            if self.changed.wait_until(&mut state, until).timed_out() || Instant::now() >= until {
                return;
            }
        }
    }

    /// Ends the queue. What waits is delivered until this time.
    pub(super) fn close(&self, until: Instant) {
        let mut state = self.state.lock();
        state.until = Some(state.until.map_or(until, |earlier| earlier.min(until)));
        drop(state);
        self.changed.notify_all();
    }

    /// Notes that the thread has ended.
    pub(super) fn end(&self) {
        self.state.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits for the end of the thread. Returns whether it has ended by then.
    pub(super) fn wait_ended(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        while !state.ended {
            if self.changed.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.ended
    }

    pub(super) fn stats(&self) -> OutletStats {
        let state = self.state.lock();
        OutletStats {
            name: Arc::clone(&self.bounds.name),
            delivered: state.delivered,
            dropped: state.dropped,
            queued_bytes: state.bytes,
            failing: state.failing.clone(),
        }
    }
}

// === impl State ===

impl State {
    /// Removes the lines that were taken last, and returns their number.
    fn remove(&mut self) -> u64 {
        let taken = std::mem::take(&mut self.taken);
        let removed = self.waiting.drain(..taken);
        let (bytes, lines) = removed.fold((0, 0), |(bytes, lines), removed| {
            (bytes + removed.len(), lines + count(&removed))
        });
        self.bytes -= bytes;
        lines
    }

    fn fits(&self, bytes: usize, bounds: &Bounds) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= bounds.queue_bytes
    }
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}
