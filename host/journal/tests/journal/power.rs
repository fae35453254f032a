//! A machine that loses power at every moment: what is forgotten is within the lease.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::Runtime;
use witgate_journal::{Lease, Options};
use witgate_ledger::Unit;

use crate::disk::{Left, Memory};
use crate::work::{Books, NOW, Work, amounts, options, read_back};

/// The money that may be forgotten.
const LEASE: u64 = 1_000;

/// What each account of money has spent for certain, by its name.
type Spent = BTreeMap<String, u128>;

/// A log that syncs when it must, and fills several segments.
fn leased() -> Options {
    Options {
        sync_interval: Duration::from_secs(3600),
        segment_bytes: 600,
        lease: Lease {
            picousd: LEASE,
            ..Lease::UNBOUNDED
        },
        ..options()
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

/// A hold on one to three accounts of money, which spends in steps and ends with what it has spent.
#[derive(Debug, Clone)]
enum Step {
    Open(Vec<u8>),
    Spend { hold: usize, more: u64 },
    End { hold: usize },
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::collection::vec(0..3_u8, 1..4).prop_map(|accounts| {
            // These numbers are accounts of money.
            Step::Open(accounts.into_iter().map(|account| account * 4).collect())
        }),
        6 => (any::<usize>(), 1..400_u64).prop_map(|(hold, more)| Step::Spend { hold, more }),
        2 => any::<usize>().prop_map(|hold| Step::End { hold }),
        1 => Just(Step::Sync),
    ]
}

/// The work, with the truth after each step that a request was allowed to go on after.
struct Story {
    books: Books,
    runtime: Runtime,
    truths: Vec<Spent>,
    spent: Spent,
}

impl Story {
    fn begin(disk: &Memory) -> Self {
        Self {
            books: Books::begin(disk, leased()),
            runtime: runtime(),
            truths: Vec::new(),
            spent: Spent::new(),
        }
    }

    fn make(&mut self, step: &Step, disk: &Memory) {
        let count = self.books.holds.len();
        match step {
            Step::Open(accounts) => self.books.open(accounts, 100),
            Step::Spend { hold, more } if count > 0 => {
                let (hold, extended) = &mut self.books.holds[hold % count];
                hold.extend(amounts(*extended + more)).unwrap();
                *extended += more;
                let position = hold.position();
                let accounts: BTreeSet<_> = hold
                    .charges()
                    .iter()
                    .map(|charge| &charge.account)
                    .collect();
                for account in accounts {
                    *self.spent.entry(account.to_string()).or_default() += u128::from(*more);
                }
                let written = self.books.log.written(position);
                self.runtime.block_on(written).expect("the disk is well");
                disk.note(self.truths.len());
                self.truths.push(self.spent.clone());
            }
            Step::End { hold } if count > 0 => {
                let (_, extended) = self.books.holds[hold % count];
                self.books.make(&Work::Settle {
                    hold: *hold,
                    amount: extended,
                });
            }
            Step::Sync => self.books.log.sync().expect("the disk is well"),
            Step::Spend { .. } | Step::End { .. } => {}
        }
    }
}

/// What a restart finds spent, open holds at their last extensions.
fn found(disk: &Memory) -> Spent {
    let mut recovered = read_back(disk);
    for orphan in recovered.orphans() {
        recovered.settle(orphan.number, orphan.extended);
    }
    let mut spent = Spent::new();
    for carried in recovered.export(NOW).balances {
        if carried.balance.unit == Unit::PicoUsd {
            *spent
                .entry(carried.balance.account.to_string())
                .or_default() += carried.used;
        }
    }
    spent
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_loss_of_power_at_any_moment_forgets_no_more_than_the_lease(
        steps in prop::collection::vec(step(), 1..60),
        eighths in 1..8_usize,
    ) {
        let disk = Memory::default();
        let mut story = Story::begin(&disk);
        for step in &steps {
            story.make(step, &disk);
        }
        story.books.log.close();
        let nothing = Spent::new();
        let all = &story.spent;
        for done in 0..=disk.done() {
            for left in [Left::Nothing, Left::All, Left::Eighths(eighths), Left::Holes] {
                let (after, last) = disk.after_power_loss_at(done, left);
                // It starts without anybody's help.
                let found = found(&after);
                let truth = last.map_or(&nothing, |last| &story.truths[last]);
                for (account, spent) in truth {
                    let known = found.get(account).copied().unwrap_or(0);
                    prop_assert!(
                        known + u128::from(LEASE) >= *spent,
                        "{account}: {known} of {spent} after {done} with {left:?} left"
                    );
                }
                for (account, known) in &found {
                    let most = all.get(account).copied().unwrap_or(0);
                    prop_assert!(*known <= most, "{account}: {known} of {most} is made up");
                }
            }
        }
    }
}

#[test]
fn spending_within_the_lease_waits_for_no_sync_and_more_waits_for_one() {
    let disk = Memory::default();
    let mut books = Books::begin(&disk, leased());
    let runtime = runtime();
    books.open(&[0], 10);
    let mut spend = |amount| {
        let hold = &mut books.holds[0].0;
        hold.extend(amounts(amount)).unwrap();
        let position = hold.position();
        runtime.block_on(books.log.written(position)).unwrap();
        books.log.stats()
    };
    let stats = spend(LEASE / 2);
    assert_eq!(stats.syncs, 0, "half of it is no reason to sync: {stats:?}");
    assert_eq!(
        stats.unsynced_picousd,
        LEASE / 2,
        "it is counted: {stats:?}"
    );
    let stats = spend(10 * LEASE);
    assert!(stats.syncs > 0, "more waits for a sync: {stats:?}");
    assert_eq!(stats.unsynced_picousd, 0, "and nothing is left: {stats:?}");
}

#[test]
fn spending_beyond_the_lease_is_refused_if_the_disk_does_not_sync() {
    let disk = Memory::default();
    let mut books = Books::begin(&disk, leased());
    books.open(&[0], 10);
    disk.trouble(|trouble| {
        trouble.syncs_fail = true;
        trouble.publishing_fails = true;
    });
    let hold = &mut books.holds[0].0;
    hold.extend(amounts(2 * LEASE)).unwrap();
    let position = hold.position();
    let refused = runtime().block_on(books.log.written(position));
    assert!(refused.is_err(), "it may not go on");
}
