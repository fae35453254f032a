//! Limits on concurrent requests and their memory, for the whole gateway and for each key.
//!
//! An exchange acquires a [`Permit`], which covers what every exchange needs ([`BASE`]). A [`Charge`] covers further bytes step by
//! step as they arrive, so that a body that is announced and not sent costs nothing. A charge is tied to its bytes and is
//! released when the last of them is dropped, however the exchange ended. There are no queues: requests over a limit are shed
//! immediately with `retry-after`, because a queue would hold bodies in memory.
//!
//! Bounds: `limits.in_flight` and `limits.memory_bytes` for the gateway, `limits.in_flight_per_key` and
//! `limits.memory_bytes_per_key` for a key. There are no locks: one atomic for the gateway, and one for each active key.

mod charge;
mod counter;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use witgate_messages::error::ErrorType;

pub(crate) use self::charge::Charge;
pub(crate) use self::counter::Sum;
use self::counter::{Bound, Counter, Over};
use crate::answer::refused::{Blame, Refused};
use crate::config::Limits;

/// Time after which a shed request should be retried. Exchanges take seconds, so a permit is released soon.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Memory of every exchange, in bytes: its head, the buffers of its two connections, and a body of up to [`FREE`] bytes. A
/// waiting exchange with a body of 60 KB was measured at 234 KB.
pub(crate) const BASE: u64 = 256 * 1024;

/// Bytes of a request body that the permit covers.
pub(crate) const FREE: usize = 64 * 1024;

/// The requests in flight. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Concurrency(Arc<Totals>);

#[derive(Debug, Default)]
struct Totals {
    all: Counter,
    refused: [AtomicU64; KINDS.len()],
}

/// The kinds of refusals, by their names on the metrics page.
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
    /// The limit of the key's memory, which the request exceeds alone.
    Never(u64),
}

/// The requests of a key in flight, and the totals of its gateway.
#[derive(Debug)]
pub(crate) struct Load {
    totals: Arc<Totals>,
    own: Counter,
}

/// A slot for the load of a key, created by its first request and kept across reloads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Share(OnceLock<Arc<Load>>);

/// The limits of an exchange, from the configuration that it pinned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    all: Bound,
    key: Bound,
}

/// A permit for an exchange to be in flight. Dropping it releases it.
#[derive(Debug)]
pub(crate) struct Permit {
    load: Arc<Load>,
    bounds: Bounds,
}

// === impl Concurrency ===

impl Concurrency {
    /// Acquires a permit for an exchange of the key with this share.
    ///
    /// # Errors
    ///
    /// 429 if the key is at its limit, 503 if the gateway is.
    pub(crate) fn acquire(&self, share: &Share, limits: &Limits) -> Result<Permit, Refused> {
        let load = Arc::clone(share.0.get_or_init(|| self.load()));
        let bounds = Bounds::of(limits);
        load.take(1, BASE, &bounds)?;
        Ok(Permit { load, bounds })
    }

    fn load(&self) -> Arc<Load> {
        Arc::new(Load {
            totals: Arc::clone(&self.0),
            own: Counter::default(),
        })
    }

    /// Returns the current totals.
    pub(crate) fn sum(&self) -> Sum {
        self.0.all.read()
    }

    /// Returns the number of refusals since the start, by kind.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.0.refused.iter().map(|count| count.load(Relaxed));
        KINDS.into_iter().zip(counts)
    }
}

// === impl Share ===

impl Share {
    /// Returns whether the key has a request in flight.
    pub(crate) fn is_in_flight(&self) -> bool {
        let load = self.0.get();
        load.is_some_and(|load| load.own.read() != Sum::default())
    }

    /// Takes over the count that the key had before a reload. Must run before the key's first request.
    pub(crate) fn inherit(&self, before: &Self) {
        if let Some(load) = before.0.get() {
            // A load that is set already is the same key's, which also has a certificate.
            let _ = self.0.set(Arc::clone(load));
        }
    }
}

// === impl Load ===

