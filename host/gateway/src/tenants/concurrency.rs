//! How much is under way at a time, and how much memory it holds: over the whole gateway, and for each key.
//!
//! An exchange enters with a [`Place`], which pays for what every exchange needs ([`BASE`]). Larger bytes are paid for by a
//! [`Charge`] while they are taken, step by step, so that a body which is announced and not sent costs nothing. A charge is
//! tied to the bytes that it pays for, and is given back when the last of them is dropped, however the exchange ended. What
//! is over a limit is refused at once and told to come back; nothing waits in line, because a line would hold bodies in
//! memory.
//!
//! Bounds: `limits.in_flight` and `limits.memory_bytes` for all, `limits.in_flight_per_key` and `limits.memory_bytes_per_key`
//! for a key. Without locks: one atomic for the gateway, and one for each key that has asked something.

mod charge;
mod counter;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use witgate_messages::error::ErrorType;

pub(crate) use self::charge::Charge;
use self::counter::{Bound, Counter, Over};
use crate::answer::refused::{Blame, Refused};
use crate::config::Limits;

/// When to come back. Exchanges take seconds: a place is free again soon.
const COME_BACK: Duration = Duration::from_secs(1);

/// Bytes that each exchange is counted with from its start: its head, the buffers of its two connections, and bodies of up
/// to [`FREE`] bytes. One that waits with a body of 60 KB was measured to take 234 KB.
pub(crate) const BASE: u64 = 256 * 1024;

/// Bytes of a request body that are paid for by the place of its exchange.
pub(crate) const FREE: usize = 64 * 1024;

/// What is under way. Clones are the same count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pressure(Arc<Whole>);

#[derive(Debug, Default)]
struct Whole {
    all: Counter,
    refused: [AtomicU64; KINDS.len()],
}

/// What is refused, by its name on the metrics page.
const KINDS: [&str; 5] = [
    "in-flight",
    "in-flight-per-key",
    "memory",
    "memory-per-key",
    "memory-never",
];

/// A limit that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    InFlight(u64),
    InFlightOfKey(u64),
    Memory(u64),
    MemoryOfKey(u64),
    /// It would be even if the key had nothing else under way.
    Never(u64),
}

/// What one key has under way, in the gateway that it belongs to.
#[derive(Debug)]
pub(crate) struct Load {
    whole: Arc<Whole>,
    own: Counter,
}

/// A key's place for its load, which is made when it first asks something and goes on through reloads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Share(OnceLock<Arc<Load>>);

/// The limits of one exchange: those of the configuration that it has pinned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    all: Bound,
    key: Bound,
}

/// The place of an exchange that is under way. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    load: Arc<Load>,
    bounds: Bounds,
}

/// What is under way, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Exchanges.
    pub(crate) exchanges: u64,
    /// Bytes that they hold.
    pub(crate) bytes: u64,
}

// === impl Pressure ===

impl Pressure {
    /// Takes a place for an exchange of the key that has this share.
    ///
    /// # Errors
    ///
    /// 429 when the key has as much under way as it may have, 503 when the gateway has.
    pub(crate) fn enter(&self, share: &Share, limits: &Limits) -> Result<Place, Refused> {
        let load = Arc::clone(share.0.get_or_init(|| self.load()));
        let bounds = Bounds::of(limits);
        load.take(1, BASE, &bounds)?;
        Ok(Place { load, bounds })
    }

    fn load(&self) -> Arc<Load> {
        Arc::new(Load {
            whole: Arc::clone(&self.0),
            own: Counter::default(),
        })
    }

    /// What is under way now.
    pub(crate) fn sum(&self) -> Sum {
        self.0.all.read()
    }

    /// What was refused since the start, by kind.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.0.refused.iter().map(|count| count.load(Relaxed));
        KINDS.into_iter().zip(counts)
    }
}

// === impl Share ===

impl Share {
    /// Whether anything of the key is under way.
    pub(crate) fn is_under_way(&self) -> bool {
        let load = self.0.get();
        load.is_some_and(|load| load.own.read() != Sum::default())
    }

    /// Goes on with the count that the key had before a reload. A key has one count or the other, so this is for one that
    /// has not asked anything yet.
    pub(crate) fn go_on(&self, before: &Self) {
        if let Some(load) = before.0.get() {
            // One that is there already is the same key's: it has a certificate, too.
            let _ = self.0.set(Arc::clone(load));
        }
    }
}

// === impl Load ===

