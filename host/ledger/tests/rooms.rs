//! The room of each owner is what a list of balances says, whatever happens in whatever order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions beside the tests are test code too"
)]

use proptest::prelude::*;
use witgate_ledger::{
    Amounts, Bounds, Charge, Hold, Ledger, OnShortfall, Reason, Unit, UnixMillis, Window,
};

const BOUNDS: Bounds = Bounds {
    accounts: 32,
    per_owner: 12,
};

const OWNERS: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone)]
enum Step {
    Reserve {
        owner: usize,
        accounts: Vec<(u8, Window)>,
    },
    Settle {
        hold: usize,
        tokens: u64,
    },
    Wait {
        millis: u64,
    },
}

/// A balance as the model sees it.
struct Entry {
    account: u8,
    window: Window,
    end: Option<UnixMillis>,
    owner: usize,
    used: u64,
    holds: usize,
}

struct Open {
    hold: Hold,
    /// Places of the entries.
    entries: Vec<usize>,
}

/// A model that never evicts a balance, but skips the inactive ones.
#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    open: Vec<Open>,
}

// === impl Entry ===

impl Entry {
    fn is_over(&self, now: UnixMillis) -> bool {
        self.end.is_some_and(|end| now >= end)
    }

    fn counts(&self, now: UnixMillis) -> bool {
        self.holds > 0 || (self.used > 0 && !self.is_over(now))
    }
}

// === impl Model ===

impl Model {
    fn counting(&self, owner: Option<usize>, now: UnixMillis) -> usize {
        let of = |entry: &&Entry| owner.is_none_or(|owner| entry.owner == owner);
        let entries = self.entries.iter().filter(of);
        entries.filter(|entry| entry.counts(now)).count()
    }

    fn current(&self, account: u8, window: Window, now: UnixMillis) -> Option<usize> {
        let is_it = |entry: &Entry| {
            entry.account == account && entry.window == window && !entry.is_over(now)
        };
        self.entries.iter().position(is_it)
    }
}

fn step() -> impl Strategy<Value = Step> {
    let window = prop::sample::select(vec![Window::Minute, Window::Hour, Window::Total]);
    let accounts = prop::collection::btree_map(0..24_u8, window, 1..4);
    prop_oneof![
        6 => (0..OWNERS.len(), accounts).prop_map(|(owner, accounts)| Step::Reserve {
            owner,
            accounts: accounts.into_iter().collect(),
        }),
        5 => (0..8_usize, 0..3_u64).prop_map(|(hold, tokens)| Step::Settle { hold, tokens }),
        1 => (0..2_000_000_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

fn charge((account, window): &(u8, Window)) -> Charge {
    Charge {
        account: account.to_string().into(),
        window: *window,
        unit: Unit::Tokens,
        limit: u64::MAX,
        amount: 1,
        shortfall: OnShortfall::Refuse,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn room_is_given_and_refused_as_the_model_says(steps in prop::collection::vec(step(), 1..120)) {
        let ledger = Ledger::with_bounds(BOUNDS);
        let mut model = Model::default();
        let mut now = UnixMillis(1_795_225_386_000);
        for step in steps {
            match step {
                Step::Wait { millis } => now.0 += millis,
                Step::Reserve { owner, accounts } => {
                    let is_fresh = |(account, window): &&(u8, Window)| {
                        let entry = model.current(*account, *window, now);
                        entry.is_none_or(|entry| !model.entries[entry].counts(now))
                    };
                    let fresh = accounts.iter().filter(is_fresh).count();
                    let own = model.counting(Some(owner), now);
                    let free = BOUNDS.accounts.saturating_sub(model.counting(None, now));
                    // The last two are for owners that have none.
                    let shared = own + fresh <= BOUNDS.per_owner && own + fresh + 2 <= free;
                    let first = own + fresh <= 1 && fresh <= free;
                    let fits = fresh == 0 || shared || first;

                    let charges = accounts.iter().map(charge).collect();
                    let hold = match ledger.reserve(charges, OWNERS[owner], now) {
                        Ok(hold) => hold,
                        Err(refused) => {
                            prop_assert!(!fits, "the model has room: {}", refused);
                            let Reason::NoRoom(no_room) = refused.reason else {
                                panic!("only room is short here");
                            };
                            prop_assert_eq!((no_room.own, no_room.free), (own, free), "what is told");
                            continue;
                        }
                    };
                    prop_assert!(fits, "the model has no room: {} own, {} free, {} fresh", own, free, fresh);
                    let mut entries = Vec::new();
                    for (account, window) in accounts {
                        let place = match model.current(account, window, now) {
                            Some(place) => place,
                            None => {
                                model.entries.push(Entry {
                                    account,
                                    window,
                                    end: window.resets_at(now),
                                    owner,
                                    used: 0,
                                    holds: 0,
                                });
                                model.entries.len() - 1
                            }
                        };
                        let entry = &mut model.entries[place];
                        if !entry.counts(now) {
                            entry.owner = owner;
                        }
                        entry.holds += 1;
                        entries.push(place);
                    }
                    model.open.push(Open { hold, entries });
                }
                Step::Settle { hold, tokens } if hold < model.open.len() => {
                    let open = model.open.remove(hold);
                    for place in open.entries {
                        model.entries[place].used += tokens;
                        model.entries[place].holds -= 1;
                    }
                    open.hold.settle(Amounts { tokens, ..Amounts::default() });
                }
                Step::Settle { .. } => {}
            }

            prop_assert!(ledger.totals().balances <= BOUNDS.accounts, "no more than there may be");
            for balance in ledger.snapshot(now).balances {
                let account = balance.account.parse().unwrap();
                let entry = model.entries.iter().find(|entry| {
                    (entry.account, entry.window, entry.end) == (account, balance.window, balance.resets_at)
                });
                let Some(entry) = entry else {
                    prop_assert_eq!((balance.used, balance.held), (0, 0), "a refusal leaves nothing: {:?}", balance);
                    continue;
                };
                prop_assert_eq!(balance.used, entry.used, "what was spent: {:?}", balance);
                if entry.counts(now) {
                    prop_assert_eq!(&*balance.owner, OWNERS[entry.owner], "whose it is: {:?}", balance);
                }
            }
            let shown = ledger.snapshot(now).balances.len();
            prop_assert!(shown >= model.counting(None, now), "nothing that counts is forgotten");
        }
    }
}
