//! A process that goes on in its own epoch after it has handed over, and what is known of it once it has died.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use witgate_journal::{
    Directory, Draining, Log, Mark, draining, last_epoch, newest_epoch, read_epoch,
};
use witgate_ledger::{Hold, Ledger, Position, Step, Unit, Window};

use crate::work::{NOW, amounts, charge, counting, held_by, options};

/// A process with a ledger and its journal.
struct Process {
    ledger: Arc<Ledger>,
    log: Log,
}

impl Process {
    fn begin(folder: &Path, ledger: Arc<Ledger>) -> Self {
        let directory = Directory::lock(folder, Duration::ZERO).unwrap();
        let directory = directory.expect("nobody else has it");
        let last = last_epoch(&directory).unwrap();
        let log = Log::begin(&ledger, Box::new(directory), last, options()).unwrap();
        Self { ledger, log }
    }

    fn open(&self, name: &str) -> Hold {
        let charges = vec![
            charge("a", Window::Total, Unit::PicoUsd, 5),
            charge("b", Window::Total, Unit::Requests, 1),
        ];
        self.ledger.reserve_as(name, charges, "acme", NOW).unwrap()
    }
}

/// An old process that has handed over to a new one, which has heard of nothing since.
struct Scene {
    folder: TempDir,
    old: Process,
    new: Process,
    mark: Mark,
    epoch: u64,
}

impl Scene {
    fn after_a_hand_over(old: Process, folder: TempDir) -> Self {
        let epoch = old.log.pin();
        let mark = Mark::set(folder.path(), epoch).unwrap();
        let export = held_by(&old.ledger);
        let ledger = Ledger::new();
        ledger.inherit(&export, NOW);
        old.log.release().unwrap();
        let new = Process::begin(folder.path(), ledger);
        Self {
            folder,
            old,
            new,
            mark,
            epoch,
        }
    }

    fn found(&self) -> Vec<Draining> {
        draining(self.folder.path()).unwrap()
    }
}

#[test]
fn all_steps_of_a_process_that_died_while_it_drained_are_known_by_the_names_of_their_holds() {
    let folder = tempfile::tempdir().unwrap();
    let old = Process::begin(folder.path(), Ledger::new());
    let (mut before, ends) = (old.open("req_before"), old.open("req_ends"));
    let scene = Scene::after_a_hand_over(old, folder);
    before.extend(amounts(3)).unwrap();
    ends.settle(amounts(4));
    let after = scene.old.open("req_after");
    scene.old.log.write().unwrap();
    let found = scene.found();
    assert!(
        matches!(found[..], [Draining::Alive(epoch)] if epoch == scene.epoch),
        "it lives: {found:?}"
    );

    // It dies: its lock is free, and nothing ends.
    let at = held_by(&scene.old.ledger);
    std::mem::forget((before, after));
    drop(scene.mark);
    let ledger = &scene.new.ledger;
    let heard = ledger.applied(scene.epoch);
    let (recovered, steps) = read_epoch(scene.folder.path(), scene.epoch, heard).unwrap();
    for step in &steps {
        let rejected = ledger.apply(
            Some(step.position),
            (step.step, &step.name),
            &step.changes,
            NOW,
        );
        assert_eq!(rejected, 0, "there is room");
    }
    assert_eq!(
        counting(&held_by(ledger)),
        counting(&at),
        "the new one has heard of all of it"
    );
    let orphans = recovered.orphans();
    let names: Vec<_> = orphans.iter().map(|orphan| &*orphan.name).collect();
    assert_eq!(names, ["req_before", "req_after"], "what it left open");
    let ended: Vec<_> = recovered.ended().map(|ended| &*ended.name).collect();
    assert_eq!(ended, ["req_ends"], "what ended");
    for (orphan, sequence) in orphans.iter().zip(1 << 62..) {
        let changes = recovered.ending(orphan.number, orphan.extended);
        let position = Position {
            epoch: scene.epoch,
            sequence,
        };
        for _ in 0..2 {
            ledger.apply(Some(position), (Step::Ended, ""), &changes, NOW);
        }
    }
    let used: Vec<_> = counting(&held_by(ledger))
        .iter()
        .map(|it| (it.balance.unit, it.used, it.held, it.holds))
        .collect();
    assert_eq!(
        used,
        [(Unit::PicoUsd, 7, 0, 0), (Unit::Requests, 2, 0, 0)],
        "each hold ended once"
    );
    assert_eq!(
        ledger.abandon_inherited().holds,
        0,
        "nobody else holds anything"
    );
    let Some(Draining::Dead(mark)) = draining(scene.folder.path()).unwrap().pop() else {
        panic!("it is dead");
    };
    mark.clear().unwrap();
    let found = draining(scene.folder.path()).unwrap();
    assert!(found.is_empty(), "it is done with");
    let (none, _) = read_epoch(scene.folder.path(), scene.epoch, 0).unwrap();
    assert_eq!(none.epoch(), 0, "its files are gone");
    assert_eq!(
        newest_epoch(scene.folder.path()).unwrap(),
        scene.epoch + 1,
        "and those of the new one are there"
    );
}

#[test]
fn a_later_process_leaves_the_files_of_one_that_still_drains() {
    let folder = tempfile::tempdir().unwrap();
    let old = Process::begin(folder.path(), Ledger::new());
    let hold = old.open("req_1");
    let scene = Scene::after_a_hand_over(old, folder);
    // The new one dies, and another starts.
    scene.new.log.close();
    let third = Process::begin(scene.folder.path(), Ledger::new());
    hold.settle(amounts(9));
    scene.old.log.close();
    let (recovered, _) = read_epoch(scene.folder.path(), scene.epoch, 0).unwrap();
    assert_eq!(recovered.ended().len(), 1, "its last step is there");
    drop(scene.mark);
    third.log.renew();
    let found = draining(scene.folder.path()).unwrap();
    assert_eq!(found.len(), 1, "until somebody has counted it");
}