impl Load {
    /// Takes all of it, or nothing.
    ///
    /// # Errors
    ///
    /// The refusal for the limit that was reached.
    fn take(&self, exchanges: u64, bytes: u64, bounds: &Bounds) -> Result<(), Refused> {
        let taken = self.own.try_add(exchanges, bytes, bounds.key);
        let reached = match taken {
            Err(Over::Exchanges) => Reached::InFlightOfKey(bounds.key.exchanges),
            Err(Over::Bytes) => self.over_key_memory(exchanges, bytes, bounds),
            Ok(()) => match self.totals.all.try_add(exchanges, bytes, bounds.all) {
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

    /// Returns the limit that a request over the key's memory has reached: retrying helps only if others are in flight.
    fn over_key_memory(&self, exchanges: u64, bytes: u64, bounds: &Bounds) -> Reached {
        let alone = self.own.read().exchanges + exchanges <= 1;
        if alone || bytes > bounds.key.bytes {
            Reached::Never(bounds.key.bytes)
        } else {
            Reached::MemoryOfKey(bounds.key.bytes)
        }
    }

    fn release(&self, exchanges: u64, bytes: u64) {
        self.totals.all.sub(exchanges, bytes);
        self.own.sub(exchanges, bytes);
    }

    fn refuse(&self, reached: Reached) -> Refused {
        if let Some(count) = self.totals.refused.get(reached.index()) {
            count.fetch_add(1, Relaxed);
        }
        reached.refused()
    }
}

// === impl Reached ===

impl Reached {
    /// Returns the index in [`KINDS`].
    fn index(self) -> usize {
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
            Self::InFlight(limit) => gateway_at_limit(format!(
                "the gateway is overloaded: it has {limit} requests in flight, which is its limit; try again"
            )),
            Self::Memory(limit) => gateway_at_limit(format!(
                "the gateway is overloaded: the requests in flight hold all {limit} bytes of memory that it has for them; try again"
            )),
            Self::InFlightOfKey(limit) => key_at_limit(format!(
                "this key has {limit} requests in flight, which is its limit: wait for one of them to end"
            )),
            Self::MemoryOfKey(limit) => key_at_limit(format!(
                "the requests of this key in flight hold all {limit} bytes of memory that it may use: wait for one of them to end"
            )),
            Self::Never(limit) => Refused::client(
                413,
                format!(
                    "this request needs more than the {limit} bytes of memory that one key may use: send less at a time, or ask \
                     the gateway's operator to raise limits.memory_bytes_per_key"
                ),
            ),
        }
    }
}

/// Returns the refusal for a key at its limit.
fn key_at_limit(message: String) -> Refused {
    Refused {
        blame: Blame::Client,
        retry_after: Some(RETRY_AFTER),
        ..Refused::gateway(429, message)
    }
}

/// Returns the refusal for a gateway at its limit.
fn gateway_at_limit(message: String) -> Refused {
    Refused {
        kind: ErrorType::Overloaded,
        retry_after: Some(RETRY_AFTER),
        ..Refused::gateway(503, message)
    }
}

// === impl Bounds ===

impl Bounds {
    fn of(limits: &Limits) -> Self {
        let max = |limit: Option<NonZeroUsize>| {
            limit.map_or(u64::MAX, |limit| {
                u64::try_from(limit.get()).unwrap_or(u64::MAX)
            })
        };
        Self {
            all: Bound {
                exchanges: max(limits.in_flight),
                bytes: limits.memory.bytes,
            },
            key: Bound {
                exchanges: max(limits.in_flight_per_key),
                bytes: limits.memory.per_key,
            },
        }
    }
}

// === impl Permit ===

impl Permit {
    /// Returns an empty charge for further bytes of this exchange.
    pub(crate) fn charge(&self) -> Charge {
        Charge::none(Arc::clone(&self.load), self.bounds)
    }

    /// Checks that bytes could be charged now, without charging them: an announced body may never arrive.
    ///
    /// # Errors
    ///
    /// As [`Charge::cover`].
    pub(crate) fn has_room(&self, bytes: usize) -> Result<(), Refused> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let Bounds { all, key } = self.bounds;
        if self.load.own.read().bytes.saturating_add(bytes) > key.bytes {
            let reached = self.load.over_key_memory(0, bytes, &self.bounds);
            return Err(self.load.refuse(reached));
        }
        if self.load.totals.all.read().bytes.saturating_add(bytes) > all.bytes {
            return Err(self.load.refuse(Reached::Memory(all.bytes)));
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.load.release(1, BASE);
    }
}

#[cfg(test)]
mod tests;
