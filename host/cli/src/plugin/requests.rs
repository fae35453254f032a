//! The recorded requests of a command.

use std::path::{Path, PathBuf};

use witgate_gateway::capture::trial::Trial;
use witgate_gateway::capture::{self, Captured, unreadable};
use witgate_messages::price::PriceBook;
use witgate_runtime::{Runtime, Source};

/// Options for recorded requests and the context in which plugins see them.
#[derive(Debug, clap::Args)]
pub(super) struct Requests {
    /// File of recorded requests, a JSON object on each line, as `[capture]` writes them or written by hand; can be repeated.
    #[arg(long, required = true, value_name = "FILE")]
    requests: Vec<PathBuf>,
    /// Upstreams that route hooks can choose from, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "default")]
    upstreams: Vec<String>,
    /// Price file to use instead of the built-in prices.
    #[arg(long)]
    prices: Option<PathBuf>,
}

// === impl Requests ===

impl Requests {
    /// Reads all requests.
    pub(super) fn read(&self) -> anyhow::Result<Vec<Captured>> {
        let mut requests = Vec::new();
        for file in &self.requests {
            requests.extend(capture::read(file)?);
        }
        anyhow::ensure!(!requests.is_empty(), "the files contain no requests");
        Ok(requests)
    }

    /// Prepares plugins for a trial.
    pub(super) fn trial(&self, runtime: &Runtime, sources: &[Source]) -> anyhow::Result<Trial> {
        let prices = match &self.prices {
            None => PriceBook::builtin(),
            Some(file) => read_prices(file)?,
        };
        Ok(Trial::try_new(runtime, sources, prices, &self.upstreams)?)
    }
}

fn read_prices(file: &Path) -> anyhow::Result<PriceBook> {
    let text = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    PriceBook::parse(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

/// Returns the method and path of a request.
pub(super) fn title(captured: &Captured) -> String {
    format!(
        "{} {}",
        captured.method,
        captured.path.split('?').next().unwrap_or_default()
    )
}
