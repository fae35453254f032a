//! The recorded requests that a command asks plugins about.

use std::path::{Path, PathBuf};

use witgate_gateway::capture::trial::Trial;
use witgate_gateway::capture::{self, Captured, unreadable};
use witgate_messages::price::PriceBook;
use witgate_runtime::{Runtime, Source};

/// The recorded requests of a command, and what plugins are told beside them.
#[derive(Debug, clap::Args)]
pub(super) struct Requests {
    /// Recorded requests, one JSON object a line: what `[capture]` writes, or written by hand. May be given several times.
    #[arg(long, required = true, value_name = "FILE")]
    requests: Vec<PathBuf>,
    /// The upstreams that route hooks are told of, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "default")]
    upstreams: Vec<String>,
    /// Prices other than the built-in ones.
    #[arg(long)]
    prices: Option<PathBuf>,
}

// === impl Requests ===

impl Requests {
    /// Reads them all.
    pub(super) fn read(&self) -> anyhow::Result<Vec<Captured>> {
        let mut requests = Vec::new();
        for file in &self.requests {
            requests.extend(capture::read(file)?);
        }
        anyhow::ensure!(!requests.is_empty(), "there are no requests in these files");
        Ok(requests)
    }

    /// Makes plugins ready for them.
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

/// What a request is, for people.
pub(super) fn title(captured: &Captured) -> String {
    format!(
        "{} {}",
        captured.method,
        captured.path.split('?').next().unwrap_or_default()
    )
}
