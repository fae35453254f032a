//! The cost of an answer in pico-USD (1 USD = 10^12), with integers throughout.
//!
//! Prices are data: a JSON file in USD per million tokens, whose decimal numbers become whole pico-USD per token without an
//! intermediate float. An unknown model is [`Pricing::Unpriced`]; it never silently costs zero. Contracts change the prices of an
//! upstream or a service tier.

mod contract;
mod cost;
mod decimal;
mod file;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::usage::{Tokens, Usage};
pub use contract::{Contract, ContractRates, Multiplier};
pub use file::PriceError;

/// A book of all prices.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    models: Vec<ModelPrice>,
    /// Indices into `models` by model id and by the API's dated id.
    places: HashMap<String, usize, RandomState>,
    terms: Terms,
    /// Index of the model whose prices unknown models have, or `None` if they have no price.
    unknown: Option<usize>,
    /// Books for answers of a service tier that has contracts of its own.
    tiers: Vec<(String, PriceBook)>,
}

/// The prices of one model.
#[derive(Debug, Clone)]
pub struct ModelPrice {
    /// The id that clients use.
    pub id: String,
    /// Maximum length of an answer in tokens.
    pub max_output: u64,
    standard: Rates,
    fast: Option<Rates>,
    /// Factor in millionths of all prices of tokens.
    multiplier: u64,
}

/// Prices by kind of token, possibly with others for long prompts.
#[derive(Debug, Clone, Copy)]
struct Rates {
    usual: Rate,
    /// Prices of the whole request if its prompt has more than this many tokens.
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

/// Prices common to all models.
#[derive(Debug, Clone, Copy, Default)]
struct Terms {
    /// Pico-USD per web search.
    web_search: u64,
    /// Factor in millionths for tokens of inference restricted to the US.
    geo_us: u64,
    /// Factor in millionths for tokens of batches.
    batch: u64,
}

/// The cost of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Pico-USD; for an unpriced answer, its priced part.
    pub picousd: u64,
    /// Completeness of the price.
    pub pricing: Pricing,
}

/// The completeness of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pricing {
    /// All parts have a price.
    Priced,
    /// A model or its fast mode is not in the book, so that some or all of the answer has no price.
    Unpriced,
}

// === impl PriceBook ===

impl PriceBook {
    /// Returns the prices that ship with this release.
    pub fn builtin() -> Self {
        // A test reads the file. An invalid file would make every model unpriced.
        Self::parse(include_bytes!("../prices.json")).unwrap_or_default()
    }

    /// Reads a price file.
    ///
    /// # Errors
    /// [`PriceError`] with the reason. The operator has to correct the file.
    pub fn parse(json: &[u8]) -> Result<Self, PriceError> {
        file::read(json)
    }

    /// Returns the prices of a model by its id or its dated id (`-YYYYMMDD`), with or without a trailing `[1m]`. Ids with a
    /// provider's prefix or region are not guessed.
    pub fn model(&self, id: &str) -> Option<&ModelPrice> {
        self.models.get(self.place(id)?)
    }

    /// Returns the prices of a model, or those that unknown models have.
    fn model_or_unknown(&self, id: &str) -> Option<&ModelPrice> {
        self.model(id).or_else(|| self.unknown())
    }

    /// Returns the prices that unknown models have.
    fn unknown(&self) -> Option<&ModelPrice> {
        self.models.get(self.unknown?)
    }

    /// Returns whether answers of a model have a price, if only that of unknown models.
    pub fn has_price(&self, id: &str) -> bool {
        self.model_or_unknown(id).is_some()
    }

    fn place(&self, id: &str) -> Option<usize> {
        let id = id.strip_suffix("[1m]").unwrap_or(id);
        let place = self.places.get(id);
        place
            .or_else(|| self.places.get(without_date(id)?))
            .copied()
    }

    /// Returns the cost of an answer that `model` served.
    ///
    /// If the entries of `iterations[]` add up to the top-level numbers, each is priced at its own model and band; otherwise the
    /// top-level numbers are priced at `model`. Compaction is added in any case, because the top level omits it, and so is an
    /// advisor's work unless the top level includes it. The factors for US inference and batches apply to tokens, not to web
    /// searches. Fractions of a pico-USD are rounded up.
    pub fn cost(&self, model: &str, usage: &Usage) -> Cost {
        let tier = usage.service_tier.as_deref().and_then(|tier| {
            let mut tiers = self.tiers.iter();
            tiers.find_map(|(name, book)| (name == tier).then_some(book))
        });
        cost::of(tier.unwrap_or(self), model, usage)
    }

    /// Returns the cost of a request of this size at `model`'s standard prices, without caching.
    pub fn estimate(&self, model: &str, prompt_tokens: u64, output_tokens: u64) -> Option<u64> {
        let tokens = Tokens {
            input: prompt_tokens,
            output: output_tokens,
            ..Tokens::default()
        };
        let model = self.model_or_unknown(model)?;
        let price = model.standard.at(&tokens).price(&tokens);
        let millionths = price.saturating_mul(u128::from(model.multiplier));
        Some(u64::try_from(millionths.div_ceil(u128::from(contract::ONE))).unwrap_or(u64::MAX))
    }

    /// Returns the same cost for a request in a batch.
    pub fn estimate_in_batch(
        &self,
        model: &str,
        prompt_tokens: u64,
        output_tokens: u64,
    ) -> Option<u64> {
        let batch = self.tiers.iter().find(|(name, _)| name == "batch");
        let book = batch.map_or(self, |(_, book)| book);
        let alone = book.estimate(model, prompt_tokens, output_tokens)?;
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
    /// Returns the price of all `tokens` in pico-USD, saturating far above any real sum.
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

fn without_date(id: &str) -> Option<&str> {
    let (name, date) = id.rsplit_once('-')?;
    (date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}