impl Load {
    /// Takes so much, or nothing.
    fn take(&self, exchanges: u64, bytes: u64, bounds: &Bounds) -> Result<(), Refused> {
        let taken = self.own.try_add(exchanges, bytes, bounds.key);
        let reached = match taken {
            Err(Over::Exchanges) => Reached::InFlightOfKey(bounds.key.exchanges),
            Err(Over::Bytes) => self.over_the_share(exchanges, bytes, bounds),
            Ok(()) => match self.whole.all.try_add(exchanges, bytes, bounds.all) {
                Ok(()) => return Ok(()),
                Err(over) => {
                    self.own.sub(exchanges, bytes);
                    match over {
                        Over::Exchanges => Reached::InFlight(bounds.all.exchanges),
                        Over::Bytes => Reached::Memory(bounds.all.bytes),
                    }
                }
            },
        };
        Err(self.refuse(reached))
    }

    /// Says whether another try would go better than one that is over the key's share of memory.
    fn over_the_share(&self, exchanges: u64, bytes: u64, bounds: &Bounds) -> Reached {
        let alone = self.own.read().exchanges + exchanges <= 1;
        if alone || bytes > bounds.key.bytes {
            Reached::Never(bounds.key.bytes)
        } else {
            Reached::MemoryOfKey(bounds.key.bytes)
        }
    }

    fn give_back(&self, exchanges: u64, bytes: u64) {
        self.whole.all.sub(exchanges, bytes);
        self.own.sub(exchanges, bytes);
    }

    fn refuse(&self, reached: Reached) -> Refused {
        if let Some(count) = self.whole.refused.get(reached.place()) {
            count.fetch_add(1, Relaxed);
        }
        reached.refused()
    }
}

// === impl Reached ===

impl Reached {
    /// Its place in [`KINDS`].
    fn place(self) -> usize {
        match self {
            Self::InFlight(_) => 0,
            Self::InFlightOfKey(_) => 1,
            Self::Memory(_) => 2,
            Self::MemoryOfKey(_) => 3,
            Self::Never(_) => 4,
        }
    }

    fn refused(self) -> Refused {
        match self {
            Self::InFlight(limit) => busy(format!(
                "the gateway has {limit} requests under way, as many as it takes: try again"
            )),
            Self::Memory(limit) => busy(format!(
                "the requests that are under way hold the {limit} bytes of memory that this gateway has for them: try again"
            )),
            Self::InFlightOfKey(limit) => full(format!(
                "this key has {limit} requests under way, as many as it may have: wait for one of them"
            )),
            Self::MemoryOfKey(limit) => full(format!(
                "the requests of this key that are under way hold the {limit} bytes of memory that it may have: wait for one of \
                 them"
            )),
            Self::Never(limit) => Refused::client(
                413,
                format!(
                    "this request takes more than the {limit} bytes of memory that one key may have: send less at a time, or ask \
                     the gateway's operator to raise limits.memory_bytes_per_key"
                ),
            ),
        }
    }
}

/// The key has its share.
fn full(message: String) -> Refused {
    Refused {
        blame: Blame::Client,
        retry_after: Some(COME_BACK),
        ..Refused::gateway(429, message)
    }
}

/// The gateway has its fill.
fn busy(message: String) -> Refused {
    Refused {
        kind: ErrorType::Overloaded,
        retry_after: Some(COME_BACK),
        ..Refused::gateway(503, message)
    }
}

// === impl Bounds ===

impl Bounds {
    fn of(limits: &Limits) -> Self {
        let most = |limit: Option<NonZeroUsize>| {
            limit.map_or(u64::MAX, |limit| {
                u64::try_from(limit.get()).unwrap_or(u64::MAX)
            })
        };
        Self {
            all: Bound {
                exchanges: most(limits.in_flight),
                bytes: limits.memory.bytes,
            },
            key: Bound {
                exchanges: most(limits.in_flight_per_key),
                bytes: limits.memory.per_key,
            },
        }
    }
}

// === impl Place ===

impl Place {
    /// A charge for bytes of this exchange, of none yet.
    pub(crate) fn charge(&self) -> Charge {
        Charge::none(Arc::clone(&self.load), self.bounds)
    }

    /// Looks whether so many bytes could be taken now, and takes none: what is announced may never come.
    ///
    /// # Errors
    ///
    /// As [`Charge::cover`].
    pub(crate) fn has_room(&self, bytes: usize) -> Result<(), Refused> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let Bounds { all, key } = self.bounds;
        if self.load.own.read().bytes.saturating_add(bytes) > key.bytes {
            let reached = self.load.over_the_share(0, bytes, &self.bounds);
            return Err(self.load.refuse(reached));
        }
        if self.load.whole.all.read().bytes.saturating_add(bytes) > all.bytes {
            return Err(self.load.refuse(Reached::Memory(all.bytes)));
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.give_back(1, BASE);
    }
}

#[cfg(test)]
mod tests;
