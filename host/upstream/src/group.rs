//! Groups: one name for several upstreams, and the order in which they are tried.
//!
//! Whatever the strategy, members that take requests now come before the others, which are tried last rather than
//! never: their own admission decides.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;
use std::time::Instant;

use rand::Rng;
use smallvec::SmallVec;

use super::{Affinity, Alternative, Upstream};
use crate::config::{Choice, GroupConfig, ProviderChange};

/// Upstreams in the order in which they are to be tried.
pub type Chosen = SmallVec<[Arc<Upstream>; 4]>;

/// A group of interchangeable upstreams.
#[derive(Clone)]
pub struct Group {
    /// The name, which plans use like the name of an upstream.
    pub name: String,
    /// The way to choose a member.
    pub choice: Choice,
    pub(crate) provider_change: ProviderChange,
    members: Box<[Member]>,
}

/// An upstream in a group.
#[derive(Clone)]
pub struct Member {
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// The share of the requests, relative to the weights of the others.
    pub weight: u32,
}

/// The upstream or group behind a name in a plan.
#[derive(Clone, Copy)]
pub enum Found<'a> {
    /// An upstream.
    Upstream(&'a Arc<Upstream>),
    /// A group.
    Group(&'a Group),
}

// === impl Found ===

impl<'a> Found<'a> {
    /// Returns the upstreams in the order in which they are to be tried. `origin` gives the origin of the request, where it matters.
    pub fn choose(
        self,
        origin: impl FnOnce() -> Option<Affinity>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Chosen {
        match self {
            Self::Upstream(upstream) => SmallVec::from_iter([Arc::clone(upstream)]),
            Self::Group(group) => {
                let affinity = match group.choice {
                    Choice::Session => origin(),
                    Choice::PowerOfTwo | Choice::Least | Choice::Weighted | Choice::Order => None,
                };
                group.choose(affinity, now, rng)
            }
        }
    }

    /// Returns the provider of the name: that of the first member, whichever is chosen.
    pub fn provider(self) -> Option<&'a str> {
        let upstream = match self {
            Self::Upstream(upstream) => upstream,
            Self::Group(group) => &group.members.first()?.upstream,
        };
        Some(&upstream.config.provider)
    }

    /// Returns whether requests with another provider's thinking may go to any upstream behind the name.
    pub fn provider_change(self) -> ProviderChange {
        match self {
            Self::Upstream(_) => ProviderChange::Refused,
            Self::Group(group) => group.provider_change,
        }
    }
}

// === impl Group ===

impl Group {
    /// Creates a group of these upstreams.
    ///
    /// # Errors
    ///
    /// The group names an upstream that does not exist.
    pub(super) fn try_new(
        config: &GroupConfig,
        upstreams: &[Arc<Upstream>],
    ) -> Result<Self, String> {
        let members = config.members.iter().map(|member| {
            let upstream = upstreams
                .iter()
                .find(|upstream| upstream.config.name == member.upstream)
                .ok_or_else(|| {
                    format!(
                        "group {}: there is no upstream {}",
                        config.name, member.upstream
                    )
                })?;
            Ok(Member {
                upstream: Arc::clone(upstream),
                weight: member.weight.get(),
            })
        });
        Ok(Self {
            name: config.name.clone(),
            choice: config.choice,
            provider_change: config.provider_change,
            members: members.collect::<Result<_, String>>()?,
        })
    }

    /// Returns the members in the order of the configuration.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    fn choose(&self, affinity: Option<Affinity>, now: Instant, rng: &mut impl Rng) -> Chosen {
        let (mut able, mut rest): (Drawn<'_>, Drawn<'_>) = self
            .members
            .iter()
            .partition(|member| member.upstream.takes(Alternative::Available, now));
        for members in [&mut able, &mut rest] {
            self.arrange(members, affinity, now, rng);
        }
        able.into_iter()
            .chain(rest)
            .map(|member| Arc::clone(&member.upstream))
            .collect()
    }

    fn arrange(
        &self,
        members: &mut Drawn<'_>,
        affinity: Option<Affinity>,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        match (self.choice, affinity) {
            (Choice::Order, _) => {}
            (Choice::Session, Some(affinity)) => members.sort_by_cached_key(|member| {
                Reverse(affinity.score(&member.upstream.config.name, member.weight))
            }),
            (Choice::Weighted | Choice::Session, _) => shuffle(members, rng),
            (Choice::Least, _) => {
                // Shuffled first, so that equal members take turns.
                shuffle(members, rng);
                members.sort_by(|a, b| a.compare_load(b));
            }
            (Choice::PowerOfTwo, _) => {
                shuffle(members, rng);
                if let [first, second, ..] = members.as_mut_slice()
                    && second.compare_cost(first, now) == Ordering::Less
                {
                    std::mem::swap(first, second);
                }
            }
        }
    }
}

type Drawn<'a> = SmallVec<[&'a Member; 4]>;

/// Shuffles the members by weight.
fn shuffle(members: &mut Drawn<'_>, rng: &mut impl Rng) {
    for place in 0..members.len() {
        let Some(rest) = members.get_mut(place..) else {
            return;
        };
        let all: u32 = rest.iter().map(|member| member.weight).sum();
        let mut lot = rng.gen_range(0..all.max(1));
        let drawn = rest.iter().position(|member| {
            let here = lot < member.weight;
            lot = lot.saturating_sub(member.weight);
            here
        });
        if let Some(drawn) = drawn {
            rest.swap(0, drawn);
        }
    }
}

