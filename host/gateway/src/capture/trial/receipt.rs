//! The receipt with which audit plugins are tried: that of a successful request.
//!
//! Missing values are samples, as docs/plugins.md describes: the tokens that the host estimates, half a second to the first
//! byte, and a second in total.

use std::sync::Arc;
use std::time::Duration;

use witgate_messages::meter::{Meter, Reading, Source};
use witgate_messages::price::PriceBook;
use witgate_messages::usage::{Tokens, Usage};
use witgate_runtime::{Envelope, Estimate, Plan};

use crate::capture::Captured;
use crate::clock::now;
use crate::exchange::resource;
use crate::exchange::view::View;
use crate::receipts::receipt::{Attempt, Outcome, Receipt};
use crate::tenants::provenance::Provenance;

const FIRST_BYTE: Duration = Duration::from_millis(500);
const TOTAL: Duration = Duration::from_secs(1);

/// Number of response bytes for each output token.
const BYTES_PER_TOKEN: u64 = 4;

/// A request that the plugins let pass, with their decisions.
pub(super) struct DecidedRequest<'a> {
    pub(super) captured: &'a Captured,
    pub(super) view: &'a View,
    pub(super) envelope: Arc<Envelope>,
    pub(super) provenance: Provenance,
    pub(super) plan: Arc<Plan>,
    pub(super) estimate: Estimate,
}

// === impl DecidedRequest ===

impl DecidedRequest<'_> {
    /// Returns the receipt as it would be after a successful response.
    pub(super) fn receipt(self, prices: &PriceBook) -> Receipt {
        let Self {
            captured,
            view,
            envelope,
            provenance,
            plan,
            estimate,
        } = self;
        let started = match captured.unix_ms {
            0 => now().0,
            recorded => recorded,
        };
        let asked = view.head.as_ref().and_then(|head| head.model());
        let target = plan.targets.first();
        let model = target
            .and_then(|target| target.model.clone())
            .or_else(|| asked.as_deref().map(str::to_owned));
        let reading = reading(captured, model.as_deref(), &estimate);

        let mut receipt = Receipt::new(Arc::clone(&view.id), started, view.method.as_str());
        receipt.request.endpoint = view.endpoint.code();
        receipt.request.caller = Some(Arc::clone(&view.caller));
        receipt.route.resource = resource(&plan, &envelope, view);
        receipt.request.envelope = Some(envelope);
        receipt.request.provenance = provenance;
        receipt.request.model = asked.map(Into::into);
        receipt.route.rule = plan.rule.clone();
        receipt.request.bytes = captured.body().len() as u64;
        receipt.route.attempts = target
            .map(|target| Attempt {
                upstream: target.upstream.clone(),
                model: target.model.clone(),
                credential: None,
                moved_from: None,
                request_id: None,
                translated: None,
                result: Ok(200),
            })
            .into_iter()
            .collect();
        receipt.response.outcome = Some(Outcome::Answered);
        receipt.response.status = Some(200);
        receipt.response.bytes = match captured.answer().len() as u64 {
            0 => estimate.output_tokens.saturating_mul(BYTES_PER_TOKEN),
            recorded => recorded,
        };
        receipt.timing.first_byte = Some(FIRST_BYTE);
        receipt.timing.total = TOTAL;
        let served = reading.model.as_deref().unwrap_or_default();
        receipt.usage.cost = Some(prices.cost(served, &reading.usage));
        receipt.usage.reading = Some(reading);
        receipt
    }
}

/// Returns the usage of the recorded response, or else the host's estimate.
fn reading(captured: &Captured, model: Option<&str>, estimate: &Estimate) -> Reading {
    let answer = captured.answer();
    if !answer.is_empty() {
        let is_stream = answer.starts_with(b"event:") || answer.starts_with(b"data:");
        let mut meter = match is_stream {
            true => Meter::sse(),
            false => Meter::json(),
        };
        meter.feed(&answer);
        let read = meter.finish();
        return Reading {
            model: read.model.clone().or_else(|| model.map(str::to_owned)),
            ..read
        };
    }
    Reading {
        usage: Usage {
            tokens: Tokens {
                input: estimate.prompt_tokens,
                output: estimate.output_tokens,
                ..Tokens::default()
            },
            ..Usage::default()
        },
        source: Source::Estimated,
        model: model.map(str::to_owned),
        stop_reason: Some("end_turn".to_owned()),
        ..Reading::default()
    }
}
