//! Counting by valgrind's tool callgrind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The argument that asks this program to repeat a case: its name follows.
const REPEAT: &str = "--repeat";

/// Repetitions before those that are counted.
const WARM_UP: usize = 20;

/// Repetitions that are counted.
const COUNTED: u64 = 10;

/// The time in which a proxy finishes what it does beside requests, such as writing receipts. Valgrind slows it down.
const REST: Duration = Duration::from_millis(1_500);

/// The folder into which a process under callgrind writes its counts.
pub(crate) struct Folder(tempfile::TempDir);

/// Returns the name of the case that this process was started to repeat, or `None`.
pub(crate) fn asked_for() -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != REPEAT);
    arguments.nth(1)
}

/// Runs a case often enough that all its memory is there, and then so often that it is counted.
pub(crate) fn repeat(mut case: Box<dyn FnMut()>) {
    (0..WARM_UP).for_each(|_| case());
    (0..COUNTED).for_each(|_| counted_by_callgrind(&mut case));
}

/// The function inside which callgrind counts.
#[inline(never)]
fn counted_by_callgrind(case: &mut Box<dyn FnMut()>) {
    case();
}

/// Ends the program with what to do if valgrind is not installed.
pub(crate) fn check_installed() {
    let found = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "valgrind counts the instructions and is not there: run `make tools`, or install the package valgrind"
    );
}

/// Returns the instructions of one repetition of a case.
pub(crate) fn count(name: &str) -> u64 {
    let folder = Folder::new();
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--toggle-collect=*counted_by_callgrind*",
        ])
        .arg(folder.output())
        .arg(std::env::current_exe().expect("the path of this program"))
        .args([REPEAT, name])
        .output()
        .expect("valgrind runs");
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    folder.total() / COUNTED
}

/// Returns the sum of a file's counts.
fn total_of(file: &Path) -> u64 {
    let text = std::fs::read(file).expect("callgrind's file");
    let text = String::from_utf8_lossy(&text);
    let line = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("totals: "));
    line.map_or(0, |total| total.trim().parse().expect("a number"))
}

// === impl Folder ===

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Returns the command under which a process counts once it is told to.
    pub(crate) fn command(&self) -> [String; 4] {
        let output = self.output();
        [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            &output,
        ]
        .map(str::to_owned)
    }

    fn output(&self) -> String {
        format!(
            "--callgrind-out-file={}",
            self.0.path().join("counts").display()
        )
    }

    /// Tells a process to begin to count.
    pub(crate) fn begin(&mut self, process: u32) {
        std::thread::sleep(REST);
        control(&["-i", "on"], process);
    }

    /// Tells a process to end counting, and returns its count.
    pub(crate) fn end(&mut self, process: u32) -> u64 {
        std::thread::sleep(REST);
        control(&["-i", "off"], process);
        control(&["-d"], process);
        self.total()
    }

    /// Returns the sum of all files.
    fn total(&self) -> u64 {
        let files = std::fs::read_dir(self.0.path()).expect("the folder");
        let paths = files.map(|file| file.expect("a file").path());
        paths.map(|path: PathBuf| total_of(&path)).sum()
    }
}

fn control(what: &[&str], process: u32) {
    let told = Command::new("callgrind_control")
        .args(what)
        .arg(process.to_string())
        .output();
    let told = told.expect("callgrind_control runs");
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
}
