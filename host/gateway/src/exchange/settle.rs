//! Step 6: how it ended. A drop guard: whatever happens to an exchange, its hold is settled and its receipt written.

mod targets;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use pingora_core::protocols::http::ServerSession;
use witgate_ledger::{Amounts, Hold, Unit};
use witgate_messages::endpoint::Endpoint;
use witgate_messages::error::ErrorReport;
use witgate_messages::meter::Source;
use witgate_messages::price::Cost;
use witgate_runtime::{CallTrace, Estimate, HookSession, Lineup, Rejection, Request};

use super::relay::metering::Metering;
use crate::answer::cors::{self, Word};
use crate::answer::refused::Refused;
use crate::clock::now;
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::headers::Additions;
use crate::receipts::finished::Finished;
use crate::receipts::receipt::{Admission, Outcome, Receipt};
use crate::tenants::concurrency::Place;
use crate::tenants::owners::{ClaimError, Kind};
use crate::tenants::provenance::Provenance;

/// What outlives the steps: the facts, the hold and the meter of one exchange.
pub(crate) struct Settlement {
    gateway: Arc<Gateway>,
    snapshot: Arc<Snapshot>,
    lineup: Arc<Lineup>,
    started: Instant,
    pub(crate) receipt: Receipt,
    /// The plugins that took part, and those that were skipped.
    pub(super) trace: CallTrace,
    headers: Vec<(HeaderName, HeaderValue)>,
    hold: Option<Hold>,
    metering: Option<Metering>,
    /// Output tokens at which the hold is raised.
    extend_at: u64,
    /// What the prompt is expected to come to, for an answer that breaks off before it says so.
    expected_prompt: u64,
    /// How many requests it counts as: one, or those of the batch that it made.
    requests: u64,
    /// Its place among what is under way, given back when it has ended.
    pub(super) place: Option<Place>,
}

/// The host's id of the request, on every answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("witgate-request-id");

/// Output tokens between two extensions of a hold.
const EXTENSION: u64 = 1024;

// === impl Settlement ===

impl Settlement {
    /// Opens the account of a request whose head was just read. This is where the lineup and the configuration are
    /// pinned: the exchange keeps both to its end.
    pub(super) fn open(gateway: &Arc<Gateway>, session: &ServerSession) -> Self {
        let id: Arc<str> = format!("req_wg{:032x}", rand::random::<u128>()).into();
        gateway.metrics.opened();
        let snapshot = gateway.snapshot();
        let request = session.req_header();
        let mut receipt = Receipt::new(id, now().0, request.method.as_str());
        receipt.provenance = Provenance::of_connection(session);
        Self {
            headers: snapshot.config.cors.headers(&request.headers),
            snapshot,
            lineup: gateway.lineup(),
            started: Instant::now(),
            receipt,
            trace: CallTrace::default(),
            hold: None,
            metering: None,
            extend_at: u64::MAX,
            expected_prompt: 0,
            requests: 1,
            place: None,
            gateway: Arc::clone(gateway),
        }
    }

    /// When the exchange began.
    pub(super) fn started(&self) -> tokio::time::Instant {
        self.started.into()
    }

    /// The host's id of the request.
    pub(super) fn id(&self) -> &str {
        &self.receipt.id
    }

    /// The id, shared.
    pub(super) fn id_arc(&self) -> Arc<str> {
        Arc::clone(&self.receipt.id)
    }

    /// The pinned configuration.
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The pinned lineup.
    pub(super) fn lineup(&self) -> &Arc<Lineup> {
        &self.lineup
    }

