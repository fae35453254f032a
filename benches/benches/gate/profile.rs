//! A flat profile of the gateway with everything on, by crate and by function.
//!
//! `perf` says in which share of the samples each function was; the kernel's count of processor time says how much that is.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use witgate_benches::symbols::part;
use witgate_benches::table::{Table, decimal};

use crate::load;
use crate::proxies::Site;
use crate::report::signed;
use crate::server::WORKERS;
use crate::usage;
use crate::work::Work;

/// Samples a second and thread. A prime, so that they do not keep step with timers.
const FREQUENCY: &str = "1999";

/// Functions in the table.
const FUNCTIONS: usize = 40;

/// Measures a work and prints where its time went.
pub(crate) fn run(site: &Site, work: &Work, turn: Duration) {
    let folder = tempfile::tempdir().expect("a folder");
    check(&folder.path().join("tried"));
    let proxy = site.everything(WORKERS);
    // What runs once is over.
    load::run(&proxy, work, Duration::from_secs(2));
    let file = folder.path().join("samples");
    let mut recorder = record(&file, proxy.id());
    let measured = load::run(&proxy, work, turn);
    end(&mut recorder);
    let samples = samples(&file);
    assert!(!samples.is_empty(), "perf has taken no samples");

    let all: u64 = samples.values().sum();
    let count = measured.count.max(1);
    // The share of some samples as nanoseconds of a request or event.
    let cost = |weight: u64| {
        let share = u128::from(weight) * u128::from(measured.processor / count) / u128::from(all);
        decimal(i64::try_from(share).unwrap_or(i64::MAX), 1000, 2)
    };
    let percent = |weight: u64| decimal(signed(weight * 1000 / all), 10, 1);
    println!(
        "\nprofile of {}, work {} with {} bytes of body: {} µs of processor time for each of {count}\n",
        proxy.name,
        work.name,
        work.request,
        cost(all)
    );
    let mut parts: HashMap<&str, u64> = HashMap::new();
    for ((part, _), weight) in &samples {
        *parts.entry(part).or_default() += weight;
    }
    let mut table = Table::new(["part", "%", "µs"]);
    // What does not show is left out.
    let shown = ordered(&parts).into_iter();
    for (part, weight) in shown.take_while(|(_, weight)| weight * 1000 >= all) {
        table.row([(*part).to_owned(), percent(weight), cost(weight)]);
    }
    println!("{table}");
    let mut table = Table::new(["function", "part", "%", "µs"]);
    for ((part, name), weight) in ordered(&samples).into_iter().take(FUNCTIONS) {
        table.row([short(name), part.clone(), percent(weight), cost(weight)]);
    }
    println!("{table}");
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
