//! Sixty agents and a provider that counts and refuses honestly, in simulated time, with many seeds.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::book::{Book, Pick, Terms};
use super::reading::{Bucket, Reading};
use super::standing::Sentence;
use super::tried::Tried;
use super::wish::{Among, Wish};
use crate::affinity::{Affinity, mixed};

const SEEDS: u64 = 12;
const AGENTS: usize = 60;
const MINUTE: u64 = 60_000;

/// Longest time between an event at the provider and its effect at the pool: an answer's way, and a wait in whole seconds.
const SLACK: u64 = 1_500;

/// A source of numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mixed(self.0) % end
    }
}

/// What a key's refusals say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Everything,
    /// Nothing but the status, and no limits in good answers.
    Nothing,
}

/// A key that is good for so many requests a minute.
struct Key {
    limit: u64,
    used: HashMap<u64, u64>,
    says: Says,
    /// The time from which it is refused as unknown.
    revoked_at: u64,
    asked: u64,
    refused: u64,
}

impl Key {
    fn new(limit: u64) -> Self {
        Self {
            limit,
            used: HashMap::new(),
            says: Says::Everything,
            revoked_at: u64::MAX,
            asked: 0,
            refused: 0,
        }
    }

    fn left(&self, now: u64) -> u64 {
        let used = self.used.get(&(now / MINUTE)).copied().unwrap_or_default();
        self.limit.saturating_sub(used)
    }

    /// Returns whether there was room for the whole time in which the pool may have learned of it.
    fn has_room(&self, now: u64) -> bool {
        let since = now.saturating_sub(SLACK);
        now < self.revoked_at && since / MINUTE == now / MINUTE && self.left(now) > 0
    }

    fn serve(&mut self, now: u64) -> (u16, Reading) {
        self.asked += 1;
        if now >= self.revoked_at {
            self.refused += 1;
            return (401, Reading::default());
        }
        let status = if self.left(now) == 0 {
            self.refused += 1;
            429
        } else {
            *self.used.entry(now / MINUTE).or_default() += 1;
            200
        };
        let rest = Duration::from_millis(MINUTE - now % MINUTE);
        let mut reading = Reading::default();
        if self.says == Says::Everything {
            reading.buckets[0] = Some(Bucket {
                limit: self.limit,
                left: self.left(now),
                full_in: rest,
            });
            if status == 429 {
                reading.retry_after = Some(Duration::from_secs(rest.as_secs() + 1));
            }
        }
        (status, reading)
    }
}

/// A request on its way.
struct Running {
    agent: usize,
    pick: Pick,
    tried: Tried,
    doubtful: Vec<(Pick, u16)>,
    answer: Option<(u16, Reading)>,
}

#[derive(Default)]
struct Seen {
    served: u64,
    refused: u64,
    /// Clients that were refused although a key had room.
    wrongly: u64,
    moves: Vec<(usize, usize, u64)>,
}

struct World {
    start: Instant,
    book: Book,
    keys: Vec<Key>,
    dice: Dice,
    events: BinaryHeap<Reverse<(u64, usize)>>,
    running: HashMap<usize, Running>,
    next: usize,
    seen: Seen,
    /// Number of requests in a session.
    session: u64,
    /// Answers that each agent got, and the key of the last one.
    agents: HashMap<usize, (u64, usize)>,
}

