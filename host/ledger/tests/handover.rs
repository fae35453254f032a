//! A ledger that takes over from another: what both count together is what one would have counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on says so by panicking"
)]

use std::sync::Arc;

use parking_lot::Mutex;
use witgate_ledger::{
    Amounts, Bounds, Change, Charge, Entry, Export, Hold, Ledger, OnShortfall, Reason, Step, Unit,
    UnixMillis, Window,
};

const NOW: UnixMillis = UnixMillis(1_795_225_386_000);

const OWNER: &str = "acme";

type Steps = Vec<(Step, String, Vec<Change>)>;

/// The steps that a journal was told of.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Steps>>);

// === impl Told ===

impl Told {
    fn export(&self, ledger: &Ledger) -> Export {
        let told = Arc::clone(&self.0);
        let note = move |entry: &Entry<'_>| {
            let step = (entry.step, entry.name.to_owned(), entry.to_changes());
            told.lock().push(step);
        };
        ledger.export(note, NOW)
    }

    fn repeat(&self, to: &Ledger) {
        for (step, name, changes) in self.0.lock().drain(..) {
            let rejected = to.apply(None, (step, &name), &changes, NOW);
            assert_eq!(rejected, 0, "there is room");
        }
    }
}

fn charge(account: &str, unit: Unit, amount: u64) -> Charge {
    Charge {
        account: account.into(),
        window: Window::Day,
        unit,
        limit: 1000,
        amount,
        shortfall: OnShortfall::Refuse,
    }
}

fn reserve(ledger: &Arc<Ledger>, amount: u64) -> Hold {
    let charges = vec![
        charge("a", Unit::PicoUsd, amount),
        charge("b", Unit::PicoUsd, amount),
        charge("a", Unit::InFlight, 1),
    ];
    ledger.reserve(charges, OWNER, NOW).expect("it fits")
}

fn usd(picousd: u64) -> Amounts {
    Amounts {
        picousd,
        ..Amounts::default()
    }
}

/// Used, held and holds of an account's money; none where there is no such balance.
fn money(ledger: &Ledger, account: &str) -> Option<(u64, u64, u64)> {
    let snapshot = ledger.snapshot(NOW);
    let found = snapshot
        .balances
        .iter()
        .find(|balance| &*balance.account == account && balance.unit == Unit::PicoUsd)?;
    Some((found.used, found.held, found.holds))
}

#[test]
fn what_open_holds_have_is_not_given_out_again_and_settles_in_the_new_ledger() {
    let (old, new, told) = (Ledger::new(), Ledger::new(), Told::default());
    reserve(&old, 10).settle(usd(7));
    let open = reserve(&old, 900);
    let export = told.export(&old);
    assert_eq!(new.inherit(&export, NOW), 0, "all balances find room");
    assert_eq!(money(&new, "a"), Some((7, 900, 1)), "used, held, holds");
    assert_eq!(new.totals().open_holds, 1, "the old one's hold is open");
    assert!(
        new.reserve(vec![charge("a", Unit::PicoUsd, 94)], OWNER, NOW)
            .is_err(),
        "what is held there can't be reserved here"
    );

    open.settle(usd(300));
    told.repeat(&new);
    for account in ["a", "b"] {
        assert_eq!(
            money(&new, account),
            Some((307, 0, 0)),
            "{account}: the settlement arrived"
        );
    }
    assert_eq!(new.totals().open_holds, 0, "and the hold has ended");
    let in_flight = new.snapshot(NOW);
    assert!(
        in_flight.balances.iter().all(|balance| balance.held == 0),
        "nothing is in flight: {in_flight:?}"
    );
}

