//! The breaker of an only upstream under concurrent traffic, in simulated time, with hundreds of seeds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const SEEDS: u64 = 300;
const MILLI: Duration = Duration::from_millis(1);

/// Clients that ask one upstream again and again, many at a time.
struct World {
    breaker: Breaker,
    start: Instant,
    rng: StdRng,
    /// Requests under way, by their end in milliseconds.
    under_way: BinaryHeap<Reverse<(u64, u64)>>,
    tickets: Vec<Option<(Ticket, Report)>>,
    now: u64,
    seen: Seen,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Seen {
    sent: u64,
    good: u64,
    refused: u64,
    opened: u64,
}

/// The behaviour of an upstream.
#[derive(Clone, Copy)]
struct Health {
    /// Failures in a hundred requests.
    percent: u32,
    /// Milliseconds to a failure, and to a good answer, at most.
    fails_within: u64,
    answers_within: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            breaker: Breaker::new(BreakerPolicy::default()),
            start: Instant::now() + Duration::from_secs(600),
            rng: StdRng::seed_from_u64(seed),
            under_way: BinaryHeap::new(),
            tickets: Vec::new(),
            now: 0,
            seen: Seen::default(),
        }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + MILLI * u32::try_from(millis).expect("a short time")
    }

    /// Lets so many clients ask for so long. A client that is refused comes again after a short while.
    fn run(&mut self, clients: u64, millis: u64, health: Health) -> Seen {
        let before = self.seen;
        let until = self.now + millis;
        for _ in 0..clients {
            let begin = self.now + self.rng.gen_range(0..20);
            self.plan(begin, None);
        }
        while let Some(Reverse((at, index))) = self.under_way.pop() {
            self.now = at;
            self.end(index);
            if at < until {
                self.ask(health);
            }
        }
        Seen {
            sent: self.seen.sent - before.sent,
            good: self.seen.good - before.good,
            refused: self.seen.refused - before.refused,
            opened: self.seen.opened - before.opened,
        }
    }

    fn plan(&mut self, at: u64, sent: Option<(Ticket, Report)>) {
        let index = self.tickets.len() as u64;
        self.tickets.push(sent);
        self.under_way.push(Reverse((at, index)));
    }

    fn end(&mut self, index: u64) {
        let index = usize::try_from(index).expect("an index");
        if let Some((ticket, report)) = self.tickets[index] {
            let now = self.at(self.now);
            let change = self.breaker.ended(ticket, report, now, &mut self.rng);
            self.seen.opened += u64::from(matches!(change, Some(Change::Opened(_))));
            self.seen.good += u64::from(report == Report::Success);
        }
    }

    fn ask(&mut self, health: Health) {
        match self.breaker.enter(Alternative::None, self.at(self.now)) {
            Ok(ticket) => {
                self.seen.sent += 1;
                let fails = self.rng.gen_range(0..100) < health.percent;
                let (report, within) = if fails {
                    (Report::Failure, health.fails_within)
                } else {
                    (Report::Success, health.answers_within)
                };
                let takes = self.rng.gen_range(1..=within);
                self.plan(self.now + takes, Some((ticket, report)));
            }
            Err(_) => {
                self.seen.refused += 1;
                self.plan(self.now + 100, None);
            }
        }
    }
}

/// An upstream that fails for so many in a hundred, as fast as it answers.
fn failing(percent: u32, within: u64) -> Health {
    Health {
        percent,
        fails_within: within,
        answers_within: within,
    }
}

#[test]
fn with_one_failure_in_twenty_it_never_opens_whatever_the_seed_and_the_speed() {
    for seed in 0..SEEDS {
        for (fails_within, answers_within) in [(20, 20), (1, 2000), (2000, 20)] {
            let health = Health {
                percent: 5,
                fails_within,
                answers_within,
            };
            let clients = 1 + seed % 40;
            let seen = World::new(seed).run(clients, 2_000, health);
            assert_eq!(
                (seen.opened, seen.refused),
                (0, 0),
                "seed {seed}, {clients} clients, {fails_within} and {answers_within} ms: {seen:?}"
            );
        }
    }
}

#[test]
fn with_nothing_but_failures_it_opens_and_sends_next_to_nothing() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let health = failing(100, 20);
        let seen = world.run(20, 2_000, health);
        assert!(seen.opened > 0, "seed {seed}: {seen:?}");
        let seen = world.run(20, 30_000, health);
        // Trials after 1, 2, 4, 8 and 16 s, or after half of that.
        assert!(seen.sent <= 10, "seed {seed}: {seen:?}");
    }
}

#[test]
fn an_upstream_that_fails_for_most_is_asked_by_all() {
    for seed in 0..SEEDS {
        let seen = World::new(seed).run(20, 2_000, failing(80, 20));
        assert_eq!(seen.refused, 0, "seed {seed}: {seen:?}");
        assert!(seen.good > 0, "seed {seed}: {seen:?}");
    }
}

#[test]
fn an_upstream_that_comes_back_is_asked_by_all_in_the_end() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let seen = world.run(5, 5_000, failing(100, 200));
        assert!(seen.refused > 0, "seed {seed}: it is down: {seen:?}");
        // A trial may meet one of the five in a hundred, and so may the next one.
        world.run(5, 200_000, failing(5, 200));
        let seen = world.run(5, 2_000, failing(5, 200));
        assert_eq!(seen.refused, 0, "seed {seed}: all are sent: {seen:?}");
        let open = world.breaker.opened(world.at(world.now));
        assert_eq!(open, None, "seed {seed}: it has closed");
    }
}

#[test]
fn an_upstream_that_comes_back_in_part_is_found_to_have() {
    let mut found = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        world.run(5, 5_000, failing(100, 200));
        world.run(5, 120_000, failing(60, 200));
        let seen = world.run(5, 2_000, failing(60, 200));
        found += u64::from(seen.refused == 0);
    }
    // Each trial finds it with four in ten, and the time between two trials grows.
    assert!(found * 10 >= SEEDS * 8, "{found} of {SEEDS}");
}
