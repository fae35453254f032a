//! The price file.

use std::collections::HashMap;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use super::contract::ONE;
use super::decimal::scaled;
use super::{ModelPrice, PriceBook, Rate, Rates, Terms};

/// The error of an invalid price file. The operator has to correct the file.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// The file is not JSON of the expected shape, or contains a number that is not a price.
    #[error("cannot read the price file: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Two models have the same id, so that the price would depend on their order.
    #[error("two models in the price file have the id `{id}`")]
    Duplicate {
        /// The id.
        id: String,
    },
}

/// A number times ten to the power of `PLACES`, parsed from its text.
#[derive(Debug, Clone, Copy)]
struct Scaled<const PLACES: usize>(u64);

/// Pico-USD per token is USD per million tokens times 10^6.
type UsdPerMtok = Scaled<6>;
/// Pico-USD per search is USD per thousand times 10^9.
type UsdPer1000 = Scaled<9>;
type Millionths = Scaled<6>;
type Whole = Scaled<0>;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceFile {
    #[serde(rename = "as_of")]
    _as_of: Option<String>,
    #[serde(rename = "source")]
    _source: Option<String>,
    web_search_usd_per_1000: UsdPer1000,
    inference_geo_us_multiplier: Millionths,
    batch_multiplier: Millionths,
    models: Vec<ModelFile>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    id: String,
    api_id: Option<String>,
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(rename = "context")]
    _context: Option<Whole>,
    max_output: Whole,
    #[serde(rename = "fast_mode")]
    _fast_mode: Option<bool>,
    usd_per_mtok: RatesFile,
    fast_usd_per_mtok: Option<RatesFile>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RatesFile {
    input: UsdPerMtok,
    output: UsdPerMtok,
    cache_write_5m: UsdPerMtok,
    cache_write_1h: UsdPerMtok,
    cache_read: UsdPerMtok,
    long_prompt: Option<LongFile>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LongFile {
    above_prompt_tokens: Whole,
    input: UsdPerMtok,
    output: UsdPerMtok,
    cache_write_5m: UsdPerMtok,
    cache_write_1h: UsdPerMtok,
    cache_read: UsdPerMtok,
}

pub(super) fn read(json: &[u8]) -> Result<PriceBook, PriceError> {
    let file: PriceFile = serde_json::from_slice(json)?;
    let terms = Terms {
        web_search: file.web_search_usd_per_1000.0,
        geo_us: file.inference_geo_us_multiplier.0,
        batch: file.batch_multiplier.0,
    };
    let mut places = HashMap::default();
    let mut models = Vec::with_capacity(file.models.len());
    for model in file.models {
        let dated = model.api_id.filter(|dated| *dated != model.id);
        for id in std::iter::once(model.id.clone()).chain(dated) {
            if places.insert(id.clone(), models.len()).is_some() {
                return Err(PriceError::Duplicate { id });
            }
        }
        models.push(ModelPrice {
            id: model.id,
            max_output: model.max_output.0,
            standard: model.usd_per_mtok.check(),
            fast: model.fast_usd_per_mtok.map(RatesFile::check),
            multiplier: ONE,
        });
    }
    Ok(PriceBook {
        models,
        places,
        terms,
        unknown: None,
        tiers: Vec::new(),
    })
}

// === impl RatesFile ===

impl RatesFile {
    fn check(self) -> Rates {
        let usual = Rate {
            input: self.input.0,
            output: self.output.0,
            cache_write_5m: self.cache_write_5m.0,
            cache_write_1h: self.cache_write_1h.0,
            cache_read: self.cache_read.0,
        };
        Rates {
            usual,
            long: self.long_prompt.map(LongFile::check),
        }
    }
}

// === impl LongFile ===

impl LongFile {
    fn check(self) -> (u64, Rate) {
        let rate = Rate {
            input: self.input.0,
            output: self.output.0,
            cache_write_5m: self.cache_write_5m.0,
            cache_write_1h: self.cache_write_1h.0,
            cache_read: self.cache_read.0,
        };
        (self.above_prompt_tokens.0, rate)
    }
}

// === impl Scaled ===

impl<'de, const PLACES: usize> Deserialize<'de> for Scaled<PLACES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let wanted = || {
            D::Error::custom(format!(
                "`{text}` is no plain number with at most {PLACES} decimals"
            ))
        };
        scaled(text, PLACES).map(Self).ok_or_else(wanted)
    }
}
