//! A plugin author's first day: what was stumbled over, and how it goes now.

mod check;
mod crates;
mod embedding;
mod log;
mod scan;
mod trials;

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::harness::printed;

/// The sidecar of the hostile guest: it asks for everything.
const EVERYTHING: &str =
    "[grants]\nbody = \"read\"\nheaders = [\"*\"]\nkv = true\nmetrics = true\nclock = true\n";

/// Parses a command's output as one JSON object a line.
fn json_lines(output: &Output) -> Vec<Value> {
    let printed = printed(output);
    let lines = printed.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// Writes recorded requests, one a line.
fn record(folder: &Path, lines: &[Value]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.join("requests.jsonl"), text).unwrap();
}
