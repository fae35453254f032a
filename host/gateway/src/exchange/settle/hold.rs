//! The hold on budgets: raised while a response streams, and settled at its end with what was used.

use witgate_ledger::{Amounts, Hold, Unit};
use witgate_messages::meter::Source;
use witgate_messages::price::Cost;
use witgate_runtime::Estimate;

use super::Settlement;
use crate::exchange::relay::metering::Metering;
use crate::receipts::receipt::{Admission, Outcome};

/// Output tokens between two raises of a hold.
const EXTENSION: u64 = 1024;

// === impl Settlement ===

impl Settlement {
    /// Admits the exchange with the hold on its budgets, or with `None` if no plugin charges for it.
    pub(in crate::exchange) fn admit(&mut self, hold: Option<Hold>) {
        self.hold = hold;
        self.receipt.request.admission = Admission::Given;
    }

    /// Splits off what is held in these units, for a batch that outlives the exchange.
    pub(in crate::exchange) fn split_hold(&mut self, units: &[Unit], batch: &str) -> Option<Hold> {
        self.hold.as_mut()?.split_off(units, batch)
    }

    /// Notes the expected use of the request, which the hold covers.
    pub(in crate::exchange) fn expect(&mut self, estimate: &Estimate) {
        self.extend_at = estimate.output_tokens.saturating_add(EXTENSION);
        self.expected_prompt = estimate.prompt_tokens;
    }

    /// Raises the hold to what the response has used so far, so that no other request spends it too. The upstream's output
    /// can't be taken back, so it counts even over a limit.
    pub(super) fn extend(&mut self) {
        let (Some(metering), Some(hold)) = (&self.metering, &mut self.hold) else {
            self.extend_at = u64::MAX;
            return;
        };
        let mut reading = metering.reading();
        let output = metering.output_so_far();
        reading.usage.tokens.output = reading.usage.tokens.output.max(output);
        let model = reading.model.as_deref().unwrap_or_default();
        let cost = self.snapshot.prices.cost(model, &reading.usage);
        hold.overdraw();
        let amounts = Amounts {
            picousd: cost.picousd,
            tokens: reading.usage.tokens.total(),
            requests: 1,
        };
        if let Err(refused) = hold.extend(amounts) {
            tracing::warn!(reason = %refused.reason, "a hold could not be raised to the use of its response");
        }
        self.extend_at = output.saturating_add(EXTENSION);
    }

    /// Notes the number of requests that are charged once the exchange is answered.
    pub(in crate::exchange) fn counts_as(&mut self, requests: usize) {
        self.requests = u64::try_from(requests).unwrap_or(u64::MAX);
    }

    /// Settles the hold with what the exchange used, or releases it if nothing was sent.
    pub(super) fn settle_hold(&mut self) {
        let used = self.price();
        let Some(hold) = self.hold.take() else {
            return;
        };
        if self.receipt.route.attempts.is_empty() {
            hold.release();
            return;
        }
        self.receipt.usage.overdrawn = hold
            .settle(used)
            .overdrafts
            .iter()
            .map(|overdraft| overdraft.account.to_string())
            .collect();
    }

    /// Returns what the exchange used, and notes the meter's reading and its price.
    fn price(&mut self) -> Amounts {
        let Some(mut reading) = self.metering.take().map(Metering::finish) else {
            // There was no response, or an error; an attempt counts as a request nevertheless.
            let asked = !self.receipt.route.attempts.is_empty();
            return Amounts {
                requests: if asked { self.requests } else { 0 },
                ..Amounts::default()
            };
        };
        if let Some(totals) = reading.batch.take() {
            if let (Some(Outcome::Answered), Some(batch)) =
                (self.receipt.response.outcome, &self.receipt.usage.batch)
            {
                self.gateway.batches.results_read(&batch.id, totals);
            }
            return Amounts {
                requests: 1,
                ..Amounts::default()
            };
        }
        let sent = self
            .receipt
            .route
            .attempts
            .last()
            .and_then(|attempt| attempt.model.as_deref());
        let model = reading
            .model
            .as_deref()
            .or(sent)
            .or(self.receipt.request.model.as_deref());
        let known = reading.source != Source::None;
        // The response broke off before it reported the prompt, which was not free.
        let tokens = &mut reading.usage.tokens;
        if reading.source == Source::Estimated && tokens.total() == tokens.output {
            tokens.input = self.expected_prompt;
        }
        let cost = self
            .snapshot
            .prices
            .cost(model.unwrap_or_default(), &reading.usage);
        let tokens = reading.usage.tokens.total();
        self.receipt.usage.reading = Some(reading);
        self.receipt.usage.cost = known.then_some(cost);
        if known {
            return Amounts {
                picousd: cost.picousd,
                tokens,
                requests: 1,
            };
        }
        // A response whose usage can't be read was not free: it is charged what was reserved.
        let expected = self.hold.as_ref().map_or_else(Amounts::default, reserved);
        self.receipt.usage.cost = (expected.picousd > 0).then_some(Cost {
            picousd: expected.picousd,
            ..cost
        });
        expected
    }
}

/// Returns what a hold reserves in each unit.
fn reserved(hold: &Hold) -> Amounts {
    let of = |unit| {
        hold.charges()
            .iter()
            .filter(|charge| charge.unit == unit)
            .map(|charge| charge.amount)
            .max()
    };
    Amounts {
        picousd: of(Unit::PicoUsd).unwrap_or(0),
        tokens: of(Unit::Tokens).unwrap_or(0),
        requests: 1,
    }
}
