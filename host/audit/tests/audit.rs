//! What is submitted gets written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions beside the tests are test code too"
)]

use std::fs;
use std::io;
use std::num::{NonZeroU32, NonZeroU64};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;
use tempfile::tempdir;
use witgate_audit::sink::{File, Null, Rotation, Stopped};
use witgate_audit::{Audit, Health, Lines, Mark, Receipt, Settings, Sink};

struct Numbered(usize);

/// The number of a receipt that panics when it is written raw; no other test counts that far.
const CURSED: usize = usize::MAX;

/// Keeps what it takes, as long as it is told to work.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    lines: Vec<u8>,
    /// Bytes that still fit; none for no end.
    room: Option<usize>,
}

impl Receipt for Numbered {
    fn raw(&self, mark: Mark, line: &mut Vec<u8>) {
        assert_ne!(self.0, CURSED, "this one can't be written");
        line.extend_from_slice(format!("{} {}", self.0, mark.as_str()).as_bytes());
    }
}

impl Sink for Memory {
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        let mut told = self.0.lock().unwrap();
        let taken = told.room.map_or(lines.len(), |room| room.min(lines.len()));
        told.lines.extend_from_slice(&lines[..taken]);
        told.room = told.room.map(|room| room - taken);
        if taken < lines.len() {
            return Err(Stopped {
                taken,
                source: io::ErrorKind::StorageFull.into(),
            });
        }
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn render(batch: &[Numbered], out: &mut Lines) {
    for receipt in batch {
        out.push(receipt.0.to_string().as_bytes());
    }
}

fn eager() -> Settings {
    Settings {
        linger: Duration::ZERO,
        first_retry: Duration::from_millis(1),
        ..Settings::default()
    }
}

/// No retry by itself comes in the life of a test: what is written is written by its own doing.
fn patient() -> Settings {
    let hour = Duration::from_secs(3600);
    Settings {
        linger: Duration::ZERO,
        first_retry: hour,
        longest_retry: hour,
        ..Settings::default()
    }
}

fn lines_of(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "the file ends with a whole line"
    );
    text.lines().map(str::to_owned).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn receipts_are_written_in_order_and_shutdown_writes_them_all() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let audit = Audit::start(Settings::default(), File::new(&path, None), render).unwrap();
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
    let audit = Audit::start(Settings::default(), File::new(&path, None), render).unwrap();
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
    let audit = Audit::start(eager(), File::new(&path, None), render).unwrap();
    audit.shutdown();
    audit.submit(Numbered(7));
    assert_eq!(
        lines_of(&path),
        ["7 queue-full"],
        "written by the one who submits"
    );
}

#[test]
fn a_full_queue_writes_inline_and_loses_nothing() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("receipts.jsonl");
    let (began, begun) = mpsc::channel();
    let (go_on, going_on) = mpsc::channel::<()>();
    let slow = move |batch: &[Numbered], out: &mut Lines| {
        began.send(batch.len()).unwrap();
        going_on.recv().unwrap();
        render(batch, out);
    };
    let settings = Settings {
        queue: 2,
        ..eager()
    };
    let audit = Audit::start(settings, File::new(&path, None), slow).unwrap();
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
fn a_panic_in_render_costs_no_receipt_and_not_the_thread() {
    let sink = Memory::default();
    let fragile = |batch: &[Numbered], out: &mut Lines| {
        render(batch, out);
        assert!(batch[0].0 != 13, "unlucky");
    };
    let audit = Audit::start(eager(), sink.clone(), fragile).unwrap();
    for number in [12, 13, 14] {
        audit.submit(Numbered(number));
        audit.flush();
    }
    let stats = audit.shutdown();
    assert_eq!(
        sink.0.lock().unwrap().lines,
        b"12\n13 render-panicked\n14\n",
        "raw, once, and the next is rendered"
    );
    assert_eq!((stats.render_panics, stats.lost), (1, 0), "counted");
    assert!(
        stats.last_error.unwrap().contains("unlucky"),
        "the panic's text is told"
    );
}

#[test]
fn a_render_that_forgets_a_receipt_gets_the_batch_written_raw() {
    let sink = Memory::default();
    let forgetful = |batch: &[Numbered], out: &mut Lines| render(&batch[1..], out);
    let audit = Audit::start(eager(), sink.clone(), forgetful).unwrap();
    audit.submit(Numbered(1));
    assert_eq!(audit.shutdown().render_miscounts, 1, "noticed");
    assert_eq!(
        sink.0.lock().unwrap().lines,
        b"1 render-miscounted\n",
        "written"
    );
}

#[test]
fn a_receipt_that_panics_takes_only_itself() {
    let sink = Memory::default();
    let audit = Audit::start(eager(), sink.clone(), |_: &[Numbered], _: &mut Lines| {
        panic!("always")
    })
    .unwrap();
    for number in [1, CURSED, 2] {
        audit.submit(Numbered(number));
    }
    assert_eq!(audit.shutdown().lost, 1, "lost and counted");
    assert_eq!(
        sink.0.lock().unwrap().lines,
        b"1 render-panicked\n2 render-panicked\n",
        "the others are there"
    );
}

#[test]
fn a_full_disk_keeps_receipts_in_memory_and_is_told() {
    let settings = Settings {
        backlog_bytes: 4,
        ..patient()
    };
    let audit = Audit::start(settings, File::new("/dev/full", None), render).unwrap();
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
    sink.0.lock().unwrap().room = Some(4);
    let audit = Audit::start(patient(), sink.clone(), render).unwrap();
    audit.submit(Numbered(10));
    audit.flush();
    audit.submit(Numbered(11));
    assert_ne!(
        audit.flush(),
        Health::Well,
        "one byte of the second line got in"
    );
    sink.0.lock().unwrap().room = None;
    assert_eq!(audit.flush(), Health::Well, "there is room again");
    assert_eq!(
        sink.0.lock().unwrap().lines,
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
    let audit = Audit::start(eager(), File::new(&path, None), render).unwrap();
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
    let audit = Audit::start(
        eager(),
        File::new(there.join("receipts.jsonl"), None),
        render,
    )
    .unwrap();
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
    let audit = Audit::start(patient(), File::new(&path, None), render).unwrap();
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
fn nothing_to_write_to_is_fine() {
    let audit = Audit::start(eager(), Null, render).unwrap();
    audit.submit(Numbered(0));
    assert_eq!(audit.flush(), Health::Well, "no receipts are wanted");
}
