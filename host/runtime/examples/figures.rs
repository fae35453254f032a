//! The cost of plugins: `figures FILE.wasm...` prints a table row for each, with the sidecar beside it.
//!
//! Each plugin is looked at in processes of its own, so that no figure has the memory of another one in it: in one it is
//! compiled, in the next one it comes from the cache, as after a restart, and is called.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "a table for people"
)]

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use witgate_runtime::{
    Envelope, Head, Lineup, PlainRequest, Plugin, Request, Runtime, RuntimeOptions, Source,
};

const HEADING: &str =
    "| plugin | file | admission | memory while compiling | admission from the cache | memory kept | first call of an instance | later call |
|---|---|---|---|---|---|---|---|
";

/// Calls that the medians are of.
const FRESH: usize = 50;
const CALLS: usize = 10_000;

/// A small request.
fn small() -> PlainRequest {
    PlainRequest::new("messages", "POST", "/v1/messages")
        .with_id("1")
        .with_head(Head {
            model: Some("claude-sonnet-5-5".to_owned()),
            max_tokens: Some(1024),
            message_count: 1,
            prompt_tokens: 40,
            ..Head::default()
        })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [step, file, cache] if step == "--compiled" => compiled(Path::new(file), cache.into()),
        [step, file, cache] if step == "--cached" => cached(Path::new(file), cache.into()),
        files => files.iter().try_fold(HEADING, |heading, file| {
            print!("{heading}");
            let cache = tempfile::tempdir()?;
            for step in ["--compiled", "--cached"] {
                let status = Command::new(std::env::current_exe()?)
                    .args([step, file])
                    .arg(cache.path())
                    .status()?;
                if !status.success() {
                    return Err(format!("{file}: {status}").into());
                }
            }
            Ok("")
        }),
    }
    .map(drop)
}

/// The first half of a line: a plugin that nobody has compiled yet.
fn compiled(file: &Path, cache: PathBuf) -> Result<&'static str, Box<dyn Error>> {
    let source = Source::read(file)?;
    let admitted = Admitted::new(&source, cache)?;
    print!(
        "| {} | {:.2} MiB | {:.1?} | {:.0} MiB |",
        source.name,
        mebi(fs::metadata(file)?.len()),
        admitted.took,
        mebi(admitted.highest),
    );
    std::io::stdout().flush()?;
    Ok("")
}

/// The second half: the same plugin from the cache, and its calls.
fn cached(file: &Path, cache: PathBuf) -> Result<&'static str, Box<dyn Error>> {
    let source = Source::read(file)?;
    let admitted = Admitted::new(&source, cache)?;

    // The instance of the admission has been called already, so a first call is that of a new instance.
    let sidecar = source.sidecar.as_ref().map_or("", |sidecar| &sidecar.text);
    let fresh = source
        .clone()
        .with_sidecar(format!("instances = \"fresh\"\n{sidecar}"));
    let fresh = Lineup::new(1, vec![admitted.runtime.admit(&fresh)?], &[]);
    let reused = Lineup::new(1, vec![admitted.plugin], &[]);
    println!(
        " {:.1?} | {:.0} MiB | {:.1?} | {:.1?} |",
        admitted.took,
        mebi(admitted.kept),
        median(&fresh, FRESH)?,
        median(&reused, CALLS)?,
    );
    Ok("")
}

/// A plugin, and what its admission took.
struct Admitted {
    runtime: Runtime,
    plugin: Arc<Plugin>,
    took: Duration,
    /// Memory of the process beyond what it had before: at most, and afterwards.
    highest: u64,
    kept: u64,
}

// === impl Admitted ===

impl Admitted {
    fn new(source: &Source, cache: PathBuf) -> Result<Self, Box<dyn Error>> {
        let runtime = Runtime::try_new(RuntimeOptions::default().with_cache(Some(cache)))?;
        let before = resident("VmRSS")?;
        let start = Instant::now();
        let plugin = runtime.admit(source)?;
        Ok(Self {
            took: start.elapsed(),
            highest: resident("VmHWM")?.saturating_sub(before),
            kept: resident("VmRSS")?.saturating_sub(before),
            runtime,
            plugin,
        })
    }
}

fn mebi(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A figure of this process's memory, in bytes.
fn resident(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibi = line
        .and_then(|line| {
            line.trim_matches([':', ' ', '\t', 'k', 'B'])
                .parse::<u64>()
                .ok()
        })
        .ok_or("no such figure")?;
    Ok(kibi << 10)
}

/// The middle one of this many calls.
fn median(lineup: &Lineup, calls: usize) -> Result<Duration, Box<dyn Error>> {
    let request: Arc<dyn Request> = Arc::new(small());
    let envelope = Arc::new(Envelope::default());
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        let plan = lineup.begin(Arc::clone(&request)).route(&envelope, None);
        times.push(start.elapsed());
        plan.map_err(|stop| format!("{stop:?}"))?;
    }
    times.sort_unstable();
    Ok(times[calls / 2])
}
