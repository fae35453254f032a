//! Files that are torn or moved away lose no line.

use std::fs;

use tempfile::tempdir;
use witgate_audit::Audit;
use witgate_audit::sink::File;

use crate::numbered::{Numbered, eager, lines_of, numbers, render};

#[test]
fn a_line_torn_by_a_crash_spoils_no_other() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    fs::write(&path, "{\"a\":1}\n{\"b\":").unwrap();
    let audit = Audit::start(eager(), File::new(&path), render).unwrap();
    audit.submit(Numbered(0));
    audit.shutdown();
    assert_eq!(
        lines_of(&path),
        ["{\"a\":1}", "{\"b\":", "0"],
        "the next receipt has its own line"
    );
}

#[test]
fn a_file_that_was_moved_away_is_left_alone_after_reopen() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let aside = dir.path().join("aside");
    let audit = Audit::start(eager(), File::new(&path), render).unwrap();
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