    /// Makes hook calls about a request and records them.
    ///
    /// # Errors
    ///
    /// A plugin's refusal or fault.
    pub(super) fn call<T>(
        &mut self,
        lineup: &Lineup,
        request: Arc<dyn Request>,
        call: impl FnOnce(&mut HookSession<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Refused> {
        let mut hooks = lineup.resume(request, std::mem::take(&mut self.trace));
        let returned = call(&mut hooks);
        self.trace = hooks.finish();
        returned.map_err(Refused::rejection)
    }

    /// Headers that plugins want on the answer.
    pub(super) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// What the gateway puts on an upstream's answer: the plugins' headers, its own id of the request, and its word to
    /// browsers.
    pub(super) fn answer_headers(&self) -> Additions {
        let mut headers = self.headers.clone();
        headers.extend(HeaderValue::from_str(self.id()).map(|id| (REQUEST_ID, id)));
        Additions {
            headers,
            cors: self.snapshot.config.cors.word(),
        }
    }

    /// Adds a header that a plugin wants on the answer.
    pub(super) fn add_header(&mut self, header: Option<(HeaderName, HeaderValue)>) {
        let ours = self.snapshot.config.cors.word() == Word::Ours;
        self.headers
            .extend(header.filter(|(name, _)| !(ours && cors::is_word(name))));
    }

    /// Takes over the hold.
    pub(super) fn hold(&mut self, hold: Hold) {
        self.hold = Some(hold);
        self.receipt.admission = Admission::Given;
    }

    /// Gives away what is held in these units, for what outlives the exchange.
    pub(super) fn split_hold(&mut self, units: &[Unit]) -> Option<Hold> {
        self.hold.as_mut()?.split_off(units)
    }

    /// Starts to meter an answer.
    pub(super) fn meter(&mut self, metering: Metering) {
        self.metering = Some(metering);
    }

    /// Meters bytes of the answer that are on their way to the client, and holds what they have come to.
    pub(super) fn delivered(&mut self, bytes: &Bytes) {
        self.count(bytes);
        if let Some(metering) = &mut self.metering {
            metering.feed(bytes);
            if metering.output_so_far() >= self.extend_at {
                self.extend();
            }
        }
    }

    /// Makes what the answer made at the upstream the caller's own. It has to be done before the bytes that name it are
    /// delivered.
    ///
    /// # Errors
    ///
    /// The claim can't be kept: what was made would be nobody's.
    pub(super) async fn claim_made(&mut self) -> Result<(), ClaimError> {
        let Some(made) = self.metering.as_mut().and_then(Metering::take_made) else {
            return Ok(());
        };
        let Some(owner) = self.receipt.caller.as_ref().map(|caller| caller.owner()) else {
            return Ok(());
        };
        for id in &made.containers {
            let claim = self.gateway.owners.claim(Kind::Container, id, &owner);
            claim.await?;
        }
        for id in &made.files {
            self.gateway.owners.claim(Kind::File, id, &owner).await?;
        }
        Ok(())
    }

    /// Counts bytes that are on their way to the client and have been metered, or are not the upstream's.
    pub(super) fn count(&mut self, bytes: &Bytes) {
        if self.receipt.first_byte.is_none() {
            self.receipt.first_byte = Some(self.started.elapsed());
        }
        self.receipt.response_bytes += bytes.len() as u64;
    }

    /// Whether an event may be put into the answer here.
    pub(super) fn is_between_events(&self) -> bool {
        self.metering
            .as_ref()
            .is_some_and(Metering::is_between_events)
    }

    /// Says what the request is expected to use, which is what the hold is for.
    pub(super) fn expect(&mut self, estimate: &Estimate) {
        self.extend_at = estimate.output_tokens.saturating_add(EXTENSION);
        self.expected_prompt = estimate.prompt_tokens;
    }

    /// Raises the hold to what the answer has used so far, so that no other request spends it a second time. What the
    /// upstream is producing can't be taken back: it counts, over a limit too.
    fn extend(&mut self) {
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
            tracing::warn!(reason = %refused.reason, "a hold could not be extended");
        }
        self.extend_at = output.saturating_add(EXTENSION);
    }

    /// Says how many requests the exchange counts as, once it has been answered.
    pub(super) fn counts_as(&mut self, requests: usize) {
        self.requests = u64::try_from(requests).unwrap_or(u64::MAX);
    }

    /// Says, for the receipt, how it came to its end.
    pub(super) fn ending(&mut self, ending: String) {
        self.receipt.ending = Some(ending);
    }

    /// The error event that the stream so far carried.
    pub(super) fn stream_error(&self) -> Option<&ErrorReport> {
        self.metering.as_ref()?.error()
    }

    /// Says how it ended. The last word counts.
    pub(super) fn end(&mut self, outcome: Outcome) {
        self.receipt.outcome = Some(outcome);
    }

    /// Says that the gateway answered by itself.
    pub(super) fn refuse(&mut self, refused: Refused) {
        self.receipt.status = Some(refused.status);
        self.receipt.outcome = Some(if refused.status == 499 {
            Outcome::ClientGone
        } else {
            Outcome::Refused
        });
        self.receipt.refused = Some(refused);
    }

    /// What the answer came to: usage from the meter, and its price.
    fn price(&mut self) -> Amounts {
        let Some(mut reading) = self.metering.take().map(Metering::finish) else {
            // Nothing was answered, or an error; an attempt is a request all the same.
            let asked = !self.receipt.attempts.is_empty();
            return Amounts {
                requests: if asked { self.requests } else { 0 },
                ..Amounts::default()
            };
        };
        if let Some(totals) = reading.batch.take() {
            if let (Some(Outcome::Answered), Some(batch)) =
                (self.receipt.outcome, &self.receipt.batch)
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
            .attempts
            .last()
            .and_then(|attempt| attempt.model.as_deref());
        let model = reading
            .model
            .as_deref()
            .or(sent)
            .or(self.receipt.requested_model.as_deref());
        let known = reading.source != Source::None;
        // Part of an answer was delivered, and none of it says what the prompt came to: it was not free.
        let tokens = &mut reading.usage.tokens;
        if reading.source == Source::Estimated && tokens.total() == tokens.output {
            tokens.input = self.expected_prompt;
        }
        let cost = self
            .snapshot
            .prices
            .cost(model.unwrap_or_default(), &reading.usage);
        let tokens = reading.usage.tokens.total();
        self.receipt.reading = Some(reading);
        self.receipt.cost = known.then_some(cost);
        if known {
            return Amounts {
                picousd: cost.picousd,
                tokens,
                requests: 1,
            };
        }
        // An answer whose usage can't be read was not free: what was expected of it stands.
        let expected = self.hold.as_ref().map_or_else(Amounts::default, reserved);
        self.receipt.cost = (expected.picousd > 0).then_some(Cost {
            picousd: expected.picousd,
            ..cost
        });
        expected
    }
}

/// What a hold has reserved of each unit.
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

impl Drop for Settlement {
    fn drop(&mut self) {
        self.receipt.duration = self.started.elapsed();
        self.receipt.skipped = std::mem::take(&mut self.trace.skipped);
        let amounts = self.price();
        if let Some(hold) = self.hold.take() {
            if self.receipt.attempts.is_empty() {
                hold.release();
            } else {
                let settled = hold.settle(amounts);
                self.receipt.overdrawn = settled
                    .overdrafts
                    .iter()
                    .map(|overdraft| overdraft.account.to_string())
                    .collect();
            }
        }
        self.gateway.metrics.closed(&self.receipt);
        if [Endpoint::Hello.code(), cors::PREFLIGHT].contains(&self.receipt.endpoint) {
            return;
        }
        let placeholder = Receipt::new(
            Arc::clone(&self.receipt.id),
            self.receipt.started_unix_ms,
            "",
        );
        let receipt = std::mem::replace(&mut self.receipt, placeholder);
        self.gateway.audit.submit(Finished {
            receipt,
            lineup: Arc::clone(&self.lineup),
        });
    }
}
