//! A capacity decides as a list of all amounts does, whatever happens in whatever order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions beside the tests are test code too"
)]

use std::sync::Arc;

use proptest::prelude::*;
use witgate_capacity::{
    Amounts, Capacity, Cause, Config, Lease, Limit, Percent, Share, Terms, Unit, Window,
};

const START: u64 = 20_786 * 86_400_000 + 12_345;

#[derive(Debug, Clone)]
enum Step {
    Admit { resource: usize, amounts: Amounts },
    Settle { lease: usize, amounts: Amounts },
    Send { lease: usize },
    Drop { lease: usize },
    Wait { millis: u64 },
    SetBack { millis: u64 },
}

/// An amount that counts in one limit, from a time on.
struct Entry {
    limit: usize,
    resource: usize,
    at: u64,
    amount: u128,
}

/// The use within a window that something brought about, for one limit and resource.
struct Peak {
    limit: usize,
    resource: usize,
    at: u64,
    used: u128,
}

struct Open {
    lease: Lease,
    resource: usize,
    at: u64,
    estimate: Amounts,
    sent: bool,
}

/// The capacity as lists that nothing is ever taken from.
struct Model {
    config: Config,
    entries: Vec<Entry>,
    peaks: Vec<Peak>,
    /// By limit and resource, with the end of the patience.
    wanted: Vec<Vec<(u128, u64)>>,
    told: u64,
    now: u64,
}

impl Model {
    fn new(config: Config) -> Self {
        let resources = config.shares.len() + 1;
        Self {
            entries: Vec::new(),
            peaks: Vec::new(),
            wanted: config
                .limits
                .iter()
                .map(|_| vec![(0, 0); resources])
                .collect(),
            config,
            told: START,
            now: START,
        }
    }

    fn terms(&self, resource: usize) -> Terms {
        match resource {
            0 => self.config.others,
            named => self.config.shares[named - 1].terms,
        }
    }

    fn resources(&self) -> usize {
        self.config.shares.len() + 1
    }

    /// Returns what a resource used within the window that ends at a time.
    fn used(&self, limit: usize, resource: usize, at: u64) -> u128 {
        let part = self.config.limits[limit].window.millis() / 60;
        let here = |entry: &&Entry| {
            entry.limit == limit && entry.resource == resource && at / part - entry.at / part <= 60
        };
        self.entries
            .iter()
            .filter(here)
            .map(|entry| entry.amount)
            .sum()
    }

    fn part(&self, limit: usize, percent: Option<Percent>, or: u128) -> u128 {
        let amount = u128::from(self.config.limits[limit].amount);
        let known = (0..=100).find(|number| Percent::try_new(*number) == percent);
        known.map_or(or, |number| amount * u128::from(number) / 100)
    }

    fn floor(&self, limit: usize, resource: usize) -> u128 {
        self.part(limit, self.terms(resource).floor, 0)
    }

    fn ceiling(&self, limit: usize, resource: usize) -> u128 {
        let amount = u128::from(self.config.limits[limit].amount);
        self.part(limit, self.terms(resource).ceiling, amount)
    }

    fn need(&self, limit: usize, resource: usize) -> u128 {
        let window = self.config.limits[limit].window;
        let (full, fading) = match window {
            Window::Minute => (15, 15),
            Window::Hour => (1, 2),
            Window::Day => (1, 1),
        };
        let mine = |peak: &&Peak| peak.limit == limit && peak.resource == resource;
        let faded = self.peaks.iter().filter(mine).map(|peak| {
            let age = self.now / window.millis() - peak.at / window.millis();
            let age = u128::from(age);
            match age {
                _ if age <= full => peak.used,
                _ if age >= full + fading => 0,
                _ => (peak.used * (full + fading - age)).div_ceil(fading),
            }
        });
        let largest = faded.max().unwrap_or(0);
        let (wanted, until) = self.wanted[limit][resource];
        let wanted = if self.now < until { wanted } else { 0 };
        let percent = (0..=100).find(|number| Percent::try_new(*number) == self.config.headroom);
        let headroom = (largest * u128::from(percent.unwrap_or(50))).div_ceil(100);
        let need = (largest + headroom).max(wanted);
        need.min(self.ceiling(limit, resource))
            .max(self.floor(limit, resource))
    }

