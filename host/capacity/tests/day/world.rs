//! Two tenants and an upstream in simulated time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use witgate_capacity::{Amounts, Capacity, Config, Lease, Refused};

use crate::CAPACITY;
use crate::demand::Demand;

const START: u64 = 20_786 * 86_400_000;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

/// Workers of the tenant that would take everything.
const WORKERS: u64 = 40;

/// The longest time for which such a worker sleeps, whatever it is told.
const LONGEST_SLEEP: u64 = 10 * SECOND;

pub(crate) struct World {
    capacity: Arc<Capacity>,
    demand: Demand,
    rng: StdRng,
    now: u64,
    /// By time, and then in the order in which they were planned.
    ahead: BinaryHeap<Reverse<(u64, usize)>>,
    planned: Vec<Option<Event>>,
    /// The times and tokens that the upstream counts.
    seen: Vec<(u64, u64)>,
    report: Report,
}

enum Event {
    /// A minute begins, and with it the requests of people within it.
    Minute(usize),
    Ask(Asking),
    End(Lease, Amounts, Tenant),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tenant {
    Chat,
    Batch,
}

#[derive(Clone, Copy)]
struct Asking {
    tenant: Tenant,
    tries: u64,
    used: Amounts,
    takes: u64,
}

/// The requests of a tenant.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) asked: u64,
    /// Requests that were refused at first.
    pub(crate) refused: u64,
    /// Tokens that were used, counted when they were admitted.
    pub(crate) used: u64,
}

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) chat: Count,
    pub(crate) batch: Count,
    pub(crate) batch_by_minute: Vec<u64>,
    /// The need of chat at the beginning of each minute.
    pub(crate) kept_by_minute: Vec<u64>,
    /// Refusals of batch that say that chat was given way to, and those that name somebody else.
    pub(crate) named_chat: u64,
    pub(crate) named_wrongly: u64,
    /// The most tokens that the upstream saw within a minute, wherever it begins.
    pub(crate) largest_minute: u64,
    /// The longest time from a first refusal of chat to its admission.
    pub(crate) longest_wait: u64,
    minutes: u64,
}

impl World {
    pub(crate) fn new(config: &Config, demand: Demand, seed: u64) -> Self {
        Self {
            capacity: Capacity::try_new(config).expect("a valid configuration"),
            demand,
            rng: StdRng::seed_from_u64(seed ^ 0x5eed),
            now: START,
            ahead: BinaryHeap::new(),
            planned: Vec::new(),
            seen: Vec::new(),
            report: Report::default(),
        }
    }

    pub(crate) fn run(mut self, minutes: usize) -> Report {
        let end = START + minutes as u64 * MINUTE;
        self.report.batch_by_minute = vec![0; minutes];
        self.report.minutes = minutes as u64;
        for minute in 0..minutes {
            self.plan(START + minute as u64 * MINUTE, Event::Minute(minute));
        }
        for worker in 0..WORKERS {
            let asking = self.batch_job();
            self.plan(START + worker * SECOND, Event::Ask(asking));
        }
        while let Some(Reverse((at, index))) = self.ahead.pop() {
            if at >= end {
                break;
            }
            self.now = at;
            match self.planned[index].take().expect("happens once") {
                Event::Minute(minute) => self.people(minute),
                Event::Ask(asking) => self.ask(asking),
                Event::End(lease, used, tenant) => self.end(lease, used, tenant),
            }
        }
        self.report.largest_minute = largest_minute(&mut self.seen);
        self.report
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.ahead.push(Reverse((at, self.planned.len())));
        self.planned.push(Some(event));
    }

    fn people(&mut self, minute: usize) {
        let limits = self.capacity.status(self.now).limits;
        // Behind that of the others.
        self.report.kept_by_minute.push(limits[0].shares[1].need);
        for moment in self.demand.moments(minute, &mut self.rng) {
            let asking = Asking {
                tenant: Tenant::Chat,
                tries: 0,
                used: Amounts {
                    requests: 1,
                    input: self.rng.gen_range(5_000..14_000),
                    output: self.rng.gen_range(200..2_000),
                },
                takes: self.rng.gen_range(4 * SECOND..30 * SECOND),
            };
            self.plan(self.now + moment, Event::Ask(asking));
        }
    }

