//! Segments: a chain that goes on whatever happens, and a check that finds every change.

mod changes;
mod forgetting;
mod retention;
mod rotation;

use std::fs;
use std::io::Write as _;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use tempfile::{TempDir, tempdir};
use witgate_audit::segments::{
    Lines as Read, Problem, Report, Retention, Rotation, Segments, tidy, verify,
};
use witgate_audit::{Audit, Lines, Settings, Sink};

use crate::numbered::{Numbered, eager, lines_of};

fn render(batch: &[Numbered], out: &mut Lines) {
    for receipt in batch {
        out.push(format!("{{\"n\":{}}}", receipt.0).as_bytes());
    }
}

fn lines(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let lines = numbers.map(|number| format!("{{\"n\":{number}}}\n"));
    lines.collect::<String>().into_bytes()
}

fn rotation(max_bytes: u64) -> Rotation {
    Rotation {
        max_bytes: NonZeroU64::new(max_bytes).unwrap(),
        retention: Retention::default(),
        rule: None,
    }
}

/// A file with its segments.
struct Scene {
    folder: TempDir,
    path: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let path = folder.path().join("receipts.jsonl");
        Self { folder, path }
    }

    /// A sink with segments of this size.
    fn sink(&self, max_bytes: u64) -> Segments {
        Segments::new(&self.path, rotation(max_bytes))
    }

    /// A new process appends lines, one by one.
    fn append(&self, max_bytes: u64, numbers: std::ops::Range<usize>) {
        let mut sink = self.sink(max_bytes);
        for number in numbers {
            sink.append(&lines(number..number + 1)).unwrap();
        }
    }

    fn tidy(&self, retention: &Retention) {
        // The thread of a sink may still be at one of them.
        let is_plain = |name: &String| !name.ends_with(".zst") && name != "receipts.jsonl";
        while self.names().iter().any(is_plain) {
            tidy(&self.path, &Retention::default(), SystemTime::now()).unwrap();
        }
        tidy(&self.path, retention, SystemTime::now()).unwrap();
    }

    fn verify(&self) -> Report {
        verify(&self.path, None).unwrap()
    }

    fn problems(&self) -> Vec<String> {
        let findings = self.verify().findings.into_iter();
        let told = findings.map(|finding| {
            let name = finding
                .path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let line = finding
                .line
                .map_or(String::new(), |line| format!(":{line}"));
            format!("{name}{line}: {}", finding.problem)
        });
        told.collect()
    }

    /// All numbers in the order in which they are read.
    fn numbers(&self) -> Vec<usize> {
        numbers_of(Read::open(&self.path, None).unwrap())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Changes the text of a file.
    fn change(&self, file: &str, change: impl FnOnce(Vec<&str>) -> Vec<&str>) {
        let path = self.folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        let lines = change(text.lines().collect());
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
}

fn numbers_of(lines: Read) -> Vec<usize> {
    let number = |line: std::io::Result<Vec<u8>>| {
        let line = String::from_utf8(line.unwrap()).unwrap();
        let digits = line
            .strip_prefix("{\"n\":")
            .and_then(|rest| rest.strip_suffix('}'));
        digits.map(|digits| digits.parse().unwrap())
    };
    lines.filter_map(number).collect()
}

#[test]
fn each_line_is_what_was_written_with_a_chain_behind_it() {
    let scene = Scene::new();
    scene.append(1 << 20, 0..3);
    let lines = lines_of(&scene.path);
    assert!(
        lines[0].starts_with("{\"n\":0,\"chain\":\"1.1 "),
        "{lines:?}"
    );
    assert!(
        lines[2].starts_with("{\"n\":2,\"chain\":\"1.3 "),
        "{lines:?}"
    );
    let report = scene.verify();
    assert!(
        report.is_intact() && report.findings.is_empty(),
        "{report:?}"
    );
    assert_eq!((report.segments, report.records), (1, 3), "{report:?}");
    assert!(lines[2].contains(&report.hash.unwrap()), "the last hash");
    assert_eq!(scene.numbers(), [0, 1, 2], "as they were");
}

#[test]
fn the_chain_goes_on_after_a_restart_and_over_segments() {
    let scene = Scene::new();
    // Three lines fill a segment.
    scene.append(250, 0..4);
    scene.append(250, 4..8);
    scene.tidy(&Retention::default());
    scene.append(250, 8..10);
    scene.tidy(&Retention::default());
    assert_eq!(
        scene.names(),
        [
            "receipts.jsonl",
            "receipts.jsonl.000001.zst",
            "receipts.jsonl.000002.zst",
            "receipts.jsonl.000003.zst"
        ],
        "closed segments are compressed"
    );
    let report = scene.verify();
    assert!(report.findings.is_empty(), "{report:?}");
    assert_eq!((report.segments, report.records), (4, 10), "{report:?}");
    assert_eq!(
        scene.numbers(),
        (0..10).collect::<Vec<_>>(),
        "from old to new"
    );
}

#[test]
fn a_line_that_a_crash_cut_is_covered_by_the_next() {
    let scene = Scene::new();
    scene.append(1 << 20, 0..2);
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&scene.path)
        .unwrap();
    file.write_all(b"{\"n\":").unwrap();
    assert_eq!(
        scene.problems(),
        ["receipts.jsonl:3: 5 bytes of a line that was cut; the next record will cover them"],
        "before the restart"
    );
    assert!(scene.verify().is_intact(), "a crash is no tampering");
    scene.append(1 << 20, 2..4);
    assert_eq!(
        scene.problems(),
        ["receipts.jsonl:3: 5 bytes of a line that was cut, as the next record says"],
        "after it"
    );
    assert!(scene.verify().is_intact(), "still");
    assert_eq!(scene.numbers(), [0, 1, 2, 3], "no line is lost");
    scene.change("receipts.jsonl", |lines| {
        let cut = |line| if line == "{\"n\":" { "{\"m\":" } else { line };
        lines.into_iter().map(cut).collect()
    });
    assert!(!scene.verify().is_intact(), "what was cut is covered, too");
}

