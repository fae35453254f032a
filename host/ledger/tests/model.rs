//! The ledger does what a list of numbers does, whatever happens in whatever order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions beside the tests are test code too"
)]

use std::collections::HashMap;

use proptest::prelude::*;
use witgate_ledger::{Amounts, Charge, Hold, Ledger, OnShortfall, Unit, UnixMillis, Window};

/// All accounts are this one's; `rooms.rs` has several owners.
const OWNER: &str = "acme";

/// Account, window, and the end of the period: what a balance is.
type Key = (usize, Window, Option<UnixMillis>);

#[derive(Debug, Clone)]
enum Step {
    Reserve(Vec<Ask>),
    Extend { hold: usize, tokens: u64 },
    Settle { hold: usize, tokens: u64 },
    Release { hold: usize },
    Drop { hold: usize },
    Wait { millis: u64 },
}

#[derive(Debug, Clone)]
struct Ask {
    account: usize,
    window: Window,
    limit: u64,
    amount: u64,
    shortfall: OnShortfall,
}

/// A hold as the model sees it: what it has on each balance, and the limits that refuse.
struct Open {
    hold: Hold,
    held: HashMap<Key, u64>,
    ceilings: HashMap<Key, u64>,
    extended: u64,
}

#[derive(Default)]
struct Model {
    used: HashMap<Key, u64>,
    open: Vec<Open>,
    /// The time of the last reservation.
    latest: UnixMillis,
}

