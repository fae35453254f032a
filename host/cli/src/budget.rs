//! `witgate budget`: limits of a running gateway, through the API on its admin listener.
//!
//! The key comes from a file or the environment, never from the command line, which other users of the machine can read.

mod amount;
mod client;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use witgate_gateway::keys::Validity;

use self::client::Client;
use crate::config_arg::ConfigArg;
use crate::key::duration;
use crate::output::{print, print_error};

/// Commands about limits.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show the limits in force: where each comes from, what was spent of it, what is left, and when it resets.
    Show(Show),
    /// Set a limit on an account. It wins over the sidecar's from the next request on, until it is deleted.
    Set(Change),
    /// Add an amount to a limit, in the current period only.
    TopUp(Change),
    /// Take the spending off the current period, so that the whole limit is free again.
    Reset(On),
    /// Set a limit until a time, after which the one before it holds again.
    Override(Override),
    /// Delete what was set on an account, so that the sidecar's limit holds again.
    Delete(On),
    /// Show the records of changes, the newest first: who, when, before and after.
    Audit(Audit),
}

/// The gateway that a command is for.
#[derive(Debug, clap::Args)]
struct Gateway {
    #[command(flatten)]
    config: ConfigArg,
    /// Base URL of the admin listener, in place of the address in the configuration.
    #[arg(long)]
    url: Option<String>,
    /// File that holds the key of an operator. Without it, the key is taken from the environment variable WITGATE_ADMIN_KEY.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// The limit that a command is for.
#[derive(Debug, clap::Args)]
pub(super) struct On {
    /// Account, as the page /budgets names it, for example user:acme/jane or tenant:acme, or tier:pro for each caller of a tier.
    account: String,
    /// Window of the limit: minute, hour, day, week, month, total, day@Europe/Berlin or last-5-hours, for example. The unit
    /// in_flight takes none.
    #[arg(long)]
    window: Option<String>,
    /// Unit of the limit: usd, tokens, input_tokens, output_tokens, cached_tokens, requests, in_flight or sessions.
    #[arg(long, default_value = "usd")]
    unit: String,
    /// Reason, for the record of the change.
    #[arg(long)]
    reason: Option<String>,
    /// Version that the limit must have, as JSON shows it: if it was changed since, nothing is done.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
    #[command(flatten)]
    gateway: Gateway,
}

/// Arguments of `witgate budget set` and `top-up`.
#[derive(Debug, clap::Args)]
pub(super) struct Change {
    // The account comes first on the command line.
    #[command(flatten)]
    on: On,
    /// Amount: dollars such as 50 or 12.50 for the unit usd, else a whole number. `unlimited` sets no limit.
    #[arg(value_name = "AMOUNT")]
    amount: String,
}

/// Arguments of `witgate budget override`.
#[derive(Debug, clap::Args)]
pub(super) struct Override {
    #[command(flatten)]
    on: On,
    /// Amount: dollars such as 50 or 12.50 for the unit usd, else a whole number. `unlimited` sets no limit.
    #[arg(value_name = "AMOUNT", required_unless_present = "end")]
    amount: Option<String>,
    /// End: a time such as 2026-12-01T08:00:00Z, a date, which means its beginning in UTC, or a time from now, such as 90m, 8h
    /// or 2d.
    #[arg(long, required_unless_present = "end")]
    until: Option<String>,
    /// End the override now.
    #[arg(long, conflicts_with_all = ["amount", "until"])]
    end: bool,
}

/// Arguments of `witgate budget show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Accounts, or all if none is named.
    accounts: Vec<String>,
    /// Window; can be repeated.
    #[arg(long)]
    window: Vec<String>,
    /// Unit; can be repeated.
    #[arg(long)]
    unit: Vec<String>,
    #[command(flatten)]
    gateway: Gateway,
}

/// Arguments of `witgate budget audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Audit {
    /// Account, or all if none is named.
    account: Option<String>,
    /// Key that made the changes.
    #[arg(long, value_name = "ID")]
    by: Option<String>,
    /// Maximum number of records.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    gateway: Gateway,
}

/// Limits that one answer has at the most.
const PAGE: &str = "1000";

/// Runs a command of `witgate budget`.
pub(super) fn budget(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(show) => show.run()?,
        Command::Set(change) => change.on.change("", Some(&change.amount), None)?,
        Command::TopUp(change) => change.on.change("/top_up", Some(&change.amount), None)?,
        Command::Reset(on) => on.change("/reset", None, None)?,
        Command::Override(change) => change.run()?,
        Command::Delete(on) => on.delete("")?,
        Command::Audit(audit) => audit.run()?,
    }
    Ok(ExitCode::SUCCESS)
}

// === impl Gateway ===

impl Gateway {
    fn client(&self) -> anyhow::Result<Client> {
        Client::new(
            &self.config.config,
            self.url.as_deref(),
            self.key_file.as_deref(),
        )
    }
}

// === impl Show ===

