//! Addition of an answer's cost.

use super::{Cost, ModelPrice, PriceBook, Pricing, Rates};
use crate::usage::{Iteration, Tokens, Usage};

const MILLION: u128 = 1_000_000;

/// A bill under construction.
struct Bill<'a> {
    book: &'a PriceBook,
    model: &'a str,
    usage: &'a Usage,
    /// Millionths of pico-USD, because of the factors of contracts.
    millionths: u128,
    pricing: Pricing,
}

pub(super) fn of(book: &PriceBook, model: &str, usage: &Usage) -> Cost {
    let mut bill = Bill {
        book,
        model,
        usage,
        millionths: 0,
        pricing: Pricing::Priced,
    };

    let entries =
        |wanted: fn(&Iteration) -> bool| usage.iterations.iter().filter(move |entry| wanted(entry));
    let adds_up = |wanted: fn(&Iteration) -> bool| {
        entries(wanted)
            .map(|entry| entry.tokens)
            .reduce(|sum, tokens| sum.plus(&tokens))
            .is_some_and(|sum| sum.same_counts(&usage.tokens))
    };
    if adds_up(|entry| !is_compaction(entry)) {
        entries(|entry| !is_compaction(entry)).for_each(|entry| bill.entry(entry));
    } else {
        if adds_up(is_answer) {
            entries(is_answer).for_each(|entry| bill.entry(entry));
        } else {
            bill.add(model, &usage.tokens);
        }
        entries(is_advice).for_each(|entry| bill.entry(entry));
    }
    entries(is_compaction).for_each(|entry| bill.entry(entry));
    bill.total()
}

fn is_compaction(entry: &Iteration) -> bool {
    entry.kind == "compaction"
}

fn is_advice(entry: &Iteration) -> bool {
    entry.kind == "advisor_message"
}

fn is_answer(entry: &Iteration) -> bool {
    !is_compaction(entry) && !is_advice(entry)
}

// === impl Bill ===

impl<'a> Bill<'a> {
    fn entry(&mut self, entry: &'a Iteration) {
        let model = entry.model.as_deref().unwrap_or(self.model);
        self.add(model, &entry.tokens);
    }

    fn add(&mut self, model: &str, tokens: &Tokens) {
        let known = self.book.model(model);
        if known.is_none() {
            self.pricing = Pricing::Unpriced;
        }
        let Some(price) = known.or_else(|| self.book.unknown()) else {
            return;
        };
        let price_of_all = self
            .rates(model, price)
            .at(tokens)
            .price(tokens)
            .saturating_mul(u128::from(price.multiplier));
        self.millionths = self.millionths.saturating_add(price_of_all);
    }

    /// Returns the applicable prices. The usage's speed is that of the requested model; batches have no fast mode.
    fn rates(&mut self, model: &str, price: &'a ModelPrice) -> &'a Rates {
        if model != self.model || self.usage.speed.as_deref() != Some("fast") || self.is_batch() {
            return &price.standard;
        }
        if price.fast.is_none() {
            self.pricing = Pricing::Unpriced;
        }
        price.fast.as_ref().unwrap_or(&price.standard)
    }

    fn is_batch(&self) -> bool {
        self.usage.service_tier.as_deref() == Some("batch")
    }

    fn total(self) -> Cost {
        let terms = self.book.terms;
        let is_us = self.usage.inference_geo.as_deref() == Some("us");
        let geo = if is_us {
            u128::from(terms.geo_us)
        } else {
            MILLION
        };
        let batch = if self.is_batch() {
            u128::from(terms.batch)
        } else {
            MILLION
        };
        let tokens = self
            .millionths
            .saturating_mul(geo)
            .saturating_mul(batch)
            .div_ceil(MILLION * MILLION * MILLION);
        let searches = u128::from(self.usage.web_searches) * u128::from(terms.web_search);
        let picousd = u64::try_from(tokens.saturating_add(searches)).unwrap_or(u64::MAX);
        Cost {
            picousd,
            pricing: self.pricing,
        }
    }
}
