//! A process that is killed, and a machine that loses power.

use std::collections::BTreeMap;

use proptest::prelude::*;
use witgate_journal::{OnDamage, recover};
use witgate_ledger::{Ledger, Unit};

use crate::disk::Memory;
use crate::work::{Books, Work, amounts, counting, held_by, options, read_back, work};

/// Segments so small that work fills several.
fn small() -> witgate_journal::Options {
    witgate_journal::Options {
        segment_bytes: 600,
        ..options()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_killed_process_leaves_every_step_that_was_written(
        steps in prop::collection::vec(work(), 1..60),
    ) {
        let disk = Memory::default();
        let mut books = Books::begin(&disk, small());
        for step in &steps {
            books.make(step);
            books.log.write().expect("the disk is well");
            let recovered = read_back(&disk.after_kill());
            let (found, kept) = (recovered.export(crate::work::NOW), held_by(&books.ledger));
            prop_assert_eq!(counting(&found), counting(&kept), "after {:?}", step);
            prop_assert_eq!(found.open_holds, kept.open_holds, "open holds after {:?}", step);
            prop_assert_eq!(found.position, kept.position, "the last step after {:?}", step);
        }
    }

    #[test]
    fn a_log_that_is_cut_anywhere_is_the_ledger_at_an_earlier_step(
        steps in prop::collection::vec(work(), 1..30),
        place in any::<prop::sample::Index>(),
        flipped in prop::option::of(0..8_u32),
    ) {
        let disk = Memory::default();
        let mut books = Books::begin(&disk, options());
        let mut history = BTreeMap::from([(0, counting(&held_by(&books.ledger)))]);
        for step in &steps {
            books.make(step);
            let export = held_by(&books.ledger);
            history.insert(export.position.sequence, counting(&export));
        }
        books.log.write().expect("the disk is well");
        let disk = disk.after_kill();
        let last = disk.names(".log").pop().expect("a segment");
        let mut bytes = disk.content(&last);
        let at = place.index(bytes.len());
        match flipped {
            Some(bit) => bytes[at] ^= 1 << bit,
            None => bytes.truncate(at),
        }
        disk.replace(&last, bytes);
        let found = read_back(&disk).export(crate::work::NOW);
        let sequence = found.position.sequence;
        // A step of several records, such as a hold that is dropped by another, has no state of its own in between.
        if let Some(kept) = history.get(&sequence) {
            prop_assert_eq!(&counting(&found), kept, "step {}", sequence);
        }
        prop_assert!(sequence <= *history.keys().last().unwrap(), "no step is made up");
    }

    #[test]
    fn a_loss_of_power_costs_no_step_that_was_synced(
        before in prop::collection::vec(work(), 1..30),
        after in prop::collection::vec(work(), 0..30),
        survives in 0..=8_usize,
    ) {
        let disk = Memory::default();
        let mut books = Books::begin(&disk, small());
        before.iter().for_each(|step| books.make(step));
        books.log.sync().expect("the disk is well");
        disk.trouble(|trouble| trouble.syncs_fail = true);
        let synced = held_by(&books.ledger);
        after.iter().for_each(|step| books.make(step));
        let _ = books.log.write();
        let left = disk.after_power_loss(|unsynced| unsynced * survives / 8);
        let found = read_back(&left).export(crate::work::NOW);
        prop_assert!(found.position >= synced.position, "{:?} after {:?}", found.position, synced.position);
        if found.position == synced.position {
            prop_assert_eq!(counting(&found), counting(&synced), "the ledger when it was synced");
        }
        drop(books);
    }

    #[test]
    fn what_was_spent_is_what_was_settled_and_the_last_extensions_of_holds_that_never_ended(
        steps in prop::collection::vec(work(), 1..60),
    ) {
        let disk = Memory::default();
        let mut books = Books::begin(&disk, small());
        let mut spent = 0_u128;
        for step in &steps {
            if let Work::Settle { amount, .. } = step && !books.holds.is_empty() {
                spent += naive(&books, step, *amount);
            }
            books.make(step);
        }
        books.log.write().expect("the disk is well");
        spent += books.holds.iter().map(|(hold, extended)| {
            u128::from(*extended) * shares(hold.charges())
        }).sum::<u128>();

        let mut recovered = read_back(&disk.after_kill());
        for orphan in recovered.orphans() {
            recovered.settle(orphan.number, orphan.extended);
        }
        let ledger = Ledger::new();
        prop_assert_eq!(ledger.inherit(&recovered.export(crate::work::NOW), crate::work::NOW), 0, "there is room");
        let export = held_by(&ledger);
        let found: u128 = export.balances.iter()
            .filter(|carried| carried.balance.unit == Unit::PicoUsd)
            .map(|carried| carried.used)
            .sum();
        prop_assert_eq!(found + books.cleared, spent, "money");
        prop_assert_eq!(export.open_holds, 0, "no hold is left");
        prop_assert!(export.balances.iter().all(|carried| carried.held == 0), "nothing is held");
    }
}

/// The money that a settlement adds to all accounts, by counting them.
fn naive(books: &Books, step: &Work, amount: u64) -> u128 {
    let Work::Settle { hold, .. } = step else {
        return 0;
    };
    let (hold, _) = &books.holds[hold % books.holds.len()];
    u128::from(amount) * shares(hold.charges())
}

/// The number of accounts of money.
fn shares(charges: &[witgate_ledger::Charge]) -> u128 {
    let mut accounts: Vec<_> = charges
        .iter()
        .filter(|charge| charge.unit == Unit::PicoUsd)
        .map(|charge| &charge.account)
        .collect();
    accounts.sort();
    accounts.dedup();
    accounts.len() as u128
}

#[test]
fn an_orphan_tells_its_name_its_owner_and_its_last_extension() {
    let disk = Memory::default();
    let mut books = Books::begin(&disk, options());
    // The money of a month, tokens, and a request in flight.
    books.open(&[0, 5, 3], 100);
    books.holds[0].0.extend(amounts(70)).unwrap();
    books.log.write().unwrap();
    let recovered = read_back(&disk.after_kill());
    let orphans = recovered.orphans();
    assert_eq!(orphans.len(), 1, "one hold never ended");
    let orphan = &orphans[0];
    assert_eq!((&*orphan.name, &*orphan.owner), ("req_1", "acme"), "whose");
    assert_eq!(orphan.opened, crate::work::NOW, "since when");
    let extended = (orphan.extended.picousd, orphan.extended.tokens);
    assert_eq!(extended, (70, 70), "how much is certain");
}

#[test]
fn segments_become_a_snapshot_and_nothing_is_lost() {
    let disk = Memory::default();
    let mut books = Books::begin(&disk, small());
    for turn in 0..200_u64 {
        books.make(&Work::Open {
            accounts: vec![0, 1, 2, 3],
            amount: turn,
        });
        if turn % 5 > 0 {
            books.make(&Work::Settle {
                hold: 0,
                amount: turn,
            });
        }
        books.log.write().unwrap();
        let kept = held_by(&books.ledger);
        let found = read_back(&disk.after_kill()).export(crate::work::NOW);
        assert_eq!(counting(&found), counting(&kept), "in turn {turn}");
    }
    crate::work::until("a snapshot", || books.log.stats().snapshots > 1);
    let kept = counting(&held_by(&books.ledger));
    books.log.close();
    let found = recover(&disk, OnDamage::Refuse).unwrap();
    assert_eq!(
        counting(&found.export(crate::work::NOW)),
        kept,
        "at the end"
    );
    assert_eq!(
        found.orphans().len(),
        40,
        "with the names of all open holds"
    );
    let ended: Vec<_> = found.ended().collect();
    assert_eq!(ended.len(), 160, "and those that ended");
    let last = ended.last().unwrap();
    let last = (&*last.owner, last.amounts.picousd);
    assert_eq!(last, ("acme", 199), "with what they used");
    assert!(
        disk.names(".log").len() < 40,
        "older segments are gone: {:?}",
        disk.names("")
    );
}
