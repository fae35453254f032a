//! Affinity: requests of one session and agent share a prompt cache, so they go to the same place.
//!
//! The places are ranked by rendezvous hashing: each has a score for each session, and the best score wins. All gateways rank
//! alike, because the hash has no seed, and a place that is added or removed moves only the sessions that it wins or had.

/// The origin of a request: the tenant, and the session and agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affinity {
    tenant: u64,
    session: u64,
}

// === impl Affinity ===

impl Affinity {
    /// Creates the affinity of an agent's requests in a session. Sessions of two tenants never share one.
    pub fn new(tenant: &str, session: &str, agent: Option<&str>) -> Self {
        let tenant = hash(0, tenant);
        // No agent is not the same as one without a name.
        let session = hash(hash(tenant, session), agent.map_or("", |agent| agent));
        Self {
            tenant,
            session: mixed(session ^ u64::from(agent.is_some())),
        }
    }

    /// Returns the number of the tenant.
    pub(crate) fn tenant(self) -> u64 {
        self.tenant
    }

    /// Returns the number of the session and agent.
    pub(crate) fn session(self) -> u64 {
        self.session
    }

    /// Returns the score of a place for this session. Of several places, each has the best score as often as its weight says.
    pub(crate) fn score(self, place: &str, weight: u32) -> u64 {
        let place = hash(self.session, place);
        // The best of as many draws as the weight: a score in proportion, without a logarithm.
        (0..u64::from(weight.max(1)))
            .map(|draw| mixed(place.wrapping_add(draw.wrapping_mul(GOLDEN))))
            .max()
            .unwrap_or_default()
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns the hash of a text (FNV-1a), mixed so that its high bits depend on all of it.
fn hash(seed: u64, text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ mixed(seed);
    let hashed = text.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mixed(hashed)
}

/// Mixes the bits of a number (the finalizer of SplitMix64).
pub(crate) fn mixed(number: u64) -> u64 {
    let mut number = number.wrapping_add(GOLDEN);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u32) -> Affinity {
        Affinity::new("acme", &format!("session-{number}"), None)
    }

    fn best(affinity: Affinity, places: &[(&'static str, u32)]) -> &'static str {
        let best = places
            .iter()
            .max_by_key(|(name, weight)| affinity.score(name, *weight));
        best.expect("a place").0
    }

    #[test]
    fn agents_sessions_and_tenants_differ() {
        let all = [
            Affinity::new("acme", "s", None),
            Affinity::new("acme", "s", Some("")),
            Affinity::new("acme", "s", Some("a")),
            Affinity::new("acme", "sa", None),
            Affinity::new("acm", "es", None),
        ];
        for (index, one) in all.iter().enumerate() {
            for other in &all[index + 1..] {
                assert_ne!(one.session(), other.session(), "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn sessions_spread_by_weight() {
        let places = [("a", 1), ("b", 2), ("c", 5)];
        let mut counts = [0_u32; 3];
        for number in 0..8000 {
            let name = best(session(number), &places);
            let place = places.iter().position(|(place, _)| *place == name);
            counts[place.expect("one of them")] += 1;
        }
        for ((name, weight), count) in places.iter().zip(counts) {
            let fair = weight * 1000;
            assert!(
                count.abs_diff(fair) < fair / 8,
                "{name}: {count} sessions instead of about {fair}"
            );
        }
    }

    #[test]
    fn a_place_that_leaves_moves_only_its_own_sessions() {
        let all = [("a", 1), ("b", 1), ("c", 1)];
        for number in 0..1000 {
            let before = best(session(number), &all);
            let after = best(session(number), &all[..2]);
            assert!(
                before == after || before == "c",
                "session {number} moved from {before} to {after}"
            );
        }
    }

    #[test]
    fn the_ranking_is_the_same_in_every_process() {
        // Gateways side by side, and the next one after a restart, send a session to the same place.
        assert_eq!(
            session(1).session(),
            1_624_544_317_173_600_570,
            "a fixed hash"
        );
    }
}
