//! Flat profiles of bare pingora and the gateway, side by side, by crate and by function.
//!
//! `perf` says in which share of the samples each function was; the kernel's count of processor time says how much that is.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use witgate_benches::symbols::part;
use witgate_benches::table::{Table, decimal};

use crate::load;
use crate::proxies::{Proxy, Site};
use crate::usage;
use crate::work::Work;

/// Samples a second and thread. A prime, so that they do not keep step with timers.
const FREQUENCY: &str = "1999";

/// Turns of each proxy.
const TURNS: u32 = 3;

/// Functions in the table.
const FUNCTIONS: usize = 60;

/// Where the time of one proxy went.
struct Profile {
    name: String,
    /// Requests, or events.
    count: u64,
    /// Processor time of all, in nanoseconds.
    processor: u64,
    /// Weights of parts and functions.
    samples: HashMap<(String, String), u64>,
}

/// Measures a work through bare pingora and the gateway with more and more of its parts, and prints where their time went.
pub(crate) fn run(site: &Site, work: &Work, turn: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    check(&folder.path().join("tried"));
    let proxies = site.own();
    for proxy in &proxies {
        // What runs once is over.
        load::run(proxy, work, Duration::from_secs(2));
        proxy.stop();
    }
    let mut profiles = proxies.each_ref().map(Profile::new);
    // Turns, because the speed of the machine changes.
    for _ in 0..TURNS {
        for (proxy, profile) in proxies.iter().zip(&mut profiles) {
            proxy.go_on();
            profile.add(proxy, work, turn / TURNS, &folder.path().join("samples"));
            proxy.stop();
        }
    }
    println!(
        "\nprofile of work {} with {} bytes of body; µs of processor time for each\n",
        work.name, work.request
    );
    println!("{}", compared(&profiles, Profile::parts, usize::MAX));
    println!("{}", compared(&profiles, Profile::functions, FUNCTIONS));
}

/// Returns the costs of all proxies, what takes most of the last one first, and no more than `most` rows.
fn compared(
    profiles: &[Profile],
    weights: fn(&Profile) -> HashMap<String, u64>,
    most: usize,
) -> Table {
    let names = profiles.iter().map(|profile| profile.name.clone());
    let mut table = Table::new(std::iter::once("part".to_owned()).chain(names));
    let all = profiles.iter().map(|profile| profile.cost(profile.all()));
    table.row(std::iter::once("all".to_owned()).chain(all));
    let weighed: Vec<_> = profiles.iter().map(weights).collect();
    let Some((last, of_last)) = profiles.iter().zip(&weighed).next_back() else {
        return table;
    };
    assert!(last.all() > 0, "perf has taken no samples");
    // What does not show is left out.
    let shown = ordered(of_last).into_iter();
    let shown = shown.take_while(|(_, weight)| weight * 1000 >= last.all());
    for (name, _) in shown.take(most) {
        let costs = profiles
            .iter()
            .zip(&weighed)
            .map(|(profile, weights)| profile.cost(weights.get(name).copied().unwrap_or_default()));
        table.row(std::iter::once(short(name)).chain(costs));
    }
    table
}

// === impl Profile ===

impl Profile {
    fn new(proxy: &Proxy) -> Self {
        Self {
            name: proxy.name.clone(),
            count: 0,
            processor: 0,
            samples: HashMap::new(),
        }
    }

    /// Measures a work through the proxy, and samples it meanwhile.
    fn add(&mut self, proxy: &Proxy, work: &Work, turn: Duration, file: &Path) {
        let mut recorder = record(file, proxy.id());
        let measured = load::run(proxy, work, turn);
        end(&mut recorder);
        self.count += measured.count;
        self.processor += measured.processor;
        for (function, weight) in samples(file) {
            *self.samples.entry(function).or_default() += weight;
        }
    }

    fn all(&self) -> u64 {
        self.samples.values().sum()
    }

