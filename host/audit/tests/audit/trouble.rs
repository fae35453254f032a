//! A sink that fails is told, tried again, and made good.

use std::fs;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use tempfile::tempdir;
use witgate_audit::sink::{File, Stopped};
use witgate_audit::{Audit, Health, Settings, Sink};

use crate::numbered::{Memory, Numbered, eager, lines_of, numbers, patient, render};

#[test]
fn a_full_disk_keeps_receipts_in_memory_and_is_told() {
    let settings = Settings {
        backlog_bytes: 4,
        ..patient()
    };
    let audit = Audit::start(settings, File::new("/dev/full"), render).unwrap();
    assert_eq!(audit.health(), Health::Well, "it opens");
    for number in 0..3 {
        audit.submit(Numbered(number));
        audit.flush();
    }
    match audit.health() {
        Health::Failing {
            error,
            backlog_bytes: 4,
            backlog_limit: 4,
        } => {
            assert!(
                error.contains("No space left"),
                "the system's word: {error}"
            );
        }
        other => panic!("two lines of two bytes are kept: {other:?}"),
    }
    let stats = audit.stats();
    assert_eq!(
        (stats.written, stats.lost),
        (0, 1),
        "the third did not fit, and is counted"
    );
    assert_eq!(
        audit.shutdown().lost,
        3,
        "what is left at the end is lost, and counted"
    );
}

#[test]
fn a_line_cut_by_a_full_disk_is_written_again_whole() {
    let sink = Memory::default();
    sink.0.lock().room = Some(4);
    let audit = Audit::start(patient(), sink.clone(), render).unwrap();
    audit.submit(Numbered(10));
    audit.flush();
    audit.submit(Numbered(11));
    assert_ne!(
        audit.flush(),
        Health::Well,
        "one byte of the second line got in"
    );
    sink.0.lock().room = None;
    assert_eq!(audit.flush(), Health::Well, "there is room again");
    assert_eq!(
        sink.0.lock().lines,
        b"10\n111\n",
        "the second line is offered whole"
    );
    assert_eq!(audit.shutdown().written, 2, "and counted once");
}

#[test]
fn an_unwritable_directory_is_told_and_made_good_when_repaired() {
    let dir = tempdir().unwrap();
    let there = dir.path().join("not-yet");
    let path = there.join("receipts.jsonl");
    let audit = Audit::start(eager(), File::new(&path), render).unwrap();
    assert_ne!(audit.health(), Health::Well, "known from the start");
    (0..100).for_each(|number| audit.submit(Numbered(number)));
    assert_ne!(audit.flush(), Health::Well, "still");
    fs::create_dir(&there).unwrap();
    assert_eq!(
        audit.flush(),
        Health::Well,
        "all is written as soon as it can be"
    );
    assert_eq!(lines_of(&path), numbers(0..100), "in order");
    assert_eq!(audit.shutdown().lost, 0, "nothing is lost");
}

#[test]
fn a_failing_sink_is_tried_again_without_being_asked() {
    let dir = tempdir().unwrap();
    let there = dir.path().join("not-yet");
    let audit = Audit::start(eager(), File::new(there.join("receipts.jsonl")), render).unwrap();
    audit.submit(Numbered(0));
    fs::create_dir(&there).unwrap();
    while audit.health() != Health::Well || audit.stats().written == 0 {
        std::thread::yield_now();
    }
    assert_eq!(
        lines_of(&there.join("receipts.jsonl")),
        ["0"],
        "written by the thread's own retry"
    );
}

#[test]
fn a_deleted_directory_loses_nothing() {
    let dir = tempdir().unwrap();
    let there = dir.path().join("logs");
    let path = there.join("receipts.jsonl");
    fs::create_dir(&there).unwrap();
    let audit = Audit::start(patient(), File::new(&path), render).unwrap();
    audit.submit(Numbered(0));
    assert_eq!(audit.flush(), Health::Well, "written");
    fs::remove_dir_all(&there).unwrap();
    audit.submit(Numbered(1));
    assert_ne!(
        audit.flush(),
        Health::Well,
        "a line does not vanish into a deleted file"
    );
    fs::create_dir(&there).unwrap();
    assert_eq!(audit.flush(), Health::Well, "made good");
    assert_eq!(
        lines_of(&path),
        ["1"],
        "what came after the deletion is there"
    );
}

#[test]
fn a_sink_that_panics_fails_like_any_other() {
    struct Fragile;
    impl Sink for Fragile {
        fn append(&mut self, _lines: &[u8]) -> Result<(), Stopped> {
            panic!("broken")
        }
        fn reopen(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let audit = Audit::start(patient(), Fragile, render).unwrap();
    audit.submit(Numbered(0));
    assert_ne!(audit.flush(), Health::Well, "it is told, and nobody hangs");
    assert_eq!(audit.shutdown().lost, 1, "and counted");
}

#[test]
fn a_switched_audit_writes_to_the_new_sink_what_the_old_one_did_not_take() {
    let (old, new) = (Memory::default(), Memory::default());
    let audit = Audit::start(patient(), old.clone(), render).unwrap();
    audit.submit(Numbered(0));
    assert_eq!(audit.flush(), Health::Well, "the first is written");
    old.0.lock().room = Some(0);
    audit.submit(Numbered(1));
    assert_ne!(audit.flush(), Health::Well, "the second is kept");
    audit.switch(new.clone());
    assert_eq!(audit.health(), Health::Well, "the new sink takes it");
    audit.submit(Numbered(2));
    audit.shutdown();
    assert_eq!(old.0.lock().lines, b"0\n", "once each");
    assert_eq!(new.0.lock().lines, b"1\n2\n", "and in order");
}

#[test]
fn a_sink_that_stands_still_holds_up_nobody_who_submits() {
    /// Takes lines when it is told to.
    struct Still {
        began: Sender<()>,
        going_on: Receiver<()>,
        memory: Memory,
    }
    impl Sink for Still {
        fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
            // The test may have seen enough.
            let _ = self.began.send(());
            self.going_on.recv().unwrap();
            self.memory.append(lines)
        }
        fn reopen(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (began, begun) = channel();
    let (go_on, going_on) = channel();
    let memory = Memory::default();
    let still = Still {
        began,
        going_on,
        memory: memory.clone(),
    };
    let settings = Settings {
        queue: 2,
        backlog_bytes: 60,
        ..eager()
    };
    let audit = Audit::start(settings, still, render).unwrap();
    audit.submit(Numbered(0));
    begun.recv().unwrap();
    (1..10).for_each(|number| audit.submit(Numbered(number)));
    let lost = audit.stats().lost;
    assert!(
        lost > 0,
        "what does not fit the backlog is lost, and counted"
    );
    // As many as there can be writes.
    (0..20).for_each(|_| go_on.send(()).unwrap());
    let stats = audit.shutdown();
    assert_eq!(
        (stats.written + stats.lost, stats.lost),
        (10, lost),
        "all others are written"
    );
    let lines = memory.0.lock().lines.clone();
    assert_eq!(
        lines.iter().filter(|byte| **byte == b'\n').count() as u64,
        stats.written,
        "once each"
    );
}
