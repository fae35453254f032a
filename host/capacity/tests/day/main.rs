//! A day of two tenants on one upstream: one that people wait for, and one that would take everything.
//!
//! The same day is run under three ways to share: by priority, in two halves, and first come first served. The bounds hold for the first
//! one, and for neither of the others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the functions beside the tests are test code too"
)]

mod demand;
mod world;

use witgate_capacity::{Config, Limit, Percent, Share, Terms, Unit, Window};

use self::demand::Demand;
use self::world::{Report, World};

const SEEDS: u64 = 2;

/// Tokens that the upstream takes in a minute.
const CAPACITY: u64 = 1_000_000;

/// Requests of the important tenant that may be refused at first, of ten thousand.
const MOST_REFUSED: u64 = 40;

/// The part of what the important tenant leaves that the other one gets, in thousandths.
const LEAST_GIVEN: u64 = 650;

/// A way to share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    ByPriority,
    InHalves,
    FirstCome,
}

impl Sharing {
    fn config(self) -> Config {
        let half = Percent::try_new(50);
        let terms = |priority, part| Terms {
            priority,
            floor: part,
            ceiling: part,
        };
        let (chat, batch) = match self {
            Self::ByPriority => (terms(2, None), terms(1, None)),
            Self::InHalves => (terms(1, half), terms(1, half)),
            Self::FirstCome => (terms(1, None), terms(1, None)),
        };
        let share = |resource: &str, terms| Share {
            resource: resource.into(),
            terms,
        };
        Config {
            limits: vec![Limit {
                unit: Unit::Tokens,
                window: Window::Minute,
                amount: CAPACITY,
            }],
            shares: vec![share("chat", chat), share("batch", batch)],
            others: Terms::default(),
            headroom: None,
        }
    }

    fn day(self, seed: u64) -> Report {
        let report = World::new(&self.config(), Demand::of_a_day(seed), seed).run(24 * 60);
        println!("{self:?}, seed {seed}: {report}");
        report
    }
}

#[test]
fn by_priority_the_important_tenant_is_hardly_ever_refused_and_the_other_gets_the_rest() {
    for seed in 0..SEEDS {
        let report = Sharing::ByPriority.day(seed);
        assert!(report.chat.asked > 20_000, "a busy day: {report}");
        assert!(
            report.refused_of_ten_thousand() <= MOST_REFUSED,
            "refused: {report}"
        );
        assert!(report.given_of_thousand() >= LEAST_GIVEN, "given: {report}");
        assert_eq!(
            report.named_wrongly, 0,
            "batch gives way to chat alone: {report}"
        );
        let needs = report.kept_by_minute.windows(2);
        let falls = needs.map(|needs| needs[0].saturating_sub(needs[1]));
        let steepest = falls.max().unwrap();
        assert!(
            steepest <= CAPACITY / 10,
            "what is kept falls slowly: {steepest} in a minute: {report}"
        );
        assert!(report.named_chat > 1_000, "and is told so: {report}");
        assert!(
            report.largest_minute <= CAPACITY * 110 / 100,
            "what the upstream sees: {report}"
        );
    }
}

#[test]
fn halves_refuse_the_important_tenant_while_there_is_room_and_leave_capacity_unused() {
    let report = Sharing::InHalves.day(0);
    assert!(
        report.refused_of_ten_thousand() > MOST_REFUSED,
        "refused: {report}"
    );
    assert!(report.given_of_thousand() < LEAST_GIVEN, "given: {report}");
}

#[test]
fn first_come_first_served_refuses_the_important_tenant() {
    let report = Sharing::FirstCome.day(0);
    assert!(
        report.refused_of_ten_thousand() > MOST_REFUSED * 20,
        "refused: {report}"
    );
}

#[test]
fn the_hour_is_kept_for_the_important_tenant_as_the_minute_is() {
    let with_hour = |sharing: Sharing| {
        let mut config = sharing.config();
        // What is taken in 36 full minutes.
        config.limits.push(Limit {
            unit: Unit::Tokens,
            window: Window::Hour,
            amount: 36 * CAPACITY,
        });
        let report = World::new(&config, Demand::of_a_day(0), 0).run(24 * 60);
        println!("{sharing:?} with an hour: {report}");
        report
    };
    let by_priority = with_hour(Sharing::ByPriority);
    assert!(
        by_priority.refused_of_ten_thousand() <= MOST_REFUSED,
        "refused: {by_priority}"
    );
    let first_come = with_hour(Sharing::FirstCome);
    assert!(
        first_come.refused_of_ten_thousand() > MOST_REFUSED * 20,
        "refused: {first_come}"
    );
}

#[test]
fn a_steady_demand_is_shared_steadily() {
    for seed in 0..SEEDS {
        let report =
            World::new(&Sharing::ByPriority.config(), Demand::steady(30), seed).run(4 * 60);
        println!("steady, seed {seed}: {report}");
        // By five minutes: batch's requests come in clumps that a single minute may just miss.
        let settled = report.batch_by_minute[60..].chunks(5);
        let settled: Vec<u64> = settled.map(|five| five.iter().sum()).collect();
        let (least, most) = (settled.iter().min().unwrap(), settled.iter().max().unwrap());
        assert!(
            most - least <= 5 * CAPACITY * 15 / 100,
            "between {least} and {most} in five minutes: {report}"
        );
        println!("steady, seed {seed}: between {least} and {most} in five minutes");
        assert!(
            report.refused_of_ten_thousand() <= MOST_REFUSED,
            "refused: {report}"
        );
    }
}

#[test]
fn what_a_quiet_evening_frees_is_lent_within_half_an_hour() {
    for seed in 0..SEEDS {
        let report = World::new(&Sharing::ByPriority.config(), Demand::until(60), seed).run(2 * 60);
        println!("until an hour, seed {seed}: {report}");
        let busy: u64 = report.batch_by_minute[30..60].iter().sum();
        let quiet: u64 = report.batch_by_minute[90..120].iter().sum();
        assert!(
            busy < 30 * CAPACITY * 70 / 100,
            "kept while it is needed: {report}"
        );
        assert!(
            quiet > 30 * CAPACITY * 90 / 100,
            "all of it afterwards: {report}"
        );
    }
}
