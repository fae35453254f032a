//! The usage of a process and its children, as the kernel counts it.

use std::collections::BTreeMap;
use std::fs;

/// Nanoseconds of a tick, in which the kernel counts children that have ended.
const TICK: u64 = 10_000_000;

/// The name under which children that have ended are counted.
const ENDED: &str = "ended children";

/// Returns the nanoseconds that the threads of a process and its children have been on a processor, by thread name. Digits at
/// the end of a name are left out, so that workers count together.
pub(crate) fn processor(process: u32) -> BTreeMap<String, u64> {
    let mut by_name = BTreeMap::new();
    by_name.insert(ENDED.to_owned(), ended(process));
    for process in family(process) {
        let tasks = fs::read_dir(format!("/proc/{process}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            let name = read("comm");
            let name = name
                .trim_end()
                .trim_end_matches(|end: char| end.is_ascii_digit());
            let ran = read("schedstat");
            let ran = ran
                .split(' ')
                .next()
                .and_then(|ran| ran.parse::<u64>().ok());
            *by_name.entry(name.to_owned()).or_insert(0) += ran.unwrap_or(0);
        }
    }
    by_name
}

/// Returns the nanoseconds that the children of a process took which have ended.
fn ended(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name in parentheses, the times of ended children are the 16th and the 17th of all fields.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(13).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum::<u64>()
        * TICK
}

/// Returns the resident memory of a process and its children in KiB.
pub(crate) fn memory(process: u32) -> u64 {
    let resident = |process: u32| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
    };
    family(process).into_iter().filter_map(resident).sum()
}

/// Returns a process and its descendants.
pub(crate) fn family(process: u32) -> Vec<u32> {
    if process == 0 {
        return Vec::new();
    }
    let mut all = vec![process];
    let mut next = 0;
    while let Some(process) = all.get(next).copied() {
        let tasks = fs::read_dir(format!("/proc/{process}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(
                children
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
        }
        next += 1;
    }
    all
}
