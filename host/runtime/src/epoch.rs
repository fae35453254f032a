//! The clock that ends calls: a thread that advances the engine's epoch while guests run, and sleeps while none does.
//!
//! The thread ticks each millisecond while a call is in progress. Between calls it looks less and less often, at least every
//! [`LONGEST_NAP`], so that short calls cost neither a wake-up each nor a thousand wake-ups a second. After [`IDLE`] without
//! a call it sleeps until the next call wakes it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// The resolution of deadlines.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The longest time until the thread notices a call that began after a pause. Deadlines are late by at most this much.
const LONGEST_NAP: Duration = Duration::from_millis(30);

/// The time without calls after which the thread sleeps.
const IDLE: Duration = Duration::from_millis(100);

/// A count of one call in progress, in [`Calls::count`].
const IN_PROGRESS: u64 = 1;

/// A count of one call that began, in [`Calls::count`].
const BEGUN: u64 = 1 << 32;

/// The clock of an engine. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct EpochClock {
    calls: Arc<Calls>,
    thread: Option<JoinHandle<()>>,
}

/// The calls that need the clock.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// The calls in progress in the lower half, and the number of calls that began, modulo 2^32, in the upper half.
    count: AtomicU64,
    asleep: AtomicBool,
    stop: AtomicBool,
    thread: OnceLock<Thread>,
}

// === impl EpochClock ===

impl EpochClock {
    /// Starts the thread, which calls `tick` for each tick.
    ///
    /// # Errors
    ///
    /// The operating system refuses to start a thread.
    pub(crate) fn try_start(tick: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let calls = Arc::new(Calls::default());
        let watched = Arc::clone(&calls);
        let thread = thread::Builder::new()
            .name("witgate-clock".to_owned())
            .spawn(move || watched.watch(&tick))?;
        // Set once, before any call can begin.
        let _ = calls.thread.set(thread.thread().clone());
        Ok(Self {
            calls,
            thread: Some(thread),
        })
    }

    /// Returns the count that each call enters.
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }
}

impl Drop for EpochClock {
    fn drop(&mut self) {
        self.calls.stop.store(true, Ordering::SeqCst);
        self.calls.wake();
        if let Some(thread) = self.thread.take() {
            // The thread doesn't panic, and there would be nothing to do about it.
            let _ = thread.join();
        }
    }
}

// === impl Calls ===

impl Calls {
    /// Begins a call, which [`end`](Self::end) has to end.
    pub(crate) fn begin(&self) {
        // In one order with the stores of `sleep`: either the thread sees this call, or this call sees that the thread sleeps.
        self.count.fetch_add(BEGUN + IN_PROGRESS, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Ends a call.
    pub(crate) fn end(&self) {
        self.count.fetch_sub(IN_PROGRESS, Ordering::Relaxed);
    }

    #[cold]
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Ticks until the clock is dropped.
    fn watch(&self, tick: &dyn Fn()) {
        let mut nap = TICK;
        let mut ticked: Option<Instant> = None;
        let (mut seen, mut active) = (0, Instant::now());
        while !self.stop.load(Ordering::SeqCst) {
            thread::park_timeout(nap);
            let (count, now) = (self.count.load(Ordering::SeqCst), Instant::now());
            if count % BEGUN == 0 {
                (nap, ticked) = ((nap * 2).min(LONGEST_NAP), None);
            } else {
                // A busy machine wakes this thread late, and the clock catches up. After a nap it does not: the call may
                // have begun just now.
                let due = ticked.map_or(1, |last| ticks(now.duration_since(last)));
                (0..due).for_each(|_| tick());
                (nap, ticked) = (TICK, Some(ticked.map_or(now, |last| last + TICK * due)));
            }
            if count != seen {
                (seen, active) = (count, now);
            } else if count % BEGUN == 0 && now.duration_since(active) >= IDLE {
                self.sleep(count);
                (nap, active) = (TICK, Instant::now());
            }
        }
    }

    /// Sleeps until the next call begins.
    fn sleep(&self, count: u64) {
        self.asleep.store(true, Ordering::SeqCst);
        while self.count.load(Ordering::SeqCst) == count && !self.stop.load(Ordering::SeqCst) {
            thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

/// Returns the number of whole ticks in a time.
fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_nanos() / TICK.as_nanos()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Waits for the thread to go to sleep, which it does on its own.
    fn asleep(calls: &Calls) {
        while !calls.asleep.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }

    #[test]
    fn the_clock_ticks_for_a_call_and_sleeps_after_it() {
        let (sender, ticks) = mpsc::channel();
        let clock = EpochClock::try_start(move || {
            let _ = sender.send(());
        })
        .unwrap();
        let calls = Arc::clone(clock.calls());
        for _ in 0..2 {
            asleep(&calls);
            assert!(ticks.try_recv().is_err(), "no call, no tick");
            calls.begin();
            for _ in 0..3 {
                ticks.recv().expect("a call in progress sees time pass");
            }
            calls.end();
            asleep(&calls);
            while ticks.try_recv().is_ok() {}
        }
        drop(clock);
        assert!(ticks.recv().is_err(), "the thread ends with the clock");
    }

    #[test]
    fn a_call_within_another_keeps_the_clock_awake() {
        let (sender, ticks) = mpsc::channel();
        let clock = EpochClock::try_start(move || {
            let _ = sender.send(());
        })
        .unwrap();
        clock.calls().begin();
        clock.calls().begin();
        clock.calls().end();
        for _ in 0..200 {
            ticks.recv().expect("the other call is still in progress");
        }
        clock.calls().end();
    }
}
