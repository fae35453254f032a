//! Contracted prices: a multiplier, or other prices, for some models.

use super::decimal::scaled;
use super::{PriceBook, Rate, Rates};
use crate::pattern::matches;

/// A contract about the prices of some models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    /// Models, as ids with `*` for any characters.
    pub models: Vec<String>,
    /// The service tier that it is about, or `None` for all.
    pub service_tier: Option<String>,
    /// Factor of the prices of tokens.
    pub multiplier: Option<Multiplier>,
    /// Prices in place of those of the book.
    pub rates: Option<ContractRates>,
}

/// A factor of prices, exact to a millionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multiplier(u64);

/// Prices in pico-USD per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContractRates {
    /// Prompt tokens without a cache.
    pub input: u64,
    /// Tokens of answers.
    pub output: u64,
    /// Cache writes for five minutes.
    pub cache_write_5m: u64,
    /// Cache writes for an hour.
    pub cache_write_1h: u64,
    /// Cache reads.
    pub cache_read: u64,
}

/// Millionths in a factor of one.
pub(super) const ONE: u64 = 1_000_000;

/// Largest factor.
const MAX: u64 = 1_000 * ONE;

// === impl Multiplier ===

impl Multiplier {
    /// Reads a factor such as `0.85`, from zero to a thousand, or returns `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        scaled(text, 6).filter(|factor| *factor <= MAX).map(Self)
    }

    pub(super) fn millionths(self) -> u64 {
        self.0
    }
}

// === impl ContractRates ===

impl ContractRates {
    /// Returns the pico-USD per token of a price in USD per million tokens, or `None` for anything else.
    #[must_use]
    pub fn price(usd_per_mtok: &str) -> Option<u64> {
        scaled(usd_per_mtok, 6)
    }
}

// === impl PriceBook ===

impl PriceBook {
    /// Returns the book with contracts applied, the later ones over the earlier ones.
    #[must_use]
    pub fn under<'c>(&self, contracts: impl IntoIterator<Item = &'c Contract>) -> Self {
        let mut book = self.clone();
        for contract in contracts {
            match &contract.service_tier {
                None => {
                    book.apply(contract);
                    for (_, tier) in &mut book.tiers {
                        tier.apply(contract);
                    }
                }
                Some(tier) => book.tier(tier).apply(contract),
            }
        }
        book
    }

    /// Returns the book with the prices of `model` for models that it does not know, or `None` if it does not know `model`.
    /// Answers of such models count as unpriced nevertheless.
    #[must_use]
    pub fn with_unknown_as(mut self, model: &str) -> Option<Self> {
        self.unknown = Some(self.place(model)?);
        Some(self)
    }

    /// Returns whether a model that matches a pattern is in the book.
    #[must_use]
    pub fn has_like(&self, pattern: &str) -> bool {
        self.models.iter().any(|model| matches(pattern, &model.id))
    }

    /// Returns the ids of all models.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|model| model.id.as_str())
    }

    /// Returns the book of a service tier, which begins with the prices of this one.
    fn tier(&mut self, name: &str) -> &mut Self {
        let place = self.tiers.iter().position(|(known, _)| known == name);
        let place = place.unwrap_or_else(|| {
            let mut tier = self.clone();
            tier.tiers.clear();
            self.tiers.push((name.to_owned(), tier));
            self.tiers.len() - 1
        });
        #[allow(
            clippy::indexing_slicing,
            reason = "the place was found or made just now"
        )]
        &mut self.tiers[place].1
    }

    fn apply(&mut self, contract: &Contract) {
        for model in &mut self.models {
            if !contract
                .models
                .iter()
                .any(|pattern| matches(pattern, &model.id))
            {
                continue;
            }
            if let Some(multiplier) = contract.multiplier {
                model.multiplier = multiplier.millionths();
            }
            if let Some(rates) = &contract.rates {
                // A price of their own holds for prompts of every length, and for the fast mode.
                model.standard = Rates {
                    usual: Rate {
                        input: rates.input,
                        output: rates.output,
                        cache_write_5m: rates.cache_write_5m,
                        cache_write_1h: rates.cache_write_1h,
                        cache_read: rates.cache_read,
                    },
                    long: None,
                };
                model.fast = model.fast.map(|_| model.standard);
            }
        }
    }
}