    fn batch_job(&mut self) -> Asking {
        Asking {
            tenant: Tenant::Batch,
            tries: 0,
            used: Amounts {
                requests: 1,
                input: self.rng.gen_range(10_000..30_000),
                output: self.rng.gen_range(500..4_000),
            },
            takes: self.rng.gen_range(20 * SECOND..60 * SECOND),
        }
    }

    fn ask(&mut self, asking: Asking) {
        let name = match asking.tenant {
            Tenant::Chat => "chat",
            Tenant::Batch => "batch",
        };
        let resource = self.capacity.resource(name);
        // Prompts are estimated within a tenth, outputs not at all.
        let estimate = Amounts {
            input: asking.used.input * self.rng.gen_range(90..=110) / 100,
            output: 1_000,
            ..asking.used
        };
        if asking.tries == 0 {
            self.count(asking.tenant).asked += 1;
        }
        match self.capacity.admit(resource, estimate, self.now) {
            Ok(mut lease) => {
                lease.sent();
                let tokens = asking.used.input + asking.used.output;
                self.seen.push((self.now, tokens));
                self.count(asking.tenant).used += tokens;
                if asking.tenant == Tenant::Batch {
                    let minute = usize::try_from((self.now - START) / MINUTE).unwrap();
                    self.report.batch_by_minute[minute] += tokens;
                }
                let end = Event::End(lease, asking.used, asking.tenant);
                self.plan(self.now + asking.takes, end);
            }
            Err(refused) => self.refused(asking, &refused),
        }
    }

    fn refused(&mut self, asking: Asking, refused: &Refused) {
        if asking.tries == 0 {
            self.count(asking.tenant).refused += 1;
        }
        let wait = refused.retry_after.unwrap_or(Duration::MAX);
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        if asking.tenant == Tenant::Batch {
            match refused.gave_way_to() {
                Some("chat") => self.report.named_chat += 1,
                Some(_) => self.report.named_wrongly += 1,
                None => {}
            }
        } else {
            self.report.longest_wait = self.report.longest_wait.max(wait);
        }
        let again = Asking {
            tries: asking.tries + 1,
            ..asking
        };
        self.plan(self.now + wait.min(LONGEST_SLEEP), Event::Ask(again));
    }

    fn end(&mut self, lease: Lease, used: Amounts, tenant: Tenant) {
        lease.settle(used, self.now);
        if tenant == Tenant::Batch {
            let next = self.batch_job();
            self.plan(self.now + 1, Event::Ask(next));
        }
    }

    fn count(&mut self, tenant: Tenant) -> &mut Count {
        match tenant {
            Tenant::Chat => &mut self.report.chat,
            Tenant::Batch => &mut self.report.batch,
        }
    }
}

fn largest_minute(seen: &mut [(u64, u64)]) -> u64 {
    seen.sort_unstable();
    let (mut first, mut within, mut largest) = (0, 0, 0);
    for (at, tokens) in seen.iter() {
        within += tokens;
        while seen[first].0 + MINUTE <= *at {
            within -= seen[first].1;
            first += 1;
        }
        largest = largest.max(within);
    }
    largest
}

impl Report {
    pub(crate) fn refused_of_ten_thousand(&self) -> u64 {
        (self.chat.refused * 10_000).div_ceil(self.chat.asked.max(1))
    }

    /// Returns the part of what chat left that batch got.
    pub(crate) fn given_of_thousand(&self) -> u64 {
        let free = self.minutes * CAPACITY - self.chat.used;
        self.batch.used * 1_000 / free
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.minutes * CAPACITY;
        write!(
            f,
            "chat asked {}, refused at first {} ({}.{:02}%), used {}% of the capacity; batch used {}%, {}.{}% of what chat left, \
             gave way {} times; a minute at the upstream had at most {}%; the longest wait of chat was {} s",
            self.chat.asked,
            self.chat.refused,
            self.refused_of_ten_thousand() / 100,
            self.refused_of_ten_thousand() % 100,
            self.chat.used * 100 / all,
            self.batch.used * 100 / all,
            self.given_of_thousand() / 10,
            self.given_of_thousand() % 10,
            self.named_chat,
            self.largest_minute * 100 / CAPACITY,
            self.longest_wait / SECOND,
        )
    }
}
