//! Files that are torn, rotated or moved away lose no line.

use std::fs;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Barrier;

use tempfile::tempdir;
use witgate_audit::sink::{File, Rotation};
use witgate_audit::{Audit, Settings};

use crate::numbered::{Numbered, eager, lines_of, numbers, render};

#[test]
fn a_line_torn_by_a_crash_spoils_no_other() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    fs::write(&path, "{\"a\":1}\n{\"b\":").unwrap();
    let audit = Audit::start(eager(), File::new(&path, None), render).unwrap();
    audit.submit(Numbered(0));
    audit.shutdown();
    assert_eq!(
        lines_of(&path),
        ["{\"a\":1}", "{\"b\":", "0"],
        "the next receipt has its own line"
    );
}

#[test]
fn rotation_under_load_loses_no_line() {
    const THREADS: usize = 4;
    const EACH: usize = 2_000;
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let rotation = Rotation {
        max_bytes: NonZeroU64::new(4_096).unwrap(),
        keep: NonZeroU32::new(1_000).unwrap(),
    };
    let settings = Settings {
        queue: 64,
        batch: 32,
        ..eager()
    };
    // Two audits on one file, as two processes have it during a hand-over.
    let audits =
        [(); 2].map(|()| Audit::start(settings, File::new(&path, Some(rotation)), render).unwrap());
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (audit, start) = (&audits[thread % 2], &start);
            scope.spawn(move || {
                start.wait();
                (0..EACH).for_each(|number| audit.submit(Numbered(thread * EACH + number)));
            });
        }
    });
    drop(audits);

    let mut found = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        files += 1;
        let lines = lines_of(&entry.unwrap().path());
        found.extend(
            lines
                .iter()
                .map(|line| line.split(' ').next().unwrap().parse::<usize>().unwrap()),
        );
    }
    found.sort_unstable();
    assert_eq!(
        found,
        (0..THREADS * EACH).collect::<Vec<_>>(),
        "each line once"
    );
    assert!(files > 5, "it was rotated: {files} files");
}

#[test]
fn rotation_keeps_as_many_files_as_it_is_told() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let rotation = Rotation {
        max_bytes: NonZeroU64::new(1).unwrap(),
        keep: NonZeroU32::new(2).unwrap(),
    };
    let audit = Audit::start(eager(), File::new(&path, Some(rotation)), render).unwrap();
    for number in 0..5 {
        audit.submit(Numbered(number));
        audit.flush();
    }
    audit.shutdown();
    assert_eq!(lines_of(&path), ["4"], "the youngest has no number");
    assert_eq!(
        lines_of(&dir.path().join("receipts.jsonl.1")),
        ["3"],
        "1 is younger"
    );
    assert_eq!(
        lines_of(&dir.path().join("receipts.jsonl.2")),
        ["2"],
        "than 2"
    );
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        3,
        "the oldest are gone"
    );
}

#[test]
fn a_file_that_was_moved_away_is_left_alone_after_reopen() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let aside = dir.path().join("aside");
    let audit = Audit::start(eager(), File::new(&path, None), render).unwrap();
    audit.submit(Numbered(0));
    audit.flush();
    fs::rename(&path, &aside).unwrap();
    audit.reopen().unwrap();
    assert_eq!(lines_of(&path), [""; 0], "there is a new file at once");
    audit.submit(Numbered(1));
    audit.shutdown();
    assert_eq!(
        (lines_of(&aside), lines_of(&path)),
        (numbers(0..1), numbers(1..2)),
        "the rest goes to the new file"
    );
}
