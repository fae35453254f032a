//! The hold on budgets: raised while a response streams, and settled at its end with what was used.

use witgate_http::Headers;
use witgate_ledger::{Amounts, Crossing, Hold, OnShortfall, Unit};
use witgate_messages::meter::{Reading, Source};
use witgate_messages::price::{Cost, PriceBook};

use super::Settlement;
use crate::amounts::amounts;
use crate::budgets::experience::{Experience, Seen};
use crate::budgets::left;
use crate::budgets::live::LiveLimits;
use crate::budgets::live::defaults::Defaults;
use crate::budgets::{limit_reached, warning};
use crate::clock::now;
use crate::config::ClientWarnings;
use crate::exchange::decide::reserve::Forecast;
use crate::exchange::relay::metering::Metering;
use crate::gateway::snapshot::Snapshot;
use crate::receipts::charged::Charged;
use crate::receipts::receipt::{Admission, Outcome, Receipt, RouteFacts};

/// Output tokens between two raises of a hold, at the most: the extension of which the documentation speaks.
const EXTENSION: u64 = 1024;

/// Output tokens between two raises of a hold, at the least.
const LEAST_EXTENSION: u64 = 16;

/// The use that a hold covers, and the next raise.
#[derive(Debug)]
pub(super) struct Cover {
    /// Output tokens at which the hold is raised next.
    next: u64,
    /// Output tokens between two raises.
    step: u64,
    /// Tokens of the prompt.
    prompt: u64,
}

// === impl Cover ===

impl Default for Cover {
    fn default() -> Self {
        Self {
            next: u64::MAX,
            step: 0,
            prompt: u64::MAX,
        }
    }
}

// === impl Settlement ===

impl Settlement {
    /// Admits the exchange with the hold on its budgets, or with `None` if nothing charges for it. `default_limits` are those of the
    /// hold's charges without an operator's live ones, or `None` if those are the same.
    pub(in crate::exchange) fn admit(
        &mut self,
        hold: Option<Hold>,
        default_limits: Option<Box<[u64]>>,
    ) {
        self.hold = hold;
        self.default_limits = default_limits;
        self.receipt.request.admission = Admission::Given;
    }

    /// Splits off what is held in these units, for a batch that outlives the exchange.
    pub(in crate::exchange) fn split_hold(&mut self, units: &[Unit], batch: &str) -> Option<Hold> {
        let split = self.hold.as_mut()?.split_off(units, batch);
        // What is left has other charges.
        self.default_limits = None;
        split
    }

    /// Returns the experience with earlier requests.
    pub(in crate::exchange) fn experience(&self) -> &Experience {
        &self.gateway.budgets.experience
    }

    /// Returns the limits that operators set while the gateway runs.
    pub(in crate::exchange) fn live_limits(&self) -> &LiveLimits {
        &self.gateway.budgets.live
    }

    /// Notes what is known about the use of the request, and the shortest response that its charges have room for.
    pub(in crate::exchange) fn expect(&mut self, forecast: Forecast, room: u64) {
        let step = room.clamp(LEAST_EXTENSION, EXTENSION);
        self.forecast = forecast;
        self.cover = Cover {
            // A process that finds the hold after a crash knows what the client has got by the last extension alone.
            next: if self.gateway.journal.is_kept() {
                1
            } else {
                room.saturating_add(1)
            },
            step,
            prompt: forecast.estimate.prompt_tokens,
        };
    }

    /// Returns whether a limit may cut the response.
    pub(in crate::exchange) fn may_be_cut(&self) -> bool {
        let hold = self.hold.iter();
        let mut charges = hold.flat_map(|hold| hold.charges());
        charges.any(|charge| charge.shortfall == OnShortfall::Refuse)
    }

    /// Raises the hold to what the metered part of the response costs, so that no other request spends it too. The part may go
    /// on to the client when this returns: the journal has it, unless the disk refuses, which ends no exchange that runs.
    /// If a limit cuts the response here, that is noted as `spent`.
    pub(in crate::exchange) async fn cover(&mut self) {
        let Some(metering) = &self.metering else {
            return;
        };
        let (output, prompt) = (metering.output_so_far(), metering.prompt_so_far());
        if output < self.cover.next && prompt <= self.cover.prompt {
            return;
        }
        self.cover.prompt = self.cover.prompt.max(prompt);
        self.raise(output);
        if let Some(hold) = &self.hold {
            // Readiness reports it, and new requests are refused or not.
            let _ = self.gateway.journal.written(hold.position()).await;
        }
    }

    /// Raises the hold to what the response will have used by the next raise, or else to what it has used: until then, that is
    /// what a crash leaves. A response that can't be cut counts even over a limit, because the upstream's output can't be
    /// taken back.
    fn raise(&mut self, output: u64) {
        let next = output.saturating_add(self.cover.step);
        self.cover.next = next;
        if self.hold.is_none() {
            self.cover.next = u64::MAX;
            return;
        }
        self.relimit();
        if self.extend(next).is_ok() {
            return;
        }
        self.cover.next = output.saturating_add(1);
        let Err(refused) = self.extend(output) else {
            return;
        };
        if self.may_end_here() {
            let config = &self.snapshot.config.budgets;
            let charge = refused.charge();
            self.spent = charge.map(|charge| Box::new(limit_reached::cut(charge, config)));
            return;
        }
        if let Some(hold) = &mut self.hold {
            hold.overdraw();
        }
        if let Err(refused) = self.extend(output) {
            tracing::warn!(reason = %refused.reason, "a hold could not be raised to the use of its response");
        }
    }

