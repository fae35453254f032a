//! `witgate plugin run`: the decisions and times of plugins on recorded requests.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use witgate_runtime::Hook;

use super::code::CodeArgs;
use super::requests::{Requests, title};
use super::source::source;
use crate::output::{exit_code, print};

/// Arguments of `witgate plugin run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files of the plugins, in any order; `NAME.toml` beside `NAME.wasm` is its sidecar.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    requests: Requests,
    /// Sidecar to use instead of the one beside the plugin; for a single plugin.
    #[arg(long)]
    sidecar: Option<PathBuf>,
    /// Number of calls for each request, for more precise times.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Print a JSON object for each request instead of the table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    code: CodeArgs,
}

/// Asks the plugins about each request. Returns `FAILURE` if a plugin faulted.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        args.sidecar.is_none() || args.files.len() == 1,
        "--sidecar works with a single plugin, but {} were given",
        args.files.len()
    );
    let sources = args
        .files
        .iter()
        .map(|file| source(file, args.sidecar.as_deref()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let requests = args.requests.read()?;
    let code = args.code.runtime()?;
    let trial = args.requests.trial(&code.runtime, &sources)?;

    let mut times: Vec<(Hook, Vec<Duration>)> = Hook::ALL
        .into_iter()
        .filter(|hook| trial.has(*hook))
        .map(|hook| (hook, Vec::new()))
        .collect();
    let mut faulted = 0_usize;
    for (index, captured) in requests.iter().enumerate() {
        let number = index + 1;
        let ask = || {
            trial
                .decide(captured)
                .map_err(|error| anyhow::anyhow!("request {number}: {error}"))
        };
        let decided = ask()?;
        faulted += usize::from(decided.faulted());
        if args.json {
            print(&decided.json(number, captured).to_string());
        } else {
            print(&format!(
                "{number:>4}  {:<26}  {}",
                title(captured),
                decided.summary.join(" | ")
            ));
        }
        let mut took = decided.took;
        for _ in 1..args.repeat {
            took.extend(ask()?.took);
        }
        for (hook, times) in &mut times {
            times.extend(
                took.iter()
                    .filter(|(of, _)| of == hook)
                    .map(|(_, took)| *took),
            );
        }
    }

    if !args.json {
        print(&format!(
            "\n{:<10}{:>8}{:>11}{:>11}{:>11}{:>11}",
            "hook", "calls", "p50", "p90", "p99", "longest"
        ));
        for (hook, times) in &mut times {
            times.sort_unstable();
            let cells = [50, 90, 99, 100].map(|part| micros(percentile(times, part)));
            print(&format!(
                "{:<10}{:>8}{}",
                hook.name(),
                times.len(),
                cells.map(|cell| format!("{cell:>11}")).concat()
            ));
        }
        if faulted > 0 {
            print(&format!(
                "\n{faulted} of {} requests hit a plugin fault",
                requests.len()
            ));
        }
    }
    Ok(exit_code(faulted == 0))
}

/// Returns the smallest time that at least `percent` of the sorted times do not exceed; zero without times.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

fn micros(time: Duration) -> String {
    let nanos = time.as_nanos();
    format!("{}.{} µs", nanos / 1000, nanos % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_taken() {
        let times: Vec<_> = (1..=200).map(Duration::from_micros).collect();
        let at = |percent| percentile(&times, percent).as_micros();
        assert_eq!([at(50), at(90), at(99), at(100)], [100, 180, 198, 200]);
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
