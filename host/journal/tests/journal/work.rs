//! A ledger with a journal, and work for it.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use witgate_journal::{Log, OnDamage, Options, Recovered, recover};
use witgate_ledger::{
    Amounts, Carried, Charge, Entry, Export, Hold, Ledger, OnShortfall, Unit, UnixMillis, Window,
};

use crate::disk::Memory;

/// 2026-11-21T01:43:06Z.
pub(crate) const NOW: UnixMillis = UnixMillis(1_795_225_386_000);

/// A step of the work.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// A hold on the accounts of these numbers.
    Open { accounts: Vec<u8>, amount: u64 },
    /// The hold at this place, counted round, is raised to an amount.
    Extend { hold: usize, amount: u64 },
    /// The money of a hold becomes a hold of its own.
    Split { hold: usize },
    /// A hold ends with an amount.
    Settle { hold: usize, amount: u64 },
    /// A hold ends without usage.
    Release { hold: usize },
    /// The usage of the account of this number is taken off.
    Reset { account: u8 },
}

/// A ledger with a journal, and its open holds with the last amount that each was extended to.
pub(crate) struct Books {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) log: Log,
    pub(crate) holds: Vec<(Hold, u64)>,
    opened: u64,
    /// Money that resets took off.
    pub(crate) cleared: u128,
}

pub(crate) fn options() -> Options {
    Options {
        // What is synced is for each test to say, and nothing has to wait.
        sync_interval: Duration::from_millis(1),
        retry: Duration::from_millis(1),
        ..Options::with_clock(|| NOW)
    }
}

pub(crate) fn amounts(amount: u64) -> Amounts {
    Amounts {
        picousd: amount,
        tokens: amount,
        input_tokens: amount,
        output_tokens: amount,
        cached_tokens: amount,
        requests: 1,
    }
}

pub(crate) fn charge(account: &str, window: Window, unit: Unit, amount: u64) -> Charge {
    Charge {
        account: account.into(),
        window,
        unit,
        limit: u64::MAX,
        amount,
        shortfall: OnShortfall::Overdraw,
    }
}

/// The charges of the accounts with these numbers.
pub(crate) fn charges(accounts: &[u8], amount: u64) -> Vec<Charge> {
    let charges = accounts.iter().map(|number| {
        let window = [Window::Month, Window::Day, Window::Total][usize::from(number % 3)];
        let unit = Unit::ALL[usize::from(number % 4)];
        charge(&format!("account:{number}"), window, unit, amount)
    });
    charges.collect()
}

pub(crate) fn work() -> impl Strategy<Value = Work> {
    let amount = prop_oneof![Just(0), 1..1_000_u64, Just(u64::MAX / 4)];
    prop_oneof![
        3 => (prop::collection::vec(0..8_u8, 1..5), amount.clone())
            .prop_map(|(accounts, amount)| Work::Open { accounts, amount }),
        3 => (any::<usize>(), amount.clone()).prop_map(|(hold, amount)| Work::Extend { hold, amount }),
        1 => any::<usize>().prop_map(|hold| Work::Split { hold }),
        2 => (any::<usize>(), amount).prop_map(|(hold, amount)| Work::Settle { hold, amount }),
        1 => any::<usize>().prop_map(|hold| Work::Release { hold }),
        1 => (0..8_u8).prop_map(|account| Work::Reset { account }),
    ]
}

/// Reads a journal back that is not damaged.
pub(crate) fn read_back(disk: &Memory) -> Recovered {
    recover(disk, OnDamage::Refuse).expect("it is not damaged")
}

/// The balances that count, in an order.
pub(crate) fn counting(export: &Export) -> Vec<Carried> {
    let counts = |carried: &&Carried| carried.used > 0 || carried.held > 0 || carried.holds > 0;
    let mut balances: Vec<_> = export.balances.iter().filter(counts).cloned().collect();
    balances.sort_by_key(|carried| format!("{:?}", carried.balance));
    balances
}

/// The content of a ledger.
pub(crate) fn held_by(ledger: &Ledger) -> Export {
    let export = ledger.export(|_: &Entry<'_>| {}, NOW);
    ledger.close_journal();
    export
}

/// Waits for another thread.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "waited for {what}"
        );
        std::thread::yield_now();
    }
}

// === impl Books ===

impl Books {
    pub(crate) fn begin(disk: &Memory, options: Options) -> Self {
        let ledger = Ledger::new();
        let log = Log::begin(&ledger, Box::new(disk.clone()), 0, options).unwrap();
        Self {
            ledger,
            log,
            holds: Vec::new(),
            opened: 0,
            cleared: 0,
        }
    }

    pub(crate) fn open(&mut self, accounts: &[u8], amount: u64) {
        self.opened += 1;
        let name = format!("req_{}", self.opened);
        let charges = charges(accounts, amount);
        let hold = self.ledger.reserve_as(&name, charges, "acme", NOW);
        self.holds.push((hold.unwrap(), 0));
    }

    pub(crate) fn make(&mut self, work: &Work) {
        let place = |hold: usize, count: usize| (count > 0).then(|| hold % count);
        let count = self.holds.len();
        match work {
            Work::Open { accounts, amount } => self.open(accounts, *amount),
            Work::Extend { hold, amount } => {
                if let Some(place) = place(*hold, count) {
                    let (hold, extended) = &mut self.holds[place];
                    hold.extend(amounts(*amount)).unwrap();
                    *extended = (*extended).max(*amount);
                }
            }
            Work::Split { hold } => {
                if let Some(place) = place(*hold, count) {
                    let (hold, extended) = &mut self.holds[place];
                    let (new, extended) = (hold.split_off(&[Unit::PicoUsd], "batch"), *extended);
                    self.holds.extend(new.map(|new| (new, extended)));
                }
            }
            Work::Settle { hold, amount } => {
                if let Some(place) = place(*hold, count) {
                    self.holds.swap_remove(place).0.settle(amounts(*amount));
                }
            }
            Work::Release { hold } => {
                if let Some(place) = place(*hold, count) {
                    self.holds.swap_remove(place).0.release();
                }
            }
            Work::Reset { account } => {
                let of = charges(&[*account], 0);
                let Charge {
                    account,
                    window,
                    unit,
                    ..
                } = &of[0];
                let cleared = self.ledger.reset("", account, *window, *unit, NOW);
                if *unit == Unit::PicoUsd {
                    self.cleared += u128::from(cleared.used());
                }
            }
        }
    }
}