impl World {
    fn new(seed: u64, keys: Vec<Key>, soft: u32) -> Self {
        let terms = (0..keys.len()).map(|index| Terms {
            name: format!("key-{index}"),
            weight: 1,
            soft,
            hard: 0,
        });
        Self {
            start: Instant::now() + Duration::from_secs(3600),
            book: Book::new(terms.collect()),
            keys,
            dice: Dice(seed << 32),
            events: BinaryHeap::new(),
            running: HashMap::new(),
            next: 0,
            seen: Seen::default(),
            session: u64::MAX,
            agents: HashMap::new(),
        }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn wish(&self, agent: usize) -> Wish {
        let answers = self.agents.get(&agent).map_or(0, |(answers, _)| *answers);
        let session = (answers / self.session).to_string();
        Wish {
            among: Among::All,
            model: "m".into(),
            affinity: Some(Affinity::new("acme", &session, Some(&agent.to_string()))),
        }
    }

    /// Lets the agents work until then, each with a pause of up to `pause` between an answer and its next request.
    fn run(&mut self, until: u64, pause: u64) {
        for agent in 0..AGENTS {
            // All at once, as sub-agents are.
            let begin = self.dice.below(20);
            self.events.push(Reverse((begin, agent)));
        }
        while let Some(Reverse((now, event))) = self.events.pop() {
            if now >= until {
                continue;
            }
            if event < AGENTS {
                self.send(event, Tried::default(), Vec::new(), now);
                continue;
            }
            let mut running = self.running.remove(&event).expect("a running request");
            match running.answer.take() {
                // It arrives at the provider.
                None => {
                    running.answer = Some(self.keys[running.pick.credential].serve(now));
                    let back = now + 5 + self.dice.below(400);
                    self.running.insert(event, running);
                    self.events.push(Reverse((back, event)));
                }
                Some((status, reading)) => self.answered(running, status, &reading, now, pause),
            }
        }
    }

    fn send(&mut self, agent: usize, mut tried: Tried, doubtful: Vec<(Pick, u16)>, now: u64) {
        let wish = self.wish(agent);
        let Ok(pick) = self.book.choose(&wish, tried, self.at(now)) else {
            self.seen.refused += 1;
            if self.keys.iter().any(|key| key.has_room(now)) {
                self.seen.wrongly += 1;
            }
            let again = now + 200 + self.dice.below(2000);
            self.events.push(Reverse((again, agent)));
            return;
        };
        tried.insert(pick.credential);
        let id = AGENTS + self.next;
        self.next += 1;
        let arrives = now + 1 + self.dice.below(30);
        self.events.push(Reverse((arrives, id)));
        let running = Running {
            agent,
            pick,
            tried,
            doubtful,
            answer: None,
        };
        self.running.insert(id, running);
    }

    fn answered(&mut self, running: Running, status: u16, reading: &Reading, now: u64, pause: u64) {
        let Running {
            agent,
            pick,
            tried,
            mut doubtful,
            ..
        } = running;
        let then = self.at(now);
        match self.book.answered(pick, status, reading, then) {
            Sentence::Served => {
                for (pick, status) in doubtful {
                    self.book.convict(pick, status, then);
                }
                self.seen.served += 1;
                let last = self.agents.get(&agent).copied();
                let (answers, from) = last.unwrap_or((0, pick.credential));
                if from != pick.credential {
                    self.seen.moves.push((agent, from, now / MINUTE));
                }
                self.agents.insert(agent, (answers + 1, pick.credential));
                let again = now + 1 + self.dice.below(pause);
                self.events.push(Reverse((again, agent)));
            }
            Sentence::Doubtful => {
                doubtful.push((pick, status));
                self.send(agent, tried, doubtful, now);
            }
            Sentence::Limited => self.send(agent, tried, doubtful, now),
        }
    }

    fn limit_of_all(&self) -> u64 {
        self.keys.iter().map(|key| key.limit).sum()
    }
}

fn three(limits: [u64; 3]) -> Vec<Key> {
    limits.map(Key::new).into()
}

#[test]
fn no_client_is_refused_while_a_key_has_room() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed, three([40, 200, 700]), 100);
        world.run(5 * MINUTE, 8_000);
        let Seen {
            served, wrongly, ..
        } = world.seen;
        assert_eq!(wrongly, 0, "seed {seed}: refused although a key had room");
        let fair = 5 * world.limit_of_all();
        assert!(
            served > fair * 8 / 10,
            "seed {seed}: {served} of {fair} served"
        );
    }
}