#[test]
fn a_hold_of_after_the_export_is_repeated_from_its_first_step() {
    let (old, new, told) = (Ledger::new(), Ledger::new(), Told::default());
    new.inherit(&told.export(&old), NOW);
    let mut late = reserve(&old, 5);
    late.extend(usd(8)).expect("it fits");
    told.repeat(&new);
    assert_eq!(money(&new, "a"), Some((0, 8, 1)), "held as extended");
    late.release();
    told.repeat(&new);
    assert_eq!(new.totals().open_holds, 0, "and released");
    assert_eq!(old.totals().open_holds, 0, "on both sides");
}

#[test]
fn holds_of_a_process_that_disappeared_settle_at_their_last_extension() {
    let (old, new, told) = (Ledger::new(), Ledger::new(), Told::default());
    let mut before = reserve(&old, 100);
    before.extend(usd(40)).expect("it fits");
    let export = told.export(&old);
    new.inherit(&export, NOW);
    before.extend(usd(60)).expect("it fits");
    let never = reserve(&old, 30);
    told.repeat(&new);
    assert_eq!(money(&new, "a"), Some((0, 130, 2)), "both are held");

    let abandoned = new.abandon_inherited();
    assert_eq!(abandoned.holds, 2, "both are orphans");
    let mut used: Vec<_> = abandoned
        .used
        .iter()
        .map(|(key, owner, used)| (&*key.account, &**owner, *used))
        .collect();
    used.sort_unstable();
    assert_eq!(
        used,
        [("a", OWNER, 60), ("b", OWNER, 60)],
        "with what they used"
    );
    assert_eq!(
        money(&new, "a"),
        Some((60, 0, 0)),
        "one had used 60, the other nothing that was known"
    );
    assert_eq!(new.totals().open_holds, 0, "no hold is left");
    assert_eq!(
        new.abandon_inherited(),
        Default::default(),
        "and nobody to settle twice"
    );
    drop((before, never));
}

#[test]
fn a_settlement_of_an_unknown_hold_counts_what_it_used_and_nothing_else() {
    let (old, new, told) = (Ledger::new(), Ledger::new(), Told::default());
    let mut lost = reserve(&old, 100);
    let _export = told.export(&old);
    lost.extend(usd(150)).expect("it fits");
    let known = reserve(&old, 50);
    lost.settle(usd(120));
    known.settle(usd(20));
    // The new ledger never saw the export: its process started after the one that took over had died.
    told.repeat(&new);
    for account in ["a", "b"] {
        assert_eq!(money(&new, account), Some((140, 0, 0)), "{account}");
    }
    assert_eq!(new.totals().open_holds, 0, "no hold is open");
}

#[test]
fn a_settlement_of_yesterday_does_not_count_today() {
    let (old, new, told) = (Ledger::new(), Ledger::new(), Told::default());
    let open = reserve(&old, 100);
    let export = told.export(&old);
    let tomorrow = UnixMillis(NOW.0 + 86_400_000);
    new.inherit(&export, tomorrow);
    let today = new
        .reserve(vec![charge("a", Unit::PicoUsd, 1000)], OWNER, tomorrow)
        .expect("yesterday's hold takes nothing of today");
    open.settle(usd(99));
    for (step, name, changes) in told.0.lock().drain(..) {
        new.apply(None, (step, &name), &changes, tomorrow);
    }
    today.settle(usd(1));
    let snapshot = new.snapshot(tomorrow);
    let used: Vec<_> = snapshot
        .balances
        .iter()
        .filter(|balance| balance.unit == Unit::PicoUsd && &*balance.account == "a")
        .map(|balance| balance.used)
        .collect();
    assert_eq!(used, [1], "only today's: {snapshot:?}");
}

#[test]
fn a_journal_that_is_closed_is_told_nothing() {
    let (old, told) = (Ledger::new(), Told::default());
    let _export = told.export(&old);
    old.close_journal();
    reserve(&old, 5).settle(usd(5));
    assert!(told.0.lock().is_empty(), "nothing was told");
    assert_eq!(
        money(&old, "a"),
        Some((5, 0, 0)),
        "and nothing else changed"
    );
}

