//! `witgate receipts verify`: the check of receipts files by their chains.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use witgate_gateway::config::Config;
use witgate_gateway::receipts_files::{Report, verify as check};

use crate::config_arg::ConfigArg;
use crate::output::{count_of, exit_code, print};

/// Arguments of `witgate receipts verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Receipts file to check with its closed segments, instead of those of the configuration; can be repeated.
    #[arg(long = "file")]
    files: Vec<PathBuf>,
    /// Hash that was noted earlier as the last one. The check fails if no record has it, because the end was cut off since.
    #[arg(long)]
    hash: Option<String>,
}

/// Checks receipts files with their closed segments, and prints every finding.
pub(crate) fn verify(args: &Args) -> anyhow::Result<ExitCode> {
    let files = match args.files.is_empty() {
        true => configured(args)?,
        false => args.files.clone(),
    };
    let mut is_intact = true;
    let mut has_hash = args.hash.is_none();
    for file in &files {
        let report = check(file, args.hash.as_deref())
            .with_context(|| format!("{} can't be read", file.display()))?;
        has_hash |= report.has_hash;
        is_intact &= report.is_intact();
        tell(file, &report);
    }
    if !has_hash {
        print("no record has the given hash: records at the end are missing, or were changed");
    }
    Ok(exit_code(is_intact && has_hash))
}

/// Returns the receipts files of the configuration.
fn configured(args: &Args) -> anyhow::Result<Vec<PathBuf>> {
    let config =
        Config::draft(&args.config.config).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let receipts = config.config.receipts;
    let files = [receipts.file, receipts.refused_file];
    let files: Vec<_> = files.into_iter().flatten().collect();
    anyhow::ensure!(
        !files.is_empty(),
        "{} has no `file` in [receipts]: name a file with --file",
        args.config.config.display()
    );
    Ok(files)
}

fn tell(file: &Path, report: &Report) {
    for finding in &report.findings {
        let line = finding
            .line
            .map_or(String::new(), |line| format!(":{line}"));
        print(&format!(
            "{}{line}: {}",
            finding.path.display(),
            finding.problem
        ));
    }
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let records = count_of(number(report.records), "record");
    let segments = count_of(number(report.segments), "segment");
    let file = file.display();
    let Some((first, last)) = report.range else {
        print(&format!("{file}: no record"));
        return;
    };
    match report.problems {
        0 => print(&format!(
            "{file}: {records} in {segments}, {first} to {last}, as they were written; the last hash is {}",
            report.hash.as_deref().unwrap_or_default()
        )),
        problems => print(&format!(
            "{file}: {} in {records} and {segments}",
            count_of(number(problems), "problem")
        )),
    }
}