#[test]
fn a_session_leaves_an_exhausted_key_once() {
    for seed in 0..SEEDS {
        // Together they are enough: only the first two run out.
        let mut world = World::new(seed, three([40, 200, 7000]), 100);
        world.run(5 * MINUTE, 8_000);
        assert_eq!(world.seen.refused, 0, "seed {seed}: there is always room");
        let moves = &world.seen.moves;
        let once: HashSet<_> = moves.iter().collect();
        assert_eq!(once.len(), moves.len(), "seed {seed}: twice in a minute");
        let back = moves.iter().filter(|(_, from, _)| *from == 2).count();
        assert_eq!(back, 0, "seed {seed}: nothing leaves a key with room");
        for agent in 0..AGENTS {
            let count = moves.iter().filter(|(mover, ..)| *mover == agent).count();
            assert!(count <= 2, "seed {seed}: agent {agent} moved {count} times");
        }
    }
}

#[test]
fn sixty_agents_at_once_do_not_all_get_the_key_that_looks_free() {
    let mut world = World::new(1, three([5, 20, 100]), 0);
    let now = world.at(0);
    for key in 0..3 {
        let tried = (0..3).filter(|other| *other != key);
        let tried = tried.fold(Tried::default(), |mut tried, other| {
            tried.insert(other);
            tried
        });
        let any = Wish {
            among: Among::All,
            ..Wish::default()
        };
        let pick = world.book.choose(&any, tried, now).expect("it is open");
        let mut reading = world.keys[key].serve(0).1;
        reading.buckets[0].as_mut().expect("a limit").left = world.keys[key].limit;
        world.book.answered(pick, 200, &reading, now);
    }
    let mut sent = [0; 3];
    for agent in 0..AGENTS {
        let mut wish = world.wish(agent);
        wish.model = "".into();
        let pick = world.book.choose(&wish, Tried::default(), now);
        sent[pick.expect("there is room").credential] += 1;
    }
    assert!(
        sent[0] <= 5 && sent[1] <= 20,
        "no more than is left: {sent:?}"
    );
    assert!(sent[0] >= 1 && sent[1] >= 10, "and all are used: {sent:?}");
}

#[test]
fn keys_that_say_nothing_are_left_alone_after_a_refusal() {
    for seed in 0..SEEDS {
        let mut keys = three([40, 60, 2000]);
        for key in &mut keys {
            key.says = Says::Nothing;
        }
        let mut world = World::new(seed, keys, 100);
        world.session = 4;
        world.run(3 * MINUTE, 4_000);
        let Seen {
            served, refused, ..
        } = world.seen;
        assert_eq!(refused, 0, "seed {seed}: there is always room");
        let failed: u64 = world.keys.iter().map(|key| key.refused).sum();
        assert!(
            failed * 20 < served,
            "seed {seed}: {failed} refusals for {served} answers"
        );
    }
}

#[test]
fn a_revoked_key_is_noticed_and_its_sessions_move_once() {
    for seed in 0..SEEDS {
        let mut keys = three([5000, 5000, 5000]);
        keys[1].revoked_at = MINUTE / 2;
        let mut world = World::new(seed, keys, 100);
        world.run(2 * MINUTE, 5_000);
        assert_eq!(world.seen.refused, 0, "seed {seed}: the others have room");
        let unknown = world.keys[1].refused;
        assert!(
            (1..=30).contains(&unknown),
            "seed {seed}: {unknown} requests with the revoked key"
        );
        let moves = &world.seen.moves;
        assert!(
            moves.iter().all(|(_, from, _)| *from == 1),
            "seed {seed}: others stay"
        );
        let movers: HashSet<_> = moves.iter().map(|(agent, ..)| agent).collect();
        assert_eq!(movers.len(), moves.len(), "seed {seed}: once");
    }
}

#[test]
fn new_sessions_do_not_try_a_revoked_key_again() {
    for seed in 0..SEEDS {
        let mut keys = three([5000, 5000, 5000]);
        keys[1].revoked_at = 0;
        let mut world = World::new(seed, keys, 100);
        world.session = 2;
        world.run(MINUTE, 5_000);
        assert_eq!(world.seen.refused, 0, "seed {seed}: the others have room");
        let unknown = world.keys[1].refused;
        assert!(
            unknown <= 30,
            "seed {seed}: {unknown} requests with the revoked key"
        );
    }
}