#[test]
fn a_balance_takes_the_room_of_its_owner_in_the_new_ledger_too() {
    let bounds = Bounds {
        accounts: 100,
        per_owner: 2,
    };
    let (old, new, told) = (Ledger::new(), Ledger::with_bounds(bounds), Told::default());
    reserve(&old, 10).settle(usd(7));
    new.inherit(&told.export(&old), NOW);
    let third = vec![charge("third", Unit::PicoUsd, 1)];
    let refused = new.reserve(third.clone(), OWNER, NOW).unwrap_err();
    assert!(
        matches!(&refused.reason, Reason::NoRoom(no_room) if no_room.own == 2),
        "two are there already: {refused}"
    );
    new.reserve(third, "other", NOW)
        .expect("another owner has room")
        .release();
}

#[test]
fn a_balance_whose_owner_is_not_known_becomes_that_of_the_next_who_is_charged() {
    let (old, new, told) = (Ledger::new(), Ledger::new(), Told::default());
    reserve(&old, 10).settle(usd(7));
    let mut export = told.export(&old);
    for carried in &mut export.balances {
        carried.owner = "".into();
    }
    new.inherit(&export, NOW);
    assert_eq!(money(&new, "a"), Some((7, 0, 0)), "what was spent counts");
    reserve(&new, 10).settle(usd(1));
    let balances = new.snapshot(NOW).balances;
    assert!(
        balances.iter().all(|balance| &*balance.owner == OWNER),
        "whose it is: {balances:?}"
    );
}

#[test]
fn a_reset_counts_at_the_successor_too() {
    let old = Ledger::new();
    reserve(&old, 10).settle(Amounts {
        picousd: 10,
        ..Amounts::default()
    });
    let told = Told::default();
    let new = Ledger::new();
    new.inherit(&told.export(&old), NOW);
    let open = reserve(&old, 5);
    old.reset("", &"a".into(), Window::Day, Unit::PicoUsd, NOW);
    told.repeat(&new);
    let of = |ledger: &Ledger| {
        let found = ledger.statement(&"a".into(), Window::Day, Unit::PicoUsd, NOW);
        found.map(|found| (found.used, found.held))
    };
    assert_eq!(of(&new), Some((0, 5)), "what is held stays");
    open.settle(Amounts {
        picousd: 3,
        ..Amounts::default()
    });
    told.repeat(&new);
    assert_eq!(of(&new), of(&old), "and both count the same after it");
}

#[test]
fn a_reset_with_a_name_is_made_once_whichever_process_is_asked() {
    let spend = |ledger: &Arc<Ledger>| {
        reserve(ledger, 10).settle(Amounts {
            picousd: 10,
            ..Amounts::default()
        });
    };
    let used = |ledger: &Ledger| {
        let found = ledger.statement(&"a".into(), Window::Day, Unit::PicoUsd, NOW);
        found.map_or(0, |found| found.used)
    };
    let reset = |ledger: &Ledger, name: &str| {
        let cleared = ledger.reset(name, &"a".into(), Window::Day, Unit::PicoUsd, NOW);
        cleared.used()
    };
    let old = Ledger::new();
    spend(&old);
    assert_eq!(reset(&old, "before"), 10, "it is made");
    spend(&old);
    assert_eq!(reset(&old, "before"), 10, "and says the same once more");
    assert_eq!(used(&old), 10, "but takes nothing off again");

    let told = Told::default();
    let new = Ledger::new();
    new.inherit(&told.export(&old), NOW);
    reset(&new, "before");
    assert_eq!(used(&new), 10, "the successor inherits it");
    reset(&old, "during");
    spend(&old);
    told.repeat(&new);
    reset(&new, "during");
    assert_eq!(used(&new), 10, "and hears of later ones");
    reset(&new, "by the new one");
    spend(&new);
    reset(&old, "by the new one");
    told.repeat(&new);
    assert_eq!(used(&new), 10, "what it has made itself counts once, too");
    assert_eq!(reset(&new, "during"), 10, "what each took off is known");
}
