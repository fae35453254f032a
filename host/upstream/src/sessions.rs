//! What is remembered of sessions, for as long as they are in use.
//!
//! Callers choose the names of sessions, so a tenant's sessions have a share of the table for themselves, which only tenants
//! with the same share can fill. A session that is forgotten is a new one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use crate::affinity::Affinity;

/// Number of shares.
const SHARES: u64 = 64;

/// Largest number of sessions in a share.
const MAX_SESSIONS: usize = 4096;

/// A table of sessions, each with a value. It has room for 262,144 of them, in 64 shares.
#[derive(Debug, Clone)]
pub struct Sessions<T> {
    /// The time after its last request for which a session is remembered.
    life: Duration,
    shares: HashMap<u64, HashMap<u64, Session<T>>>,
}

#[derive(Debug, Clone)]
struct Session<T> {
    value: T,
    used_at: Instant,
}

// === impl Sessions ===

impl<T> Sessions<T> {
    /// Creates an empty table. Sessions are remembered for `life` after their last request.
    #[must_use]
    pub fn new(life: Duration) -> Self {
        Self {
            life,
            shares: HashMap::new(),
        }
    }

    /// Returns the value of a session, which is in use again.
    pub fn find(&mut self, affinity: Affinity, now: Instant) -> Option<&T> {
        let share = self.shares.get_mut(&share(affinity))?;
        let Entry::Occupied(entry) = share.entry(affinity.session()) else {
            return None;
        };
        if now.saturating_duration_since(entry.get().used_at) > self.life {
            entry.remove();
            return None;
        }
        let session = entry.into_mut();
        session.used_at = now;
        Some(&session.value)
    }

    /// Gives a session a value. A full share forgets sessions that are over; if none is, the quarter that was used least recently.
    pub fn put(&mut self, affinity: Affinity, value: T, now: Instant) {
        let share = self.shares.entry(share(affinity)).or_default();
        if share.len() >= MAX_SESSIONS && !share.contains_key(&affinity.session()) {
            make_room(share, self.life, now);
        }
        let session = Session {
            value,
            used_at: now,
        };
        share.insert(affinity.session(), session);
    }

    /// Returns the number of sessions in use whose value `is` one that is looked for.
    pub fn count(&self, is: impl Fn(&T) -> bool, now: Instant) -> usize {
        let all = self.shares.values().flat_map(HashMap::values);
        all.filter(|session| {
            is(&session.value) && now.saturating_duration_since(session.used_at) <= self.life
        })
        .count()
    }

    /// Replaces each value by the one that `to` gives, and forgets the sessions for which it gives none.
    #[must_use]
    pub fn changed(mut self, to: impl Fn(&T) -> Option<T>) -> Self {
        for share in self.shares.values_mut() {
            share.retain(|_, session| match to(&session.value) {
                Some(value) => {
                    session.value = value;
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

fn make_room<T>(share: &mut HashMap<u64, Session<T>>, life: Duration, now: Instant) {
    share.retain(|_, session| now.saturating_duration_since(session.used_at) <= life);
    if share.len() < MAX_SESSIONS {
        return;
    }
    let mut times: Vec<Instant> = share.values().map(|session| session.used_at).collect();
    let (_, oldest, _) = times.select_nth_unstable(MAX_SESSIONS / 4);
    let oldest = *oldest;
    let mut rest = MAX_SESSIONS / 4;
    share.retain(|_, session| {
        let goes = rest > 0 && session.used_at <= oldest;
        rest -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(3600);

    fn session(tenant: &str, number: usize) -> Affinity {
        Affinity::new(tenant, &number.to_string(), None)
    }

    #[test]
    fn a_session_is_remembered_while_it_is_in_use() {
        let mut sessions = Sessions::new(LIFE);
        let (mut now, one) = (Instant::now(), session("acme", 1));
        sessions.put(one, 2, now);
        for _ in 0..5 {
            now += LIFE;
            assert_eq!(sessions.find(one, now), Some(&2), "in use");
        }
        now += LIFE + Duration::from_millis(1);
        assert_eq!(sessions.find(one, now), None, "its life is over");
        assert_eq!(sessions.count(|value| *value == 2, now), 0, "none is left");
    }

    #[test]
    fn a_tenant_with_many_sessions_forgets_its_own_oldest() {
        let mut sessions = Sessions::new(LIFE);
        let start = Instant::now();
        let neighbour = session("neighbour", 1);
        assert_ne!(share(neighbour), share(session("acme", 1)), "another share");
        sessions.put(neighbour, 1, start);
        for number in 0..=MAX_SESSIONS {
            let now = start + Duration::from_millis(number as u64);
            sessions.put(session("acme", number), 0, now);
        }
        let now = start + Duration::from_secs(10);
        assert_eq!(sessions.find(session("acme", 0), now), None, "the oldest");
        let newest = session("acme", MAX_SESSIONS);
        assert_eq!(sessions.find(newest, now), Some(&0), "the newest");
        assert_eq!(sessions.find(neighbour, now), Some(&1), "another tenant's");
        assert!(
            sessions.count(|value| *value == 0, now) >= MAX_SESSIONS * 3 / 4,
            "most are kept"
        );
    }

    #[test]
    fn sessions_whose_value_left_are_new_again() {
        let mut sessions = Sessions::new(LIFE);
        let now = Instant::now();
        sessions.put(session("acme", 1), 0, now);
        sessions.put(session("acme", 2), 1, now);
        let mut sessions = sessions.changed(|value| (*value == 1).then_some(0));
        assert_eq!(sessions.find(session("acme", 1), now), None, "it left");
        assert_eq!(
            sessions.find(session("acme", 2), now),
            Some(&0),
            "it stayed"
        );
    }
}
