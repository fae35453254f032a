//! An upgrade: two processes, one after the other, keep one journal, and each step counts once.

use std::sync::Arc;

use parking_lot::Mutex;
use witgate_journal::Log;
use witgate_ledger::{Change, Entry, Ledger, Position, Step, Unit, Window};

use crate::disk::Memory;
use crate::work::{Books, NOW, Work, amounts, charge, counting, held_by, options, read_back};

type Records = Vec<(Position, Step, Vec<Change>)>;

/// The ledger of a process that starts after a kill, from the journal and the records of the old process, which may be in both.
fn restarted(disk: &Memory, records: &Records) -> Arc<Ledger> {
    let mut recovered = read_back(&disk.after_kill());
    for orphan in recovered.orphans() {
        recovered.settle(orphan.number, orphan.extended);
    }
    let ledger = Ledger::new();
    ledger.inherit(&recovered.export(NOW), NOW);
    for (position, step, changes) in records {
        ledger.apply(Some(*position), (*step, ""), changes, NOW);
    }
    ledger.abandon_inherited();
    ledger
}

#[test]
fn steps_of_the_old_process_count_once_whichever_process_is_killed() {
    let disk = Memory::default();
    let mut old = Books::begin(&disk, options());
    for amount in [10, 20, 30] {
        old.open(&[0, 1, 2], amount);
    }
    old.make(&Work::Settle { hold: 0, amount: 5 });
    old.log.write().unwrap();

    // The hand-over begins: the old process goes on, in its own journal and in the records.
    let records = Arc::new(Mutex::new(Records::new()));
    let note = Arc::clone(&records);
    let export = old.ledger.export(
        move |entry: &Entry<'_>| {
            note.lock()
                .push((entry.position, entry.step, entry.to_changes()));
        },
        NOW,
    );
    old.make(&Work::Extend {
        hold: 0,
        amount: 12,
    });
    old.log.write().unwrap();
    let new = Ledger::new();
    assert_eq!(new.inherit(&export, NOW), 0, "there is room");
    for (position, step, changes) in &*records.lock() {
        new.apply(Some(*position), (*step, ""), changes, NOW);
    }
    let goal = |ledger: &Ledger| counting(&held_by(ledger));
    let settled_at_floor = {
        let ledger = restarted(&disk, &Records::new());
        goal(&ledger)
    };
    let killed = restarted(&disk, &records.lock());
    assert_eq!(
        goal(&killed),
        settled_at_floor,
        "killed before the new process begins its journal"
    );

    // The commit: the new process goes on with the journal, and the old one drains beside it.
    let epoch = old.log.pin();
    disk.replace(&format!("draining-{epoch:016x}"), Vec::new());
    let mut left = read_back(&disk.after_kill());
    left.leave_holds();
    assert!(
        left.orphans().is_empty(),
        "the old process still lives: its holds are no orphans"
    );
    let waiting = Ledger::new();
    waiting.inherit(&left.export(NOW), NOW);
    assert_eq!(goal(&waiting), goal(&new), "what it holds is held");
    let log = Log::begin(
        &new,
        Box::new(disk.clone()),
        export.position.epoch,
        options(),
    )
    .unwrap();
    let killed = restarted(&disk, &records.lock());
    assert_eq!(goal(&killed), settled_at_floor, "killed right after that");
    old.make(&Work::Settle {
        hold: 0,
        amount: 15,
    });
    old.make(&Work::Settle {
        hold: 0,
        amount: 25,
    });
    let all = records.lock().clone();
    let (position, step, changes) = &all[1];
    new.apply(Some(*position), (*step, ""), changes, NOW);
    log.write().unwrap();

    let truth = goal(&old.ledger);
    let killed = restarted(&disk, &all);
    assert_eq!(
        goal(&killed),
        truth,
        "killed with one record that was not acknowledged and is spooled"
    );
    for (position, step, changes) in &all {
        new.apply(Some(*position), (*step, ""), changes, NOW);
    }
    assert_eq!(goal(&new), truth, "records that come twice");
    log.write().unwrap();
    assert_eq!(goal(&restarted(&disk, &all)), truth, "killed at the end");
    assert_eq!(held_by(&new).open_holds, 0, "no hold is left");
}

#[test]
fn balances_of_a_process_without_a_journal_are_kept_once_the_log_is_renewed() {
    let disk = Memory::default();
    let mut books = Books::begin(&disk, options());
    books.open(&[0, 1], 10);
    let other = Ledger::new();
    let charges = vec![charge("b", Window::Total, Unit::PicoUsd, 5)];
    let hold = other.reserve(charges, "acme", NOW).unwrap();
    hold.settle(amounts(7));
    assert_eq!(
        books.ledger.inherit(&held_by(&other), NOW),
        0,
        "there is room"
    );
    books.log.renew();
    books.make(&Work::Settle { hold: 0, amount: 9 });
    books.log.write().unwrap();
    let found = read_back(&disk.after_kill()).export(NOW);
    assert_eq!(
        counting(&found),
        counting(&held_by(&books.ledger)),
        "nothing is missing"
    );
}