    /// Returns what comes before a resource that asks for an amount, with the use of a later time, by resource.
    fn before(&self, limit: usize, resource: usize, amount: u128, at: u64) -> Vec<u128> {
        let asked = self.used(limit, resource, at) + amount;
        let within_floor = asked <= self.floor(limit, resource);
        let others = (0..self.resources()).filter(|other| *other != resource);
        others
            .map(|other| {
                let above = self.terms(other).priority > self.terms(resource).priority;
                let kept = if above && !within_floor {
                    self.need(limit, other)
                } else {
                    self.floor(limit, other)
                };
                kept.max(self.used(limit, other, at))
            })
            .collect()
    }

    fn fits(&self, limit: usize, resource: usize, amount: u128, at: u64) -> bool {
        let used = self.used(limit, resource, at);
        let before: u128 = self.before(limit, resource, amount, at).iter().sum();
        let all = u128::from(self.config.limits[limit].amount);
        used + amount <= self.ceiling(limit, resource) && before + used + amount <= all
    }

    /// Returns the time at which the amount fits, by trying each beginning of a part of the window.
    fn fits_at(&self, limit: usize, resource: usize, amount: u128) -> u64 {
        let window = self.config.limits[limit].window;
        let part = window.millis() / 60;
        let begins = (1..=61).map(|parts| (self.now / part + parts) * part);
        let mut fitting = begins.filter(|at| self.fits(limit, resource, amount, *at));
        fitting.next().unwrap_or(self.now + window.millis())
    }

    fn add(&mut self, limit: usize, resource: usize, at: u64, amount: u128) {
        if amount == 0 {
            return;
        }
        self.entries.push(Entry {
            limit,
            resource,
            at,
            amount,
        });
        let used = self.used(limit, resource, self.now);
        self.peaks.push(Peak {
            limit,
            resource,
            at: self.now,
            used: used.min(self.ceiling(limit, resource)),
        });
    }

    fn settle(&mut self, open: &Open, used: Amounts) {
        for limit in 0..self.config.limits.len() {
            let Limit { unit, window, .. } = self.config.limits[limit];
            let (admitted, used) = (open.estimate.of(unit), used.of(unit));
            let part = window.millis() / 60;
            let there = self.now / part - open.at / part <= 60;
            if used > admitted {
                let at = if there { open.at } else { self.now };
                self.add(limit, open.resource, at, u128::from(used - admitted));
            } else {
                let same = |entry: &&mut Entry| {
                    entry.limit == limit && entry.resource == open.resource && entry.at == open.at
                };
                let mut left = u128::from(admitted - used);
                for entry in self.entries.iter_mut().filter(same) {
                    let taken = left.min(entry.amount);
                    entry.amount -= taken;
                    left -= taken;
                }
            }
        }
    }

    /// Goes on to the time that is told, as a clock does that never goes back by more than a moment.
    fn tell(&mut self, ahead: &mut u64) {
        let ours = self.told + *ahead;
        if ours + 1_000 < self.now {
            *ahead = self.now - self.told;
        }
        self.now = self.now.max(self.told + *ahead);
    }
}