fn ask() -> impl Strategy<Value = Ask> {
    let codes = [
        "minute",
        "hour",
        "week",
        "total",
        "day@Australia/Lord_Howe",
        "last-1-minute",
        "last-2-minutes",
        "last-1-hour",
    ];
    let windows = codes.map(|code| Window::parse(code).expect("a known code"));
    let window = prop::sample::select(windows.to_vec());
    let shortfall = prop::sample::select(vec![
        OnShortfall::Refuse,
        OnShortfall::Refuse,
        OnShortfall::Overdraw,
    ]);
    (0..3_usize, window, 0..60_u64, 0..30_u64, shortfall).prop_map(
        |(account, window, limit, amount, shortfall)| Ask {
            account,
            window,
            limit,
            amount,
            shortfall,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let hold = 0..8_usize;
    prop_oneof![
        4 => prop::collection::vec(ask(), 0..6).prop_map(Step::Reserve),
        2 => (hold.clone(), 0..60_u64).prop_map(|(hold, tokens)| Step::Extend { hold, tokens }),
        2 => (hold.clone(), 0..60_u64).prop_map(|(hold, tokens)| Step::Settle { hold, tokens }),
        1 => hold.clone().prop_map(|hold| Step::Release { hold }),
        1 => hold.prop_map(|hold| Step::Drop { hold }),
        1 => (0..90_000_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

fn tokens(tokens: u64) -> Amounts {
    Amounts {
        tokens,
        ..Amounts::default()
    }
}

/// Returns whether what counts under one key counts for another one: in the same period, or in the same time up to `now`.
fn counts_for(other: &Key, key: &Key, now: UnixMillis) -> bool {
    let counts = |key: &Key| key.2.is_some_and(|end| end > now);
    match key.1 {
        Window::Last(_) if counts(key) => (other.0, other.1) == (key.0, key.1) && counts(other),
        _ => other == key,
    }
}

impl Model {
    /// Returns what counts for a key at the time of the last reservation.
    fn total(&self, key: &Key) -> u64 {
        let held = self.open.iter().flat_map(|open| &open.held);
        let held = held.filter(|(other, _)| counts_for(other, key, self.latest));
        self.used(key, self.latest) + held.map(|(_, held)| held).sum::<u64>()
    }

    fn used(&self, key: &Key, now: UnixMillis) -> u64 {
        let used = self.used.iter();
        let used = used.filter(|(other, _)| counts_for(other, key, now));
        used.map(|(_, used)| used).sum()
    }

    /// Returns what open holds have under a key, as a page shows it.
    fn held(&self, key: &Key, now: UnixMillis) -> u64 {
        let held = self.open.iter().flat_map(|open| &open.held);
        let held = held.filter(|(other, _)| counts_for(other, key, now));
        held.map(|(_, held)| held).sum()
    }

    /// Takes a hold off and counts what it used.
    fn end(&mut self, at: usize, used: u64) -> Hold {
        let open = self.open.remove(at);
        for key in open.held.keys() {
            *self.used.entry(*key).or_default() += used;
        }
        open.hold
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn the_ledger_agrees_with_the_model(steps in prop::collection::vec(step(), 1..80)) {
        let ledger = Ledger::new();
        let mut model = Model::default();
        let mut now = UnixMillis(1_795_225_386_000);
        for step in steps {
            match step {
                Step::Wait { millis } => now.0 += millis,
                Step::Reserve(asks) => {
                    model.latest = now;
                    let key = |ask: &Ask| (ask.account, ask.window, ask.window.resets_at(now));
                    let mut held = HashMap::<Key, u64>::new();
                    let mut ceilings = HashMap::<Key, u64>::new();
                    for ask in &asks {
                        *held.entry(key(ask)).or_default() += ask.amount;
                        if ask.shortfall == OnShortfall::Refuse {
                            let ceiling = ceilings.entry(key(ask)).or_insert(ask.limit);
                            *ceiling = ask.limit.min(*ceiling);
                        }
                    }
                    let first = asks.iter().position(|ask| {
                        ask.shortfall == OnShortfall::Refuse && model.total(&key(ask)) + held[&key(ask)] > ask.limit
                    });
                    let charges = asks.iter().map(|ask| Charge {
                        account: ask.account.to_string().into(),
                        window: ask.window,
                        unit: Unit::Tokens,
                        limit: ask.limit,
                        amount: ask.amount,
                        shortfall: ask.shortfall,
                    });
                    match ledger.reserve(charges.collect(), OWNER, now) {
                        Ok(hold) => {
                            prop_assert_eq!(first, None, "the model refuses");
                            model.open.push(Open { hold, held, ceilings, extended: 0 });
                        }
                        Err(refused) => {
                            prop_assert_eq!(Some(refused.index), first, "another charge is refused");
                            let ask = &asks[refused.index];
                            let remaining = ask.limit.saturating_sub(model.total(&key(ask)));
                            prop_assert_eq!(refused.remaining(), remaining, "what remains");
                        }
                    }
                }
                Step::Extend { hold, tokens: amount } if hold < model.open.len() => {
                    let open = &model.open[hold];
                    let fits = open.held.iter().all(|(key, held)| {
                        let ceiling = open.ceilings.get(key).copied().unwrap_or(u64::MAX);
                        amount <= *held || model.total(key) - held + amount <= ceiling
                    });
                    let open = &mut model.open[hold];
                    prop_assert_eq!(open.hold.extend(tokens(amount)).is_ok(), fits, "whether it can be extended");
                    if fits {
                        open.held.values_mut().for_each(|held| *held = amount.max(*held));
                        open.extended = amount.max(open.extended);
                    }
                }
                Step::Settle { hold, tokens: amount } if hold < model.open.len() => {
                    model.end(hold, amount).settle(tokens(amount));
                }
                Step::Release { hold } if hold < model.open.len() => model.end(hold, 0).release(),
                Step::Drop { hold } if hold < model.open.len() => {
                    let extended = model.open[hold].extended;
                    drop(model.end(hold, extended));
                }
                Step::Extend { .. } | Step::Settle { .. } | Step::Release { .. } | Step::Drop { .. } => {}
            }

            for statement in ledger.snapshot(now).balances {
                let key = (statement.account.parse().unwrap(), statement.window, statement.resets_at);
                prop_assert_eq!(statement.held, model.held(&key, now), "{:?}", statement);
                let used = model.used(&key, now);
                prop_assert_eq!(statement.used, used, "what settlements add up to: {:?}", statement);
            }
            prop_assert_eq!(ledger.totals().open_holds, model.open.len() as u64, "open holds");
        }
        model.open.clear();
        prop_assert_eq!(ledger.totals().open_holds, 0, "every hold ends");
        prop_assert!(ledger.snapshot(now).balances.iter().all(|s| s.held == 0), "nothing stays held");
    }
}
