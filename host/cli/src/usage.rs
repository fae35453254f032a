//! `witgate usage`: spend by any dimension, from the roll-ups in the state directory.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::ValueEnum;
use witgate_gateway::config::Config;
use witgate_usage::query::Wording;
use witgate_usage::{Metadata, damaged, open_reader};

use crate::config_arg::ConfigArg;
use crate::output::{print, warn_of};

/// Arguments of `witgate usage`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// What a row is about: tenant, key, user, model, upstream, session, agent or a metadata value of [usage], separated by
    /// commas. Without it, there is one row.
    #[arg(long, value_delimiter = ',')]
    by: Vec<String>,
    /// Window that ends now: the current minute, hour, day, week, month or year in the time zone of [usage], or the last 90m, 24h or 7d.
    #[arg(long, conflicts_with = "since", default_value = "month")]
    window: String,
    /// Beginning of the range in place of a window: 2026-11, 2026-11-29 or 2026-11-29T18:00:00Z.
    #[arg(long)]
    since: Option<String>,
    /// End of the range, now by default.
    #[arg(long)]
    until: Option<String>,
    /// Values that count, as NAME=VALUE; can be repeated. Several values of one name are alternatives.
    #[arg(long = "where", value_name = "NAME=VALUE")]
    only: Vec<String>,
    /// Split the range into rows per minute, hour, day, month or year.
    #[arg(long)]
    per: Option<String>,
    /// Order of the rows: cost, requests, tokens, errors or name.
    #[arg(long, default_value = "cost")]
    sort: String,
    /// Maximum number of rows.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Include percentiles of latencies.
    #[arg(long)]
    latencies: bool,
    /// Format of the output.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// The format of the output.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A table for people.
    Table,
    /// JSON, as the admin page `/usage` has it.
    Json,
    /// CSV with exact numbers.
    Csv,
}

/// Prints the answer from the database. The gateway need not run; while it does, the answer is at most a second old.
pub(super) fn usage(args: &Args) -> anyhow::Result<ExitCode> {
    let config =
        Config::read(&args.config.config).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let usage = config.usage.as_ref().context(
        "usage is not kept: set `directory` in [state] and `file` in [receipts], and restart the gateway",
    )?;
    anyhow::ensure!(
        usage.database.exists(),
        "there is no usage yet: {} does not exist until a gateway with this configuration has run",
        usage.database.display()
    );
    let db = open_reader(&usage.database)?;
    let metadata = Metadata::read(&db)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = i64::try_from(now.as_millis())?;
    let query = args
        .wording()
        .query(&metadata, usage.zone, now)
        .map_err(|problem| anyhow::anyhow!("--{problem}"))?;
    let report = query.ask(&db, &usage.keep, now)?;
    let text = match args.format {
        Format::Table => report.table(&query, &metadata),
        Format::Json => format!("{:#}", report.json(&query, &metadata)),
        Format::Csv => report.csv(&query, &metadata),
    };
    print(text.trim_end());
    warn_of(&damaged(&db)?);
    Ok(ExitCode::SUCCESS)
}

// === impl Args ===

impl Args {
    fn wording(&self) -> Wording {
        Wording {
            by: self.by.clone(),
            per: self.per.clone(),
            window: self.since.is_none().then(|| self.window.clone()),
            since: self.since.clone(),
            until: self.until.clone(),
            only: self.only.clone(),
            sort: Some(self.sort.clone()),
            limit: Some(self.limit),
            latencies: self.latencies,
        }
    }
}
