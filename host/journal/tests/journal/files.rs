//! A journal in a real directory.

use std::path::Path;
use std::time::Duration;

use witgate_journal::{Directory, Disk, Log, OnDamage, recover};
use witgate_ledger::{Ledger, Unit, Window};

use crate::work::{NOW, amounts, charge, options};

#[test]
fn a_journal_belongs_to_one_process_until_that_lets_go_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/ledger");
    let lock = |patience| Directory::lock(&path, patience).unwrap();
    let directory = lock(Duration::ZERO).expect("it is free");
    assert!(lock(Duration::ZERO).is_none(), "it is in use");
    let ledger = Ledger::new();
    let log = Log::begin(&ledger, Box::new(directory), 0, options()).unwrap();
    assert!(lock(Duration::ZERO).is_none(), "it still is");
    log.close();
    assert!(
        lock(Duration::ZERO).is_some(),
        "it is free again, although the log is there"
    );
}

#[test]
fn a_ledger_is_there_for_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    for run in 0..3_u64 {
        let directory = Directory::lock(folder.path(), Duration::ZERO)
            .unwrap()
            .unwrap();
        let recovered = recover(&directory, OnDamage::Refuse).unwrap();
        assert_eq!(recovered.epoch(), run, "one epoch a process");
        let ledger = Ledger::new();
        ledger.inherit(&recovered.export(NOW), NOW);
        let log = Log::begin(&ledger, Box::new(directory), run, options()).unwrap();
        let charges = vec![charge("a", Window::Total, Unit::PicoUsd, 5)];
        let hold = ledger.reserve_as("req_1", charges, "acme", NOW).unwrap();
        hold.settle(amounts(10));
        let used = ledger.snapshot(NOW).balances[0].used;
        assert_eq!(used, 10 * (run + 1), "what was spent so far");
        log.close();
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(
            names.len(),
            3,
            "the lock, a snapshot and a segment: {names:?}"
        );
    }
}

#[test]
fn a_reset_is_known_by_its_name_from_segments_and_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let lock = || {
        let locked = Directory::lock(folder.path(), Duration::ZERO).unwrap();
        locked.expect("it is free")
    };
    let reset = |ledger: &Ledger, name: &str| {
        ledger.reset(name, &"a".into(), Window::Total, Unit::PicoUsd, NOW)
    };
    let ledger = Ledger::new();
    let mut log = Log::begin(&ledger, Box::new(lock()), 0, options()).unwrap();
    let charges = vec![charge("a", Window::Total, Unit::PicoUsd, 5)];
    let hold = ledger.reserve(charges, "acme", NOW).unwrap();
    hold.settle(amounts(10));
    let first = reset(&ledger, "rst_1");
    assert_eq!(first.used(), 10, "what was spent");
    let of_nothing = reset(&ledger, "rst_2");
    reset(&ledger, "");
    for place in ["a segment", "a snapshot", "that of the next process"] {
        log.close();
        let directory = lock();
        let mut recovered = recover(&directory, OnDamage::Refuse).unwrap();
        let export = recovered.export(NOW);
        let resets = &export.resets;
        assert_eq!(resets.taken("rst_1"), Some(&*first.taken), "from {place}");
        assert_eq!(resets.taken("rst_2"), Some(&*of_nothing.taken), "{place}");
        assert_eq!(resets.iter().len(), 2, "one without a name has none");
        assert_eq!(export.balances, [], "nothing is spent");
        recovered.publish(&directory).unwrap();
        let next = Ledger::new();
        next.inherit(&export, NOW);
        let epoch = recovered.epoch();
        log = Log::begin(&next, Box::new(directory), epoch, options()).unwrap();
    }
}

#[test]
fn a_file_that_was_never_finished_is_removed_and_foreign_ones_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let unfinished = folder
        .path()
        .join("0000000000000001-0000000000000000.snapshot.unfinished");
    let foreign = folder.path().join("README");
    std::fs::write(&unfinished, "half").unwrap();
    std::fs::write(&foreign, "ours").unwrap();
    let directory = Directory::lock(folder.path(), Duration::ZERO)
        .unwrap()
        .unwrap();
    assert!(!unfinished.exists(), "no reader ever sees it");
    recover(&directory, OnDamage::Refuse).expect("a foreign file is no damage");
    assert!(foreign.exists(), "it is not ours");
}

#[test]
fn a_directory_that_cant_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [Path::new("/proc/self/ledger"), &file.join("ledger")] {
        let locked = Directory::lock(path, Duration::ZERO);
        assert!(locked.is_err(), "{}: {locked:?}", path.display());
    }
    let directory = Directory::lock(folder.path(), Duration::ZERO)
        .unwrap()
        .unwrap();
    drop(folder);
    assert!(directory.publish("a", b"b").is_err(), "it is gone");
    assert!(directory.create("a").is_err(), "it is gone");
}
