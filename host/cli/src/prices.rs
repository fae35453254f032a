//! `witgate prices`: prices compared with what receipts say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;
use witgate_gateway::Prices;
use witgate_gateway::config::Config;
use witgate_messages::Usage;
use witgate_messages::price::PriceBook;
use witgate_usage::for_each_line;
use witgate_usage::query::render::usd;

use crate::config_arg::ConfigArg;
use crate::output::{count_of, exit_code, print, warn_of};

/// Commands about prices.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Compare prices with the receipts: models without a price, models that were never used, and costs that differ. Exits with
    /// 1 if a model has no price or a cost differs.
    Check(Check),
}

/// Arguments of `witgate prices check`.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigArg,
    /// Price file to compare, in place of the one that is configured. The contracts of the configuration apply to it.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// What the receipts say about a model.
#[derive(Debug, Default)]
struct Seen {
    receipts: usize,
    /// Receipts whose cost differs.
    differing: usize,
    recorded: u128,
    computed: u128,
}

/// Runs a command about prices.
pub(super) fn prices(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(check) => check.run(),
    }
}

// === impl Check ===

impl Check {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let config =
            Config::read(&self.config.config).map_err(|problems| anyhow::anyhow!("{problems}"))?;
        let prices = match &self.file {
            None => Prices::read(&config),
            Some(file) => std::fs::read(file)
                .map_err(|error| error.to_string())
                .and_then(|text| PriceBook::parse(&text).map_err(|error| error.to_string()))
                .map_err(|error| format!("{}: {error}", file.display()))
                .and_then(|book| Prices::with_book(&config, book)),
        };
        let prices = prices.map_err(|error| anyhow::anyhow!("{error}"))?;
        let sources = config.receipts.sources();
        anyhow::ensure!(
            !sources.is_empty(),
            "there are no receipts: set `file` in [receipts]"
        );
        let mut seen: BTreeMap<(String, String), Seen> = BTreeMap::new();
        let mut receipts = 0;
        let damaged = for_each_line(&sources, |line| {
            if let Ok(receipt) = serde_json::from_slice(line) {
                receipts += usize::from(add(&receipt, &prices, &mut seen).is_some());
            }
        })?;
        warn_of(&damaged);
        print(&format!("{} with a usage", count_of(receipts, "receipt")));
        Ok(exit_code(report(&prices, &seen) && damaged.is_empty()))
    }
}

/// Adds a receipt, or returns `None` if it is not about the usage of one model. Those of batches are about several.
fn add(
    receipt: &Value,
    prices: &Prices,
    seen: &mut BTreeMap<(String, String), Seen>,
) -> Option<()> {
    let usage = receipt.get("usage")?.as_object()?;
    if receipt.get("batch").is_some() || usage.get("source")? == "unknown" {
        return None;
    }
    let attempt = receipt.get("attempts").and_then(Value::as_object);
    let attempt = attempt.and_then(|attempts| {
        let numbered = attempts
            .iter()
            .filter_map(|(number, attempt)| Some((number.parse::<u64>().ok()?, attempt)));
        numbered
            .max_by_key(|(number, _)| *number)
            .map(|(_, attempt)| attempt)
    });
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let upstream = text(attempt.and_then(|attempt| attempt.get("upstream")));
    let model = text(receipt.pointer("/model/served"))
        .or_else(|| text(attempt.and_then(|attempt| attempt.get("model"))))
        .or_else(|| text(receipt.pointer("/model/requested")))?;
    // A receipt has the usage as the API names it, but for the searches.
    let mut usage = usage.clone();
    if let Some(searches) = usage.remove("web_search_requests") {
        let searches = serde_json::json!({ "web_search_requests": searches });
        usage.insert("server_tool_use".into(), searches);
    }
    let usage = Usage::parse(Value::Object(usage).to_string().as_bytes())?;
    let computed = prices.of(upstream.as_deref()).cost(&model, &usage).picousd;
    let recorded = receipt
        .get("cost_picousd")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let of = seen
        .entry((upstream.unwrap_or_default(), model))
        .or_default();
    of.receipts += 1;
    of.recorded += u128::from(recorded);
    of.computed += u128::from(computed);
    of.differing += usize::from(recorded != computed);
    Some(())
}

/// Prints what was found. Returns whether all is well.
fn report(prices: &Prices, seen: &BTreeMap<(String, String), Seen>) -> bool {
    let mut is_well = true;
    let mut used = BTreeSet::new();
    for ((upstream, model), of) in seen {
        let (book, at) = (prices.of(Some(upstream)), format!("{model} at {upstream}"));
        match book.model(model) {
            Some(known) => {
                used.insert(known.id.clone());
            }
            None if book.has_price(model) => print(&format!(
                "{at}: not in the price file; {} counted at the prices of `unknown_model`",
                count_of(of.receipts, "receipt")
            )),
            None => {
                is_well = false;
                print(&format!(
                    "{at}: no price; {} counted as free: add the model to the price file",
                    count_of(of.receipts, "receipt")
                ));
            }
        }
        if of.differing > 0 {
            is_well = false;
            print(&format!(
                "{at}: {} of {} have another cost: {} USD recorded, {} USD by these prices",
                of.differing,
                count_of(of.receipts, "receipt"),
                usd(of.recorded),
                usd(of.computed)
            ));
        }
    }
    let unused: Vec<_> = prices
        .of(None)
        .ids()
        .filter(|id| !used.contains(*id))
        .collect();
    if !unused.is_empty() {
        print(&format!("never used: {}", unused.join(", ")));
    }
    if is_well {
        print("every receipt has the cost that these prices say");
    } else {
        print(
            "an answer of several steps (a fallback, an advisor, a compaction) may differ, because its receipt has their sum",
        );
    }
    is_well
}
