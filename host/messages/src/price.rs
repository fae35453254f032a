//! What an answer costs, in pico-USD (1 USD = 10^12), as integers throughout.
//!
//! Prices are data: a JSON file in USD per million tokens, whose decimal texts become whole pico-USD per token without
//! a float in between. A model that the book does not know is [`Pricing::Unpriced`]; it never costs zero in silence.

mod cost;
mod decimal;
mod file;

use std::collections::HashMap;

use crate::usage::{Tokens, Usage};
pub use file::PriceError;

/// All prices.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    models: Vec<ModelPrice>,
    /// Model ids, and dated ids of the API, to places in `models`.
    places: HashMap<String, usize>,
    terms: Terms,
}

/// The prices of one model.
#[derive(Debug, Clone)]
pub struct ModelPrice {
    /// The id that clients use.
    pub id: String,
    /// Longest answer in tokens.
    pub max_output: u64,
    standard: Rates,
    fast: Option<Rates>,
}

/// Prices by kind of token, and perhaps others for long prompts.
#[derive(Debug, Clone, Copy)]
struct Rates {
    usual: Rate,
    /// For requests whose prompt has more than so many tokens, the whole request.
    long: Option<(u64, Rate)>,
}

/// Pico-USD per token.
#[derive(Debug, Clone, Copy)]
struct Rate {
    input: u64,
    output: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
    cache_read: u64,
}

/// What holds for all models.
#[derive(Debug, Clone, Copy, Default)]
struct Terms {
    /// Pico-USD per web search.
    web_search: u64,
    /// Millionths by which tokens are multiplied when inference is bound to the US.
    geo_us: u64,
    /// Millionths by which tokens of batches are multiplied.
    batch: u64,
}

/// What an answer costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Pico-USD. Of an unpriced answer it is the part that could be priced.
    pub picousd: u64,
    /// Whether that is all of it.
    pub pricing: Pricing,
}

/// Whether there was a price for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pricing {
    /// Everything has a price.
    Priced,
    /// A model, or its fast mode, is not in the book: some or all of the answer has no price.
    Unpriced,
}

// === impl PriceBook ===

impl PriceBook {
    /// The prices that this release came with.
    pub fn builtin() -> Self {
        // A test reads the file; were it ever wrong, every model would show as unpriced.
        Self::parse(include_bytes!("../prices.json")).unwrap_or_default()
    }

    /// Reads a price file.
    ///
    /// # Errors
    /// [`PriceError`] says what in the file is wrong: the operator's to mend.
    pub fn parse(json: &[u8]) -> Result<Self, PriceError> {
        file::read(json)
    }

    /// The prices of a model, by its id, its dated id (`-YYYYMMDD`), or either with `[1m]` behind. Ids with a
    /// provider's prefix or region are not guessed at.
    pub fn model(&self, id: &str) -> Option<&ModelPrice> {
        let id = id.strip_suffix("[1m]").unwrap_or(id);
        let place = self
            .places
            .get(id)
            .or_else(|| self.places.get(without_date(id)?))?;
        self.models.get(*place)
    }

    /// What an answer costs that `model` served.
    ///
    /// Entries of `iterations[]` are priced each at its own model and band when they add up to the top-level numbers;
    /// else the top-level numbers are priced at `model`. Compaction comes on top in any case, since the top level
    /// leaves it out; so does an advisor's work, unless the top level has it. US inference and batches multiply
    /// tokens, not web searches. A fraction of a pico-USD is rounded up.
    pub fn cost(&self, model: &str, usage: &Usage) -> Cost {
        cost::of(self, model, usage)
    }

    /// What a request of this size would cost at `model`'s standard prices, nothing cached.
    pub fn estimate(&self, model: &str, prompt_tokens: u64, output_tokens: u64) -> Option<u64> {
        let tokens = Tokens {
            input: prompt_tokens,
            output: output_tokens,
            ..Tokens::default()
        };
        let rate = self.model(model)?.standard.at(&tokens);
        Some(u64::try_from(rate.price(&tokens)).unwrap_or(u64::MAX))
    }

    /// The same for a request in a batch.
    pub fn estimate_in_batch(
        &self,
        model: &str,
        prompt_tokens: u64,
        output_tokens: u64,
    ) -> Option<u64> {
        let alone = self.estimate(model, prompt_tokens, output_tokens)?;
        let millionths = u128::from(alone) * u128::from(self.terms.batch);
        Some(u64::try_from(millionths.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

// === impl Rates ===

impl Rates {
    fn at(&self, tokens: &Tokens) -> &Rate {
        match &self.long {
            Some((above, long)) if tokens.prompt() > *above => long,
            _ => &self.usual,
        }
    }
}

// === impl Rate ===

impl Rate {
    /// Pico-USD for all of `tokens`, saturating: a real sum is far below.
    fn price(&self, tokens: &Tokens) -> u128 {
        [
            (tokens.input, self.input),
            (tokens.output, self.output),
            (tokens.five_minute_writes(), self.cache_write_5m),
            (tokens.one_hour_writes(), self.cache_write_1h),
            (tokens.cache_read, self.cache_read),
        ]
        .into_iter()
        .fold(0, |sum: u128, (count, price)| {
            sum.saturating_add(u128::from(count) * u128::from(price))
        })
    }
}

// === impl Cost ===

impl Cost {
    /// The cost, when everything has a price.
    pub fn priced(self) -> Option<u64> {
        match self.pricing {
            Pricing::Priced => Some(self.picousd),
            Pricing::Unpriced => None,
        }
    }
}

fn without_date(id: &str) -> Option<&str> {
    let (name, date) = id.rsplit_once('-')?;
    (date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}