    /// Applies the live limits of this moment to the hold, which was made under those of an earlier one.
    fn relimit(&mut self) {
        let Some(hold) = &mut self.hold else {
            return;
        };
        let table = self.gateway.budgets.live.table();
        if table.is_empty() && self.default_limits.is_none() {
            return;
        }
        let charges = hold.charges().iter();
        let defaults = self
            .default_limits
            .get_or_insert_with(|| charges.map(|charge| charge.limit).collect());
        let now = now();
        let request = &self.receipt.request;
        let of_caller = request
            .caller
            .as_ref()
            .zip(request.envelope.as_ref())
            .and_then(|(caller, envelope)| Defaults::of(&table, caller, envelope));
        hold.relimit(|index, charge| {
            let default = defaults.get(index).copied().unwrap_or(charge.limit);
            let on = (&*charge.account, charge.window, charge.unit);
            let limit = table.limit(on, of_caller.as_ref(), Some(default), now);
            limit.unwrap_or(default)
        });
    }

    /// Returns whether an error event can end the response: it is a stream, and still has content to come.
    fn may_end_here(&self) -> bool {
        let metering = self.metering.as_ref();
        metering.is_some_and(|metering| metering.place().is_some() && !metering.has_stopped())
    }

    /// Raises the hold to the use of the response with this output.
    ///
    /// # Errors
    ///
    /// A charge that may cut the response does not fit its limit.
    fn extend(&mut self, output: u64) -> Result<(), witgate_ledger::Refused> {
        let (Some(metering), Some(hold)) = (&self.metering, &mut self.hold) else {
            return Ok(());
        };
        let mut reading = metering.reading();
        if !reading.ended {
            let tokens = &mut reading.usage.tokens;
            if tokens.total() == tokens.output {
                tokens.input = self.forecast.estimate.prompt_tokens;
            }
            tokens.output = tokens.output.max(output);
        }
        let model = model(&reading, &self.receipt).unwrap_or_default();
        let cost = prices(&self.snapshot, &self.receipt.route).cost(model, &reading.usage);
        hold.extend(amounts(&reading.usage.tokens, cost.picousd, 1))
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
        self.learn(&hold);
        self.receipt.usage.charged = Charged::by(&hold, used);
        let settled = hold.settle(used);
        let overdrafts = settled.overdrafts.iter();
        self.receipt.usage.overdrawn = overdrafts
            .map(|overdraft| overdraft.account.to_string())
            .collect();
        settled
            .crossings
            .into_iter()
            .for_each(|crossing| self.note_crossing(crossing));
    }

    /// Notes the mark of a limit that was crossed, to be announced with the end of the exchange.
    pub(in crate::exchange) fn note_crossing(&mut self, crossing: Crossing) {
        if warning::is_announced(&crossing) {
            self.receipt.usage.crossings.push(crossing);
        }
    }

    /// Adds the headers that say what is left of the limits of the exchange.
    pub(super) fn add_left(&self, headers: &mut Headers) {
        if let Some(hold) = &self.hold {
            left::own(hold, headers);
            if self.snapshot.config.budgets.client_warnings == ClientWarnings::Own {
                left::for_clients(hold, headers);
            }
        }
    }

    /// Learns from the use of a complete answer, for the holds of later requests.
    fn learn(&mut self, hold: &Hold) {
        let (Some(kind), Some(reading)) = (self.forecast.kind, &mut self.receipt.usage.reading)
        else {
            return;
        };
        // A retry or a fallback may have asked another model.
        if reading.source != Source::Reported || self.receipt.route.attempts.len() != 1 {
            return;
        }
        let counts = |unit| matches!(unit, Unit::PicoUsd | Unit::Tokens);
        let charges = hold.charges();
        let accounts = charges.iter().enumerate().filter_map(|(index, charge)| {
            let first = !charges
                .iter()
                .take(index)
                .any(|earlier| counts(earlier.unit) && earlier.account == charge.account);
            (first && counts(charge.unit)).then_some(&*charge.account)
        });
        let output_tokens = std::mem::take(&mut reading.usage.tokens.output);
        let model = reading.model.as_deref().unwrap_or_default();
        let paid = prices(&self.snapshot, &self.receipt.route)
            .cost(model, &reading.usage)
            .picousd;
        reading.usage.tokens.output = output_tokens;
        let seen = Seen {
            output_tokens,
            prompt: (paid, self.forecast.prompt_picousd),
        };
        let experience = &self.gateway.budgets.experience;
        experience.learn(accounts, kind, &seen);
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
            tokens.input = self.forecast.estimate.prompt_tokens;
        }
        let cost = prices(&self.snapshot, &self.receipt.route)
            .cost(model.as_deref().unwrap_or_default(), &reading.usage);
        let used = amounts(&reading.usage.tokens, cost.picousd, 1);
        self.receipt.usage.reading = Some(reading);
        self.receipt.usage.cost = known.then_some(cost);
        if known {
            return used;
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
fn prices<'a>(snapshot: &'a Snapshot, route: &RouteFacts) -> &'a PriceBook {
    let last = route.attempts.last();
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
            .unwrap_or(0)
    };
    Amounts {
        requests: 1,
        ..Amounts::by_unit(of)
    }
}
