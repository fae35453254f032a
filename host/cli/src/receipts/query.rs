//! `witgate receipts query`: single receipts, found in the files.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use witgate_gateway::config::Config;
use witgate_usage::query::time;
use witgate_usage::{Wanted, Zone, search};

use crate::config_arg::ConfigArg;
use crate::output::{exit_code, print, warn_of};

/// Arguments of `witgate receipts query`.
#[derive(Debug, clap::Args)]
pub(crate) struct Query {
    #[command(flatten)]
    config: ConfigArg,
    /// Id of the request: the `witgate-request-id` header of its response.
    #[arg(long)]
    id: Option<String>,
    /// Correlation id.
    #[arg(long)]
    correlation_id: Option<String>,
    /// Key of the caller.
    #[arg(long)]
    key: Option<String>,
    /// Session.
    #[arg(long)]
    session: Option<String>,
    /// Outcome, such as answered, refused or cut.
    #[arg(long)]
    outcome: Option<String>,
    /// Any other field, as NAME=VALUE with a dotted name, such as metadata.team=growth; can be repeated. `NAME=` means receipts
    /// without the field.
    #[arg(long = "where", value_name = "NAME=VALUE", value_parser = field)]
    fields: Vec<(String, String)>,
    /// Earliest time: 2026-11, 2026-11-29 or 2026-11-29T18:00:00Z, or a time before now such as 90m, 24h or 7d.
    #[arg(long, value_parser = moment)]
    since: Option<i64>,
    /// End of the time, in the same way.
    #[arg(long, value_parser = moment)]
    until: Option<i64>,
    /// Maximum number of receipts.
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn moment(text: &str) -> Result<i64, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.ok().and_then(|now| i64::try_from(now.as_millis()).ok());
    time::time(text, Zone::UTC)
        .or_else(|| time::window(text, Zone::UTC, now?))
        .ok_or_else(|| "use 2026-11, 2026-11-29, 2026-11-29T18:00:00Z, 90m, 24h or 7d".to_owned())
}

// === impl Query ===

impl Query {
    /// Prints the receipts that are wanted.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let config =
            Config::read(&self.config.config).map_err(|problems| anyhow::anyhow!("{problems}"))?;
        let sources = config.receipts.sources();
        anyhow::ensure!(
            !sources.is_empty(),
            "there are no receipts: set `file` in [receipts]"
        );
        let found = search(&sources, &self.wanted(), self.limit).context("the search failed")?;
        for line in &found.lines {
            print(&String::from_utf8_lossy(line));
        }
        warn_of(&found.damaged);
        Ok(exit_code(found.damaged.is_empty()))
    }

    fn wanted(&self) -> Wanted {
        let named = [
            ("id", &self.id),
            ("correlation_id", &self.correlation_id),
            ("key", &self.key),
            ("session", &self.session),
            ("outcome", &self.outcome),
        ];
        let named = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        Wanted {
            from_unix_ms: self.since,
            to_unix_ms: self.until,
            fields: named.chain(self.fields.clone()).collect(),
        }
    }
}
