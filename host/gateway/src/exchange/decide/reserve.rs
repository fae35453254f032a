//! The amounts that charges reserve until their request is settled.
//!
//! A plugin names an amount, and says whether the host may know a better one: what earlier requests of the account used, or the
//! most that this one can use.

use witgate_runtime::{Charge, Estimate, Overrun, Reserve, Unit};

use super::charge::BudgetCharge;
use super::estimate::NOTHING;
use crate::budgets::experience::{Expected, Experience, Kind};

/// What can be known about the use of a request before it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forecast {
    /// The estimate that plugins are told.
    pub(crate) estimate: Estimate,
    /// The price of the prompt without caches, in pico-USD.
    pub(crate) prompt_picousd: u64,
    /// The longest response that the request allows, in tokens.
    pub(crate) most_output: u64,
    /// The model, or `None` for a request that costs nothing.
    pub(crate) kind: Option<Kind>,
    pub(crate) growth: Growth,
}

/// The growth of a response, as far as the gateway can follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Streamed, with all that it consists of.
    Shown,
    /// Known at its end.
    Hidden,
}

/// The share of the prompt's price that is its worst case, in thousandths: texts have two bytes a token at the least, instead
/// of the four that are assumed, or are all written to a cache for an hour.
const WORST_PROMPT: u64 = 2000;

/// Sets the amounts of these charges. Returns the shortest response that they all have room for, in tokens.
pub(crate) fn reserve(
    charges: &mut [BudgetCharge],
    forecast: &Forecast,
    experience: &Experience,
) -> u64 {
    let estimated = forecast.estimate.output_tokens;
    let mut room: Option<u64> = None;
    for BudgetCharge { charge, .. } in charges {
        if matches!(charge.unit, Unit::InputTokens | Unit::CachedTokens) {
            // The response does not matter to them.
            if charge.reserve == Reserve::WorstCase {
                charge.amount = forecast.worst(charge);
            }
            continue;
        }
        if !matches!(
            charge.unit,
            Unit::Picousd | Unit::Tokens | Unit::OutputTokens
        ) {
            continue;
        }
        let output = match means(charge, forecast.growth) {
            Reserve::Amount => estimated,
            Reserve::WorstCase => {
                charge.amount = forecast.worst(charge);
                forecast.most_output
            }
            Reserve::Expected => {
                let kind = forecast.kind;
                let expected = kind.and_then(|kind| experience.expected(&charge.account, kind));
                match expected {
                    None => estimated,
                    Some(expected) => {
                        let amount = forecast.amount(charge, expected);
                        charge.amount = amount.min(forecast.worst(charge));
                        expected.output_tokens.min(forecast.most_output)
                    }
                }
            }
        };
        room = Some(room.map_or(output, |room| room.min(output)));
    }
    room.unwrap_or(estimated)
}

/// Returns the way in which the amount of a charge is found. A response that can't be cut where it reaches the limit has to fit.
fn means(charge: &Charge, growth: Growth) -> Reserve {
    match (charge.overrun, growth) {
        (Overrun::Cut, Growth::Hidden) => Reserve::WorstCase,
        (Overrun::Cut, Growth::Shown) | (Overrun::Finish, _) => charge.reserve,
    }
}

// === impl Forecast ===

impl Forecast {
    /// The forecast for a request that costs nothing.
    pub(crate) const NOTHING: Self = Self::of(NOTHING);

    /// Returns the forecast for requests of which no more is known than an estimate.
    pub(crate) const fn of(estimate: Estimate) -> Self {
        Self {
            estimate,
            prompt_picousd: 0,
            most_output: estimate.output_tokens,
            kind: None,
            growth: Growth::Hidden,
        }
    }

    /// Returns the most that the request can use, in the unit of the charge.
    fn worst(&self, charge: &Charge) -> u64 {
        let worst = Expected {
            output_tokens: self.most_output,
            prompt_share: WORST_PROMPT,
        };
        self.amount(charge, worst).max(charge.amount)
    }

    /// Returns the expected use in the unit of the charge. Nothing is known about the price of a model without one.
    fn amount(&self, charge: &Charge, expected: Expected) -> u64 {
        let output = expected.output_tokens.min(self.most_output);
        let Estimate {
            prompt_tokens,
            output_tokens,
            cost_picousd,
        } = self.estimate;
        match (&charge.unit, cost_picousd) {
            (Unit::Picousd, Some(cost)) => {
                let prompt = share(self.prompt_picousd, expected.prompt_share, 1000);
                let each = cost.saturating_sub(self.prompt_picousd);
                prompt.saturating_add(share(each, output, output_tokens))
            }
            (Unit::OutputTokens, _) => output,
            (Unit::InputTokens | Unit::CachedTokens, _) => {
                share(prompt_tokens, expected.prompt_share.max(1000), 1000)
            }
            (Unit::Tokens, _) => {
                // Caches lower the price of a prompt, and not its length.
                let length = expected.prompt_share.max(1000);
                share(prompt_tokens, length, 1000).saturating_add(output)
            }
            _ => charge.amount,
        }
    }
}

/// Returns `of * part / whole`, rounded up, or 0 if `whole` is.
fn share(of: u64, part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let product = u128::from(of) * u128::from(part);
    u64::try_from(product.div_ceil(u128::from(whole))).unwrap_or(u64::MAX)
}
