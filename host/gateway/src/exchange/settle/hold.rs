//! The hold on budgets: raised while a response streams, and settled at its end with what was used.

use witgate_ledger::{Amounts, Hold, Unit};
use witgate_messages::meter::{Reading, Source};
use witgate_messages::price::{Cost, PriceBook};
use witgate_runtime::Estimate;

use super::Settlement;
use crate::exchange::relay::metering::Metering;
use crate::gateway::snapshot::Snapshot;
use crate::receipts::receipt::{Admission, Outcome, Receipt};

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
        let output = estimate.output_tokens;
        (self.extend_at, self.extension) = if self.gateway.journal.is_kept() {
            // A process that finds the hold after a crash knows what the client has got by the last extension alone.
            (1, output.min(EXTENSION))
        } else {
            (output.saturating_add(EXTENSION), EXTENSION)
        };
        self.expected_prompt = estimate.prompt_tokens;
    }

    /// Raises the hold to what the metered part of the response costs, so that no other request spends it too. The part may go
    /// on to the client when this returns: the journal has it, unless the disk refuses, which ends no exchange that runs.
    pub(in crate::exchange) async fn cover(&mut self) {
        let Some(metering) = &self.metering else {
            return;
        };
        if metering.output_so_far() < self.extend_at {
            return;
        }
        self.extend();
        if let Some(hold) = &self.hold {
            // Readiness reports it, and new requests are refused or not.
            let _ = self.gateway.journal.written(hold.position()).await;
        }
    }

    /// Raises the hold to what the response has used so far. With a journal, to what it will have used by the next raise: until
    /// then, that is what a crash leaves. The upstream's output can't be taken back, so it counts even over a limit.
    fn extend(&mut self) {
        let (Some(metering), Some(hold)) = (&self.metering, &mut self.hold) else {
            self.extend_at = u64::MAX;
            return;
        };
        let mut reading = metering.reading();
        let output = metering.output_so_far();
        let next = output.saturating_add(self.extension);
        self.extend_at = if self.extension > 0 { next } else { u64::MAX };
        if !reading.ended {
            let tokens = &mut reading.usage.tokens;
            if tokens.total() == tokens.output {
                tokens.input = self.expected_prompt;
            }
            let is_kept = self.gateway.journal.is_kept();
            tokens.output = tokens.output.max(if is_kept { next } else { output });
        }
        let model = model(&reading, &self.receipt).unwrap_or_default();
        let cost = prices(&self.snapshot, &self.receipt).cost(model, &reading.usage);
        hold.overdraw();
        let amounts = Amounts {
            picousd: cost.picousd,
            tokens: reading.usage.tokens.total(),
            requests: 1,
        };
        if let Err(refused) = hold.extend(amounts) {
            tracing::warn!(reason = %refused.reason, "a hold could not be raised to the use of its response");
        }
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
        let model = model(&reading, &self.receipt).map(str::to_owned);
        let known = reading.source != Source::None;
        // The response broke off before it reported the prompt, which was not free.
        let tokens = &mut reading.usage.tokens;
        if reading.source == Source::Estimated && tokens.total() == tokens.output {
            tokens.input = self.expected_prompt;
        }
        let cost = prices(&self.snapshot, &self.receipt)
            .cost(model.as_deref().unwrap_or_default(), &reading.usage);
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

/// Returns the model that served an exchange, as far as it is known.
fn model<'a>(reading: &'a Reading, receipt: &'a Receipt) -> Option<&'a str> {
    let sent = receipt.route.attempts.last();
    let sent = sent.and_then(|attempt| attempt.model.as_deref());
    let told = reading.model.as_deref();
    told.or(sent).or(receipt.request.model.as_deref())
}

/// Returns the prices of the upstream that was asked last.
fn prices<'a>(snapshot: &'a Snapshot, receipt: &Receipt) -> &'a PriceBook {
    let last = receipt.route.attempts.last();
    let upstream = last.map(|attempt| attempt.upstream.as_str());
    snapshot.prices.of(upstream)
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