    /// Returns the share of some samples as microseconds of a request or event.
    fn cost(&self, weight: u64) -> String {
        let each = self.processor / self.count.max(1);
        let share = u128::from(weight) * u128::from(each) / u128::from(self.all().max(1));
        decimal(i64::try_from(share).unwrap_or(i64::MAX), 1000, 2)
    }

    fn parts(&self) -> HashMap<String, u64> {
        self.weights(|part, _| part.to_owned())
    }

    fn functions(&self) -> HashMap<String, u64> {
        self.weights(|part, function| match function.contains("::") {
            true => function.to_owned(),
            false => format!("{part}: {function}"),
        })
    }

    fn weights(&self, name: impl Fn(&str, &str) -> String) -> HashMap<String, u64> {
        let mut weights = HashMap::new();
        for ((part, function), weight) in &self.samples {
            *weights.entry(name(part, function)).or_default() += weight;
        }
        weights
    }
}

/// Returns weights, the largest first.
fn ordered<Key>(weights: &HashMap<Key, u64>) -> Vec<(&Key, u64)> {
    let mut ordered: Vec<_> = weights.iter().map(|(key, weight)| (key, *weight)).collect();
    ordered.sort_unstable_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    ordered
}

/// Ends the program with what to do if `perf` is missing or may not sample.
fn check(file: &Path) {
    let tried = Command::new("perf")
        .args(["record", "--output"])
        .arg(file)
        .args(["--", "true"])
        .output();
    let problem = match tried {
        Err(_) => "perf is not installed. On Debian: apt-get install linux-perf. On Ubuntu: apt-get install linux-tools-$(uname -r)"
            .to_owned(),
        Ok(output) if !output.status.success() => format!(
            "perf may not sample. Run as root, or: sysctl kernel.perf_event_paranoid=1 kernel.kptr_restrict=0. It says:\n{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Ok(_) => return,
    };
    println!("{problem}");
    std::process::exit(1);
}

/// Starts to sample a process with its children.
fn record(file: &Path, process: u32) -> Child {
    let processes: Vec<_> = usage::family(process).iter().map(u32::to_string).collect();
    let child = Command::new("perf")
        .args(["record", "--freq", FREQUENCY, "--pid", &processes.join(",")])
        .arg("--output")
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.expect("perf starts")
}

/// Tells `perf` to write what it has.
fn end(recorder: &mut Child) {
    let told = Command::new("kill")
        .args(["-INT", &recorder.id().to_string()])
        .status();
    assert!(
        told.is_ok_and(|status| status.success()),
        "the signal arrives"
    );
    let _ = recorder.wait();
}

/// Returns the weights of all functions, each with its part.
fn samples(file: &Path) -> HashMap<(String, String), u64> {
    let output = Command::new("perf")
        .args([
            "script",
            "--no-demangle",
            "--fields",
            "period,ip,sym,dso",
            "--input",
        ])
        .arg(file)
        .stderr(Stdio::null())
        .output()
        .expect("perf runs");
    let mut samples = HashMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((weight, name, file)) = sample(line) else {
            continue;
        };
        let name = rustc_demangle::demangle(name);
        // Without the hash.
        let name = format!("{name:#}");
        let part = part(file, &name);
        let name = if part == "guest code" {
            part.clone()
        } else {
            name
        };
        *samples.entry((part, name)).or_insert(0) += weight;
    }
    samples
}

/// Returns the weight, the function and the file of a line: `PERIOD ADDRESS FUNCTION (FILE)`.
fn sample(line: &str) -> Option<(u64, &str, &str)> {
    let (weight, rest) = line.trim().split_once(' ')?;
    let (_, rest) = rest.trim_start().split_once(' ')?;
    let (name, file) = rest.rsplit_once(" (")?;
    Some((
        weight.parse().ok()?,
        name.trim(),
        file.trim_end_matches(')'),
    ))
}

/// Returns a name that fits into a table.
fn short(name: &str) -> String {
    const WIDTH: usize = 90;
    let name = name.replace('|', "/");
    match name.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}
