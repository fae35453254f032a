//! The places of sessions: the credential that each one was given, for as long as its prompt cache may live.
//!
//! Callers choose the names of sessions, so a tenant's sessions have a share of the table for themselves, which only tenants
//! with the same share can fill. A session that is forgotten is a new one: that costs its cache, and nothing else.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::affinity::Affinity;

/// Number of shares.
const SHARES: u64 = 64;

/// Largest number of sessions in a share.
const MAX_SESSIONS: usize = 4096;

/// The time after its last request for which a session keeps its place: the longest life of a prompt cache.
const LIFE: Duration = Duration::from_secs(3600);

/// The credentials of sessions, by their places in the pool.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    shares: HashMap<u64, HashMap<u64, Place>>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    credential: usize,
    used_at: Instant,
}

// === impl Places ===

impl Places {
    /// Returns the place of a session, which is in use again.
    pub(crate) fn find(&mut self, affinity: Affinity, now: Instant) -> Option<usize> {
        let share = self.shares.get_mut(&share(affinity))?;
        let place = share.get_mut(&affinity.session())?;
        if now.saturating_duration_since(place.used_at) > LIFE {
            share.remove(&affinity.session());
            return None;
        }
        place.used_at = now;
        Some(place.credential)
    }

    /// Gives a session a place.
    pub(crate) fn put(&mut self, affinity: Affinity, credential: usize, now: Instant) {
        let share = self.shares.entry(share(affinity)).or_default();
        if share.len() >= MAX_SESSIONS && !share.contains_key(&affinity.session()) {
            make_room(share, now);
        }
        let place = Place {
            credential,
            used_at: now,
        };
        share.insert(affinity.session(), place);
    }

    /// Returns the number of sessions at a credential.
    pub(crate) fn count(&self, credential: usize, now: Instant) -> usize {
        let all = self.shares.values().flat_map(HashMap::values);
        all.filter(|place| {
            place.credential == credential && now.saturating_duration_since(place.used_at) <= LIFE
        })
        .count()
    }

    /// Moves the places to another pool. `to` gives the place that a credential has there.
    pub(crate) fn renumbered(mut self, to: impl Fn(usize) -> Option<usize>) -> Self {
        for share in self.shares.values_mut() {
            share.retain(|_, place| match to(place.credential) {
                Some(credential) => {
                    place.credential = credential;
                    true
                }
                None => false,
            });
        }
        self
    }
}

fn share(affinity: Affinity) -> u64 {
    affinity.tenant() % SHARES
}

/// Forgets the sessions that are over; if none is, the quarter that was used least recently.
fn make_room(share: &mut HashMap<u64, Place>, now: Instant) {
    share.retain(|_, place| now.saturating_duration_since(place.used_at) <= LIFE);
    if share.len() < MAX_SESSIONS {
        return;
    }
    let mut times: Vec<Instant> = share.values().map(|place| place.used_at).collect();
    let (_, oldest, _) = times.select_nth_unstable(MAX_SESSIONS / 4);
    let oldest = *oldest;
    let mut rest = MAX_SESSIONS / 4;
    share.retain(|_, place| {
        let goes = rest > 0 && place.used_at <= oldest;
        rest -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(tenant: &str, number: usize) -> Affinity {
        Affinity::new(tenant, &number.to_string(), None)
    }

    #[test]
    fn a_session_keeps_its_place_while_it_is_in_use() {
        let mut places = Places::default();
        let (mut now, one) = (Instant::now(), session("acme", 1));
        places.put(one, 2, now);
        for _ in 0..5 {
            now += LIFE;
            assert_eq!(places.find(one, now), Some(2), "in use");
        }
        now += LIFE + Duration::from_millis(1);
        assert_eq!(places.find(one, now), None, "its cache is gone");
        assert_eq!(places.count(2, now), 0, "and its place is free");
    }

    #[test]
    fn a_tenant_with_many_sessions_forgets_its_own_oldest() {
        let mut places = Places::default();
        let start = Instant::now();
        let neighbour = session("neighbour", 1);
        assert_ne!(share(neighbour), share(session("acme", 1)), "another share");
        places.put(neighbour, 1, start);
        for number in 0..=MAX_SESSIONS {
            let now = start + Duration::from_millis(number as u64);
            places.put(session("acme", number), 0, now);
        }
        let now = start + Duration::from_secs(10);
        assert_eq!(places.find(session("acme", 0), now), None, "the oldest");
        let newest = session("acme", MAX_SESSIONS);
        assert_eq!(places.find(newest, now), Some(0), "the newest");
        assert_eq!(places.find(neighbour, now), Some(1), "another tenant's");
        assert!(
            places.count(0, now) >= MAX_SESSIONS * 3 / 4,
            "most are kept"
        );
    }

    #[test]
    fn sessions_of_a_credential_that_left_are_new_again() {
        let mut places = Places::default();
        let now = Instant::now();
        places.put(session("acme", 1), 0, now);
        places.put(session("acme", 2), 1, now);
        let mut places = places.renumbered(|place| (place == 1).then_some(0));
        assert_eq!(places.find(session("acme", 1), now), None, "it left");
        assert_eq!(places.find(session("acme", 2), now), Some(0), "it stayed");
    }
}