// === impl Member ===

impl Member {
    /// Compares by requests in flight per weight, counting the new one.
    fn compare_load(&self, other: &Self) -> Ordering {
        let load = |member: &Self| u64::from(member.upstream.stats.in_flight()) + 1;
        // a/wa < b/wb without a division.
        (load(self) * u64::from(other.weight)).cmp(&(load(other) * u64::from(self.weight)))
    }

    /// Compares by load times latency.
    fn compare_cost(&self, other: &Self, now: Instant) -> Ordering {
        let cost = |member: &Self, weight: u32| {
            let load = u128::from(member.upstream.stats.in_flight()) + 1;
            let micros = u128::from(member.upstream.stats.latency.aged_micros(now)) + 1;
            load * micros * u128::from(weight)
        };
        cost(self, other.weight).cmp(&cost(other, self.weight))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::config::tests::parsed;
    use crate::stats::Outcome;
    use crate::{Admission, Upstreams, system_resolver};

    fn upstreams(choice: &str) -> Upstreams {
        let text = format!(
            "[upstreams.a]\nbase_url = \"http://127.0.0.1:1\"\nbreaker = {{ min_requests = 1, open_ms = 86400000, max_open_ms = 86400000 }}\n\
             [upstreams.b]\nbase_url = \"http://127.0.0.1:2\"\n[upstreams.c]\nbase_url = \"http://127.0.0.1:3\"\n\
             [groups.pool]\nchoice = \"{choice}\"\n\
             members = [{{ upstream = \"a\", weight = 2 }}, {{ upstream = \"b\" }}, {{ upstream = \"c\" }}]\n"
        );
        let (configs, groups) = parsed(&text);
        Upstreams::try_new(&configs, &groups, "pool", &system_resolver(), None).unwrap()
    }

    fn orders(upstreams: &Upstreams) -> Vec<String> {
        let mut rng = StdRng::seed_from_u64(7);
        let pool = upstreams.find("pool").expect("the group");
        (0..400)
            .map(|_| {
                let chosen = pool.choose(|| None, Instant::now(), &mut rng);
                chosen
                    .iter()
                    .map(|upstream| upstream.config.name.as_str())
                    .collect()
            })
            .collect()
    }

    fn first(orders: &[String], name: char) -> usize {
        orders
            .iter()
            .filter(|order| order.starts_with(name))
            .count()
    }

    #[test]
    fn every_choice_gives_every_member_once() {
        for choice in ["p2c", "least", "weighted", "order", "session"] {
            for order in orders(&upstreams(choice)) {
                let mut names: Vec<char> = order.chars().collect();
                names.sort_unstable();
                assert_eq!(names, ['a', 'b', 'c'], "{choice}: {order}");
            }
        }
    }

    #[test]
    fn members_come_first_by_their_weight() {
        let orders = orders(&upstreams("weighted"));
        let half = first(&orders, 'a');
        assert!(
            (160..240).contains(&half),
            "half of the weight: {half} of 400"
        );
    }

    #[test]
    fn of_two_the_faster_one_comes_first() {
        let upstreams = upstreams("p2c");
        for (name, millis) in [("a", 100), ("b", 1), ("c", 100)] {
            let latency = &upstreams.get(name).unwrap().stats.latency;
            latency.record(Duration::from_millis(millis), Instant::now());
        }
        let fast = first(&orders(&upstreams), 'b');
        // It is one of the two in three draws of four or so, and then it wins.
        assert!(
            (160..360).contains(&fast),
            "more than its weight: {fast} of 400"
        );
    }

    #[test]
    fn requests_in_flight_count_for_the_weight() {
        let upstreams = upstreams("least");
        let (a, b) = (upstreams.get("a").unwrap(), upstreams.get("b").unwrap());
        let required = Admission::Required(Alternative::None);
        let _two = [a.attempt(required), b.attempt(required)];
        let orders = orders(&upstreams);
        assert_eq!(first(&orders, 'b'), 0, "two for a weight of one");
        assert!(orders.iter().all(|order| order.ends_with('b')), "and last");
    }

    #[test]
    fn a_member_that_takes_no_requests_comes_last_and_is_not_left_out() {
        for choice in ["p2c", "least", "weighted", "order", "session"] {
            let upstreams = upstreams(choice);
            let required = Admission::Required(Alternative::None);
            let mut failing = upstreams.get("a").unwrap().attempt(required).unwrap();
            failing.end(Outcome::Failure);
            drop(failing);
            let orders = orders(&upstreams);
            assert!(
                orders.iter().all(|order| order.ends_with('a')),
                "{choice}: {orders:?}"
            );
        }
    }

    #[test]
    fn a_session_has_one_order_and_sessions_spread_by_weight() {
        let upstreams = upstreams("session");
        let pool = upstreams.find("pool").expect("the group");
        let mut rng = StdRng::seed_from_u64(7);
        let mut order = |session: u32| -> String {
            let affinity = Affinity::new("acme", &session.to_string(), None);
            let chosen = pool.choose(|| Some(affinity), Instant::now(), &mut rng);
            let names = chosen.iter().map(|it| it.config.name.as_str());
            names.collect()
        };
        let first: Vec<String> = (0..400).map(&mut order).collect();
        let again: Vec<String> = (0..400).map(&mut order).collect();
        assert_eq!(first, again, "each session the same");
        let half = self::first(&first, 'a');
        assert!(
            (160..240).contains(&half),
            "half of the weight: {half} of 400"
        );
    }
}