fn amounts(most: u64) -> impl Strategy<Value = Amounts> {
    (0..3_u64, 0..most, 0..most).prop_map(|(requests, input, output)| Amounts {
        requests,
        input,
        output,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let lease = 0..12_usize;
    let wait = prop_oneof![
        3 => 0..3_000_u64,
        3 => 0..90_000_u64,
        1 => 0..5_000_000_u64,
        1 => 0..200_000_000_u64,
    ];
    prop_oneof![
        9 => (0..5_usize, amounts(60)).prop_map(|(resource, amounts)| Step::Admit { resource, amounts }),
        3 => (lease.clone(), amounts(90)).prop_map(|(lease, amounts)| Step::Settle { lease, amounts }),
        2 => lease.clone().prop_map(|lease| Step::Send { lease }),
        2 => lease.prop_map(|lease| Step::Drop { lease }),
        6 => wait.prop_map(|millis| Step::Wait { millis }),
        1 => (0..4_000_000_u64).prop_map(|millis| Step::SetBack { millis }),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let percent =
        |range| prop::option::weighted(0.3, range).prop_map(|part| part.and_then(Percent::try_new));
    let one =
        (0..3_u8, percent(0..20_u8), percent(20..101_u8)).prop_map(|(priority, floor, ceiling)| {
            Terms {
                priority,
                floor,
                ceiling,
            }
        });
    let unit = prop::sample::select(vec![
        Unit::Requests,
        Unit::Tokens,
        Unit::InputTokens,
        Unit::OutputTokens,
    ]);
    let window = prop::sample::select(vec![Window::Minute, Window::Hour, Window::Day]);
    let limit = (unit, window, 1..400_u64).prop_map(|(unit, window, amount)| Limit {
        unit,
        window,
        amount,
    });
    let limits = prop::collection::vec(limit, 1..4);
    let terms = prop::collection::vec(one.clone(), 0..4);
    (limits, terms, one, percent(0..101_u8)).prop_map(|(mut limits, terms, others, headroom)| {
        limits.sort_by_key(|limit| (limit.unit.code(), limit.window.code()));
        limits.dedup_by_key(|limit| (limit.unit, limit.window));
        let shares = (1..).zip(terms).map(|(number, terms)| Share {
            resource: name(number).into(),
            terms,
        });
        Config {
            limits,
            shares: shares.collect(),
            others,
            headroom,
        }
    })
}

fn name(resource: usize) -> String {
    format!("r{resource}")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_capacity_agrees_with_the_model(config in config(), steps in prop::collection::vec(step(), 1..120)) {
        let capacity = Capacity::try_new(&config).expect("a valid configuration");
        // The clock is known before it is set.
        let _ = capacity.status(START);
        let mut model = Model::new(config.clone());
        let mut ahead = 0;
        let mut open: Vec<Open> = Vec::new();
        for step in steps {
            match step {
                Step::Wait { millis } => model.told += millis,
                Step::SetBack { millis } => model.told -= millis,
                Step::Admit { resource, amounts } => {
                    model.tell(&mut ahead);
                    let asked = capacity.resource(&name(resource));
                    // Names without terms share some.
                    let resource = if resource > config.shares.len() { 0 } else { resource };
                    let short: Vec<usize> = (0..config.limits.len())
                        .filter(|limit| {
                            let amount = u128::from(amounts.of(config.limits[*limit].unit));
                            amount > 0 && !model.fits(*limit, resource, amount, model.now)
                        })
                        .collect();
                    let admitted = capacity.admit(asked, amounts, model.told);
                    match admitted {
                        Ok(lease) => {
                            prop_assert_eq!(short, Vec::<usize>::new(), "the model refuses");
                            for limit in 0..config.limits.len() {
                                let amount = amounts.of(config.limits[limit].unit);
                                model.add(limit, resource, model.now, u128::from(amount));
                            }
                            let (at, estimate, sent) = (model.now, amounts, false);
                            open.push(Open { lease, resource, at, estimate, sent });
                        }
                        Err(refused) => {
                            let named = config.limits.iter().position(|limit| *limit == refused.limit).unwrap();
                            prop_assert!(short.contains(&named), "the model has room in {:?}", refused);
                            let amount = u128::from(amounts.of(refused.limit.unit));
                            match refused.retry_after {
                                Some(wait) => {
                                    let wait = u64::try_from(wait.as_millis()).unwrap();
                                    prop_assert_eq!(model.now + wait, model.fits_at(named, resource, amount), "{:?}", refused);
                                }
                                None => prop_assert!(matches!(refused.cause, Cause::TooLarge { .. }), "{:?}", refused),
                            }
                            if let Some(other) = refused.gave_way_to() {
                                let other = config.shares.iter().position(|share| *share.resource == *other);
                                let other = other.map_or(0, |place| place + 1);
                                let above = model.terms(other).priority > model.terms(resource).priority;
                                let kept = model.floor(named, other) > model.used(named, other, model.now);
                                prop_assert!(above || kept, "gave way to one that does not come before: {:?}", refused);
                            }
                            for limit in short {
                                let amount = u128::from(amounts.of(config.limits[limit].unit));
                                let floors: u128 = (0..model.resources())
                                    .filter(|other| *other != resource)
                                    .map(|other| model.floor(limit, other))
                                    .sum();
                                let all = u128::from(config.limits[limit].amount);
                                let used = model.used(limit, resource, model.now);
                                let ceiling = model.ceiling(limit, resource);
                                let own = ceiling < all && used + amount > ceiling;
                                if amount <= ceiling.min(all - floors) && !own {
                                    let (wanted, until) = model.wanted[limit][resource];
                                    let wanted = if model.now < until { wanted } else { 0 };
                                    let wants = (used + amount).min(ceiling).max(wanted);
                                    model.wanted[limit][resource] = (wants, model.now + 60_000);
                                }
                            }
                        }
                    }
                }
                Step::Settle { lease, amounts } if lease < open.len() => {
                    model.tell(&mut ahead);
                    let ended = open.remove(lease);
                    model.settle(&ended, amounts);
                    ended.lease.settle(amounts, model.told);
                }
                Step::Send { lease } if lease < open.len() => {
                    open[lease].lease.sent();
                    open[lease].sent = true;
                }
                Step::Drop { lease } if lease < open.len() => {
                    let ended = open.remove(lease);
                    if !ended.sent {
                        model.settle(&ended, Amounts::default());
                    }
                    drop(ended.lease);
                }
                Step::Settle { .. } | Step::Send { .. } | Step::Drop { .. } => {}
            }

            model.tell(&mut ahead);
            let status = capacity.status(model.told);
            for (limit, status) in status.limits.iter().enumerate() {
                let mut total = 0;
                for (resource, share) in status.shares.iter().enumerate() {
                    let used = model.used(limit, resource, model.now);
                    prop_assert_eq!(u128::from(share.used), used, "use of {:?} in {:?}", share, status.limit);
                    prop_assert_eq!(u128::from(share.need), model.need(limit, resource), "need of {:?} in {:?}", share, status.limit);
                    total += used;
                }
                prop_assert_eq!(u128::from(status.used), total, "use of all in {:?}", status.limit);
            }
        }
    }

    #[test]
    fn no_period_of_a_windows_length_has_more_than_its_capacity(
        config in config(),
        asks in prop::collection::vec((0..5_usize, amounts(120), 0..20_000_u64), 1..300),
    ) {
        let capacity = Capacity::try_new(&config).expect("a valid configuration");
        let mut now = START;
        let mut admitted: Vec<(u64, Amounts)> = Vec::new();
        for (resource, amounts, wait) in asks {
            now += wait;
            let admission = capacity.admit(capacity.resource(&name(resource)), amounts, now);
            if let Ok(lease) = admission {
                lease.settle(amounts, now);
                admitted.push((now, amounts));
            }
        }
        for limit in &config.limits {
            for (begin, _) in &admitted {
                let within = admitted.iter().filter(|(at, _)| at.wrapping_sub(*begin) < limit.window.millis());
                let used: u64 = within.map(|(_, amounts)| amounts.of(limit.unit)).sum();
                prop_assert!(used <= limit.amount, "{used} in {limit:?} from {begin} on");
            }
        }
    }

    #[test]
    fn a_copy_decides_as_the_capacity_that_it_was_made_of(
        config in config(),
        asks in prop::collection::vec((0..5_usize, amounts(60), 0..30_000_u64), 1..120),
        later in prop::collection::vec((0..5_usize, amounts(60), 0..30_000_u64), 1..40),
    ) {
        let capacity = Capacity::try_new(&config).expect("a valid configuration");
        let mut now = START;
        let ask = |capacity: &Arc<Capacity>, resource: usize, amounts: Amounts, now: u64| {
            let admission = capacity.admit(capacity.resource(&name(resource)), amounts, now);
            admission.map(|lease| lease.settle(amounts, now))
        };
        for (resource, amounts, wait) in asks {
            now += wait;
            let _ = ask(&capacity, resource, amounts, now);
        }
        // Refused requests are not waited for by the copy.
        now += 60_000;
        let copy = Capacity::try_resume(&config, &capacity.state(now), now).expect("a valid configuration");
        for (resource, amounts, wait) in later {
            now += wait;
            let both = [&capacity, &copy].map(|capacity| ask(capacity, resource, amounts, now));
            prop_assert_eq!(&both[0], &both[1], "at {}", now);
        }
    }
}