impl Show {
    fn run(self) -> anyhow::Result<()> {
        let client = self.gateway.client()?;
        let mut query = vec![("limit", PAGE.to_owned())];
        query.extend(
            self.accounts
                .into_iter()
                .map(|account| ("account[]", account)),
        );
        query.extend(self.window.into_iter().map(|window| ("window[]", window)));
        query.extend(self.unit.into_iter().map(|unit| ("unit[]", unit)));
        let mut rows = Vec::new();
        loop {
            let mut page = client.get("/effective", &query)?;
            rows.extend(list(&mut page));
            let Some(next) = member(&page, "next_page").as_str() else {
                break;
            };
            query.retain(|(name, _)| *name != "page");
            query.push(("page", next.to_owned()));
        }
        if self.gateway.json {
            print(&format!("{:#}", Value::Array(rows)));
        } else if rows.is_empty() {
            print("no limits are known: a sidecar's limit is, once a request was charged to it");
        } else {
            table::limits(&rows).iter().for_each(|line| print(line));
        }
        Ok(())
    }
}

// === impl Audit ===

impl Audit {
    fn run(self) -> anyhow::Result<()> {
        let client = self.gateway.client()?;
        let mut query = vec![("limit", self.limit.to_string())];
        query.extend(self.account.map(|account| ("account", account)));
        query.extend(self.by.map(|id| ("actor", format!("admin-key:{id}"))));
        let mut page = client.get("/audit", &query)?;
        warn_of_memory(&page);
        if self.gateway.json {
            print(&format!("{page:#}"));
            return Ok(());
        }
        let records = list(&mut page);
        if records.is_empty() {
            print("no changes");
        }
        for record in &records {
            print(&table::record(record));
        }
        if member(&page, "has_more") == true {
            print("older changes follow: use a larger --limit");
        }
        Ok(())
    }
}

// === impl Override ===

impl Override {
    fn run(self) -> anyhow::Result<()> {
        if self.end {
            return self.on.delete("/override");
        }
        let until = self.until.unwrap_or_default();
        let end = match duration(&until) {
            Ok(time) => Validity::for_the_next(time),
            Err(_) => Validity::parse(&until).map_err(|error| {
                anyhow::anyhow!("--until: {error}, or a time from now such as 8h")
            })?,
        };
        self.on
            .change("/override", self.amount.as_deref(), Some(&end.to_string()))
    }
}

// === impl On ===

impl On {
    /// Makes a change by a `POST`.
    fn change(&self, path: &str, amount: Option<&str>, until: Option<&str>) -> anyhow::Result<()> {
        let mut body = Map::new();
        body.insert(
            "scope".into(),
            json!({"type": "account", "account": self.account}),
        );
        body.insert("unit".into(), json!(self.unit));
        if let Some(window) = self.window()? {
            body.insert("window".into(), json!(window));
        }
        if let Some(amount) = amount {
            let amount = amount::of_api(amount, &self.unit)
                .map_err(|problem| anyhow::anyhow!("AMOUNT: {problem}"))?;
            body.insert("amount".into(), json!(amount));
        }
        if let Some(until) = until {
            body.insert("until".into(), json!(until));
        }
        if let Some(reason) = &self.reason {
            body.insert("reason".into(), json!(reason));
        }
        let answer = self
            .gateway
            .client()?
            .post(path, &Value::Object(body), self.if_version)?;
        self.tell(&answer);
        Ok(())
    }

    /// Makes a change by a `DELETE`. `part` is behind the limit's id.
    fn delete(&self, part: &str) -> anyhow::Result<()> {
        ensure!(
            self.reason.is_none(),
            "--reason: a deletion has no reason on its record"
        );
        let client = self.gateway.client()?;
        let query = [
            ("account", self.account.clone()),
            ("limit", PAGE.to_owned()),
        ];
        let mut page = client.get("", &query)?;
        let window = self.window()?.unwrap_or("total");
        let found = list(&mut page)
            .into_iter()
            .find(|limit| member(limit, "window") == window && member(limit, "unit") == &self.unit);
        let Some(id) = found
            .as_ref()
            .and_then(|limit| member(limit, "id").as_str())
        else {
            bail!(
                "nothing is set on {} in {} by the {window}: `witgate budget show` lists the limits",
                self.account,
                self.unit
            );
        };
        let answer = client.delete(&format!("/{id}{part}"), self.if_version)?;
        self.tell(&answer);
        Ok(())
    }

    /// Returns the window, or `None` for a unit without one.
    fn window(&self) -> anyhow::Result<Option<&str>> {
        match (self.window.as_deref(), self.unit.as_str()) {
            (None, "in_flight") => Ok(None),
            (window, _) => window
                .map(Some)
                .context("--window: name the window of the limit, such as day or month"),
        }
    }

    fn tell(&self, answer: &Value) {
        warn_of_memory(answer);
        print(&match self.gateway.json {
            true => format!("{answer:#}"),
            false => table::change(&self.account, answer),
        });
    }
}

/// Returns a member of an object, or null.
fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// Takes the entries of a page.
fn list(page: &mut Value) -> Vec<Value> {
    match page.get_mut("data").map(Value::take) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    }
}

/// Says so if changes are forgotten at a restart.
fn warn_of_memory(answer: &Value) {
    if member(answer, "durable") == false {
        print_error(
            "this gateway has no state directory, so live limits and their records are forgotten at a restart; to keep them, set `directory` in [state]",
        );
    }
}

/// Returns a query with everything encoded that has a meaning.
fn encoded(query: &[(&str, String)]) -> String {
    let pairs = query.iter().map(|(name, value)| {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        format!("{name}={value}")
    });
    pairs.collect::<Vec<_>>().join("&")
}
