//! Tests that need a process of their own: this binary again, with one test in it.

use std::fs;
use std::process::{Command, Output};

/// Set for the process that [`again`] starts.
const MARK: &str = "WITGATE_TEST_CHILD";

/// Returns whether this process was started for one test.
pub(crate) fn is_child() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Runs one test again by itself, as the last argument of `wrapper`, and shows what it said. `test` is its path as the
/// compiler has it.
pub(crate) fn must_pass(test: &str, wrapper: &[&str]) {
    let name = test.split_once("::").map_or(test, |(_, name)| name);
    let program = std::env::current_exe().unwrap();
    let mut words = wrapper
        .iter()
        .map(AsRef::as_ref)
        .chain([program.as_os_str()]);
    let output = Command::new(words.next().unwrap())
        .args(words)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap_or_else(|error| panic!("{wrapper:?} can't start: {error}"));
    let Output { status, stdout, .. } = &output;
    let (said, told) = (
        String::from_utf8_lossy(stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    println!("{said}{told}");
    assert!(
        status.success(),
        "{name} failed in its own process: {status}"
    );
    assert!(said.contains("1 passed"), "{name} ran there");
}

/// Returns whether a command runs and succeeds.
pub(crate) fn succeeds(command: &[&str]) -> bool {
    let run = Command::new(command[0]).args(&command[1..]).output();
    run.is_ok_and(|output| output.status.success())
}

/// Memory of this process that is in use, in KiB.
pub(crate) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .expect("resident memory")
}

/// The median of samples.
pub(crate) fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// A number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
