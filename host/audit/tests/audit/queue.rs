//! Every receipt that is submitted is written, in its order, to the end and after it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

use tempfile::tempdir;
use witgate_audit::sink::{File, Null};
use witgate_audit::{Audit, Health, Lines, Settings};

use crate::numbered::{Memory, Numbered, WEIGHT, eager, lines_of, numbers, render, unhurried};

/// Returns a renderer that tells how many receipts it has got, and then waits for its turn.
fn slow(
    began: mpsc::Sender<usize>,
    going_on: mpsc::Receiver<()>,
) -> impl Fn(&[Numbered], &mut Lines) + Send + 'static {
    move |batch, out| {
        began.send(batch.len()).unwrap();
        going_on.recv().unwrap();
        render(batch, out);
    }
}

#[test]
fn receipts_are_written_in_order_and_shutdown_writes_them_all() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let audit = Audit::start(Settings::default(), File::new(&path), render).unwrap();
    (0..1_000).for_each(|number| audit.submit(Numbered(number)));
    let stats = audit.shutdown();
    assert_eq!(lines_of(&path), numbers(0..1_000), "all of them, in order");
    assert_eq!(
        (stats.written, stats.lost, stats.queued),
        (1_000, 0, 0),
        "and counted"
    );
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "receipts are their owner's to read");
}

#[test]
fn dropping_the_audit_writes_everything() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let audit = Audit::start(Settings::default(), File::new(&path), render).unwrap();
    (0..100).for_each(|number| audit.submit(Numbered(number)));
    drop(audit);
    assert_eq!(
        lines_of(&path),
        numbers(0..100),
        "nothing stays in the queue"
    );
}

#[test]
fn a_receipt_submitted_after_the_end_is_written() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let audit = Audit::start(eager(), File::new(&path), render).unwrap();
    audit.shutdown();
    audit.submit(Numbered(7));
    assert_eq!(
        lines_of(&path),
        ["7 queue-full"],
        "written by the one who submits"
    );
}

#[test]
fn receipts_wait_for_a_batch_and_are_written_at_once_when_it_is_full() {
    let (began, begun) = mpsc::channel();
    let half = 5;
    for (settings, count) in [
        (
            Settings {
                batch: 3,
                ..unhurried()
            },
            3,
        ),
        (
            Settings {
                queue: 2,
                ..unhurried()
            },
            2,
        ),
        (
            Settings {
                queue_bytes: 2 * half * WEIGHT,
                ..unhurried()
            },
            half,
        ),
    ] {
        let began = began.clone();
        let render = move |batch: &[Numbered], out: &mut Lines| {
            began.send(batch.len()).unwrap();
            render(batch, out);
        };
        let audit = Audit::start(settings, Null, render).unwrap();
        audit.submit(Numbered(0));
        assert_eq!(begun.recv(), Ok(1), "the first waits for none");
        audit.flush();
        (0..count).for_each(|number| audit.submit(Numbered(number)));
        assert_eq!(begun.recv(), Ok(count), "one batch of them");
        drop(audit);
    }
}

#[test]
fn nobody_who_waits_for_a_receipt_waits_for_a_batch() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let audit = Audit::start(unhurried(), File::new(&path), render).unwrap();
    audit.submit(Numbered(0));
    assert_eq!(audit.flush(), Health::Well, "flushed");
    assert_eq!(lines_of(&path), numbers(0..1), "by then");
    audit.submit(Numbered(1));
    audit.reopen().unwrap();
    audit.submit(Numbered(2));
    audit.shutdown();
    assert_eq!(lines_of(&path), numbers(0..3), "at the end");
}

#[test]
fn a_full_queue_writes_inline_and_loses_nothing() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let (began, begun) = mpsc::channel();
    let (go_on, going_on) = mpsc::channel();
    let slow = slow(began, going_on);
    let settings = Settings {
        queue: 2,
        ..eager()
    };
    let audit = Audit::start(settings, File::new(&path), slow).unwrap();
    audit.submit(Numbered(0));
    assert_eq!(begun.recv(), Ok(1), "the thread has the first");
    (1..6).for_each(|number| audit.submit(Numbered(number)));
    assert_eq!(audit.stats().inline_writes, 3, "two waited, three did not");
    assert_eq!(
        lines_of(&path),
        ["3 queue-full", "4 queue-full", "5 queue-full"],
        "they are in the file already"
    );
    (0..2).for_each(|_| go_on.send(()).unwrap());
    audit.shutdown();
    let all = [
        "3 queue-full",
        "4 queue-full",
        "5 queue-full",
        "0",
        "1",
        "2",
    ];
    assert_eq!(lines_of(&path), all, "and the others follow");
}

#[test]
fn a_queue_that_is_full_by_bytes_is_full() {
    let sink = Memory::default();
    let (began, begun) = mpsc::channel();
    let (go_on, going_on) = mpsc::channel();
    let slow = slow(began, going_on);
    let settings = Settings {
        queue_bytes: 3 * WEIGHT,
        ..eager()
    };
    let audit = Audit::start(settings, sink, slow).unwrap();
    audit.submit(Numbered(0));
    assert_eq!(begun.recv(), Ok(1), "the thread has the first");
    (1..6).for_each(|number| audit.submit(Numbered(number)));
    let stats = audit.stats();
    assert_eq!(
        (stats.queued, stats.queued_bytes, stats.inline_writes),
        (2, 3 * WEIGHT, 3),
        "what the thread has counts too"
    );
    (0..2).for_each(|_| go_on.send(()).unwrap());
    assert_eq!(audit.shutdown().lost, 0, "and nothing is lost");
}

#[test]
fn a_receipt_that_is_larger_than_the_queue_gets_in_alone() {
    let settings = Settings {
        queue_bytes: 1,
        ..eager()
    };
    let audit = Audit::start(settings, Memory::default(), render).unwrap();
    audit.submit(Numbered(0));
    audit.flush();
    let stats = audit.shutdown();
    assert_eq!(
        (stats.inline_writes, stats.written),
        (0, 1),
        "it is rendered"
    );
}

#[test]
fn lines_of_another_process_are_written_between_the_own_ones() {
    let sink = Memory::default();
    let audit = Audit::start(eager(), sink.clone(), render).unwrap();
    audit.submit(Numbered(0));
    audit.flush();
    let mut lines = Lines::new();
    lines.push(b"theirs");
    assert_eq!(audit.write(lines), Health::Well, "it is written at once");
    audit.submit(Numbered(1));
    audit.shutdown();
    assert_eq!(sink.0.lock().lines, b"0\ntheirs\n1\n", "each where it came");
}

#[test]
fn nothing_to_write_to_is_fine() {
    let audit = Audit::start(eager(), Null, render).unwrap();
    audit.submit(Numbered(0));
    assert_eq!(audit.flush(), Health::Well, "no receipts are wanted");
}