#[test]
fn two_processes_that_append_to_one_file_make_one_chain() {
    const THREADS: usize = 4;
    const EACH: usize = 500;
    let scene = Scene::new();
    let settings = Settings {
        batch: 32,
        ..eager()
    };
    let audits = [(); 2].map(|()| Audit::start(settings, scene.sink(8_192), render).unwrap());
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
    let report = scene.verify();
    assert!(report.findings.is_empty(), "{report:?}");
    assert!(report.segments > 5, "it was rotated: {report:?}");
    let mut numbers = scene.numbers();
    numbers.sort_unstable();
    assert_eq!(
        numbers,
        (0..THREADS * EACH).collect::<Vec<_>>(),
        "each line once"
    );
}

#[test]
fn segments_that_were_closed_before_a_time_are_not_read() {
    let scene = Scene::new();
    scene.append(250, 0..10);
    scene.tidy(&Retention::default());
    let day = Duration::from_secs(86_400);
    for number in [1, 2] {
        let path = scene
            .folder
            .path()
            .join(format!("receipts.jsonl.{number:06}.zst"));
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - (3 - number) * day)
            .unwrap();
    }
    let since = |days: f64| {
        let since = SystemTime::now() - day.mul_f64(days);
        numbers_of(Read::open(&scene.path, Some(since)).unwrap())[0]
    };
    assert_eq!(
        [since(9.0), since(1.5), since(0.5)],
        [0, 3, 6],
        "the first that is read"
    );
}

#[test]
fn a_file_without_a_chain_goes_on_with_one() {
    let scene = Scene::new();
    fs::write(&scene.path, lines(0..3)).unwrap();
    scene.append(1 << 20, 3..5);
    let report = scene.verify();
    assert!(report.is_intact(), "{report:?}");
    assert!(
        matches!(report.findings[0].problem, Problem::Cut(23)),
        "its earlier lines are covered as they were: {report:?}"
    );
    assert_eq!(scene.numbers(), (0..5).collect::<Vec<_>>(), "and read");
}

#[test]
fn a_file_that_another_program_rotated_under_a_date_is_no_segment() {
    let scene = Scene::new();
    let dated = [
        "receipts.jsonl.20261129",
        "receipts.jsonl.20261129.zst",
        "receipts.jsonl.2026112918",
    ];
    for name in dated {
        fs::write(scene.folder.path().join(name), "{\"n\":99}\n").unwrap();
    }
    scene.append(250, 0..6);
    let one = Retention {
        count: std::num::NonZeroU32::new(1),
        ..Retention::default()
    };
    tidy(&scene.path, &one, SystemTime::now()).unwrap();
    assert_eq!(scene.problems(), [""; 0], "the chain is whole");
    let names = scene.names();
    for name in dated {
        assert!(
            names.iter().any(|found| found == name),
            "{name} stays: {names:?}"
        );
    }
    assert!(!scene.numbers().contains(&99), "none of them is read");
    assert!(
        names.iter().all(|name| !name.contains("20261130")),
        "and none is counted on: {names:?}"
    );
}

#[test]
fn a_segment_that_was_moved_away_leaves_a_gap_and_the_chain_goes_on() {
    let scene = Scene::new();
    let mut sink = scene.sink(1 << 20);
    sink.append(&lines(0..2)).unwrap();
    fs::rename(&scene.path, scene.folder.path().join("aside")).unwrap();
    sink.append(&lines(2..4)).unwrap();
    let first = lines_of(&scene.path).remove(0);
    let last = lines_of(&scene.folder.path().join("aside")).remove(1);
    let hash = &last[last.len() - 66..last.len() - 2];
    assert!(first.contains(&format!("\"2.1 after:{hash} ")), "{first}");
}

#[test]
fn a_full_disk_cuts_no_chain() {
    let scene = Scene::new();
    let mut sink = Segments::new(Path::new("/dev/full"), rotation(1 << 20));
    let stopped = sink.append(&lines(0..2)).unwrap_err();
    assert_eq!(stopped.taken, 0, "{stopped}");
    assert!(scene.verify().is_intact(), "nothing is there");
}
