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
    /// Earliest time: 2026-11 or 2026-11-29 in the time zone of `[usage]`, 2026-11-29T18:00:00Z, or a time before now such as 90m, 24h or 7d.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// End of the time, in the same way.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Maximum number of receipts.
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Returns the time that an option names, in a zone.
fn moment(option: &str, text: Option<&str>, zone: Zone) -> anyhow::Result<Option<i64>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.ok().and_then(|now| i64::try_from(now.as_millis()).ok());
    let time = time::time(text, zone).or_else(|| time::window(text, zone, now?));
    let time = time.with_context(|| {
        format!("{option} {text}: use 2026-11, 2026-11-29, 2026-11-29T18:00:00Z, 90m, 24h or 7d")
    })?;
    Ok(Some(time))
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
        let zone = config.usage.as_ref().map_or(Zone::UTC, |usage| usage.zone);
        let found =
            search(&sources, &self.wanted(zone)?, self.limit).context("the search failed")?;
        for line in &found.lines {
            print(&String::from_utf8_lossy(line));
        }
        warn_of(&found.damaged);
        Ok(exit_code(found.damaged.is_empty()))
    }

    fn wanted(&self, zone: Zone) -> anyhow::Result<Wanted> {
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
        Ok(Wanted {
            from_unix_ms: moment("--since", self.since.as_deref(), zone)?,
            to_unix_ms: moment("--until", self.until.as_deref(), zone)?,
            fields: named.chain(self.fields.clone()).collect(),
        })
    }
}
