//! How much is under way at a time: over the whole gateway, and for each key.
//!
//! One that is over a limit is refused at once and told to come back; nothing waits in line, because a line would hold
//! bodies in memory. Without limits nothing is counted.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use witgate_messages::error::ErrorType;

use crate::config::Limits;
use crate::refused::Refused;

/// When to come back. Exchanges take seconds: a place is free again soon.
const COME_BACK: Duration = Duration::from_secs(1);

/// What is under way. Clones are the same count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pressure {
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    /// Keys with something under way.
    keys: HashMap<Arc<str>, usize>,
}

/// The place of an exchange that is under way. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    pressure: Pressure,
    key: Arc<str>,
}

// === impl Pressure ===

impl Pressure {
    /// Takes a place for an exchange of this key; none is needed without limits.
    ///
    /// # Errors
    ///
    /// 429 when the key has as many as it may have, 503 when the gateway has.
    pub(crate) fn enter(&self, key: &Arc<str>, limits: &Limits) -> Result<Option<Place>, Refused> {
        if limits.in_flight.is_none() && limits.in_flight_per_key.is_none() {
            return Ok(None);
        }
        let over = |limit: Option<NonZeroUsize>, count: usize| {
            limit.map(NonZeroUsize::get).filter(|limit| count >= *limit)
        };
        let mut counts = self.lock();
        let own = counts.keys.get(key).copied().unwrap_or(0);
        if let Some(limit) = over(limits.in_flight_per_key, own) {
            return Err(key_is_busy(limit));
        }
        if let Some(limit) = over(limits.in_flight, counts.all) {
            return Err(gateway_is_busy(limit));
        }
        counts.all += 1;
        *counts.keys.entry(Arc::clone(key)).or_insert(0) += 1;
        Ok(Some(Place {
            pressure: self.clone(),
            key: Arc::clone(key),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // The counts are whole between any two statements, whoever panicked.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key_is_busy(limit: usize) -> Refused {
    let message = format!(
        "this key has {limit} requests under way, as many as it may have: wait for one of them"
    );
    Refused {
        blame: crate::refused::Blame::Client,
        retry_after: Some(COME_BACK),
        ..Refused::gateway(429, message)
    }
}

fn gateway_is_busy(limit: usize) -> Refused {
    let message =
        format!("the gateway has {limit} requests under way, as many as it takes: try again");
    Refused {
        kind: ErrorType::Overloaded,
        retry_after: Some(COME_BACK),
        ..Refused::gateway(503, message)
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.pressure.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(own) = counts.keys.get_mut(&self.key) {
            *own -= 1;
            if *own == 0 {
                counts.keys.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(all: usize, key: usize) -> Limits {
        Limits {
            in_flight: NonZeroUsize::new(all),
            in_flight_per_key: NonZeroUsize::new(key),
            ..Limits::default()
        }
    }

    #[test]
    fn places_are_given_back_and_nothing_is_remembered_of_who_left() {
        let pressure = Pressure::default();
        let limits = limits(3, 2);
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
        let enter = |key| pressure.enter(key, &limits);
        let first = enter(&alice).unwrap();
        let second = enter(&alice).unwrap();
        assert_eq!(enter(&alice).unwrap_err().status, 429, "two for a key");
        let third = enter(&bob).unwrap();
        assert_eq!(enter(&bob).unwrap_err().status, 503, "three for all");
        drop(first);
        drop(enter(&bob).unwrap());
        drop((second, third));
        let counts = pressure.lock();
        assert_eq!((counts.all, counts.keys.len()), (0, 0), "nothing is left");
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let pressure = Pressure::default();
        let place = pressure.enter(&"alice".into(), &limits(0, 0)).unwrap();
        assert!(place.is_none(), "no place is needed");
    }
}
