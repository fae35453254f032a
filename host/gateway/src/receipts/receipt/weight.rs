//! The memory that a receipt takes in the queue, which bounds the queue. Every field is named, so that a new one cannot be
//! forgotten.

use witgate_messages::meter::Reading;
use witgate_runtime::{Envelope, Fault};

use super::{
    Attempt, Downgrade, Receipt, RequestFacts, ResponseFacts, RouteFacts, Timing, UsageFacts,
};
use crate::answer::refused::Refused;

// === impl Receipt ===

impl Receipt {
    /// Returns the approximate memory the receipt takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let Self {
            id: _,
            started_unix_ms: _,
            request,
            route,
            response,
            usage,
            timing: Timing {
                first_byte: _,
                total: _,
            },
            left_out: _,
        } = self;
        let RequestFacts {
            endpoint: _,
            method,
            caller: _,
            provenance,
            envelope,
            admission: _,
            model,
            bytes: _,
        } = request;
        let RouteFacts {
            resource,
            rule,
            downgrade,
            skipped,
            attempts,
            passed_over,
        } = route;
        let ResponseFacts {
            status: _,
            outcome: _,
            ending,
            refused,
            bytes: _,
        } = response;
        let UsageFacts {
            reading,
            cost: _,
            overdrawn,
            batch,
        } = usage;
        let texts = [
            resource,
            model,
            rule,
            ending,
            &provenance.workspace,
            &provenance.environment,
        ];
        size_of::<Self>()
            + method.len()
            + texts.into_iter().map(optional).sum::<usize>()
            + envelope.as_deref().map_or(0, of_envelope)
            + downgrade.as_ref().map_or(0, of_downgrade)
            + attempts.iter().map(of_attempt).sum::<usize>()
            + passed_over.iter().map(pair).sum::<usize>()
            + refused.as_ref().map_or(0, of_refused)
            + skipped.iter().map(of_fault).sum::<usize>()
            + reading.as_ref().map_or(0, of_reading)
            + overdrawn.iter().map(|account| text(account)).sum::<usize>()
            + batch.as_ref().map_or(0, |batch| batch.weight())
    }
}

fn text(text: &str) -> usize {
    size_of::<String>() + text.len()
}

fn optional(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn pair((name, value): &(String, String)) -> usize {
    text(name) + text(value)
}

fn of_envelope(envelope: &Envelope) -> usize {
    let texts = [
        &envelope.correlation_id,
        &envelope.resource,
        &envelope.tenant,
        &envelope.user,
        &envelope.session,
        &envelope.agent,
    ];
    texts.into_iter().map(optional).sum::<usize>()
        + envelope.metadata.iter().map(pair).sum::<usize>()
        + envelope.attributes.iter().map(pair).sum::<usize>()
        + envelope.response_headers.iter().map(pair).sum::<usize>()
}

fn of_downgrade(downgrade: &Downgrade) -> usize {
    optional(&downgrade.from) + downgrade.to.len() + downgrade.account.len()
}

fn of_attempt(attempt: &Attempt) -> usize {
    size_of::<Attempt>()
        + attempt.upstream.len()
        + optional(&attempt.model)
        + optional(&attempt.request_id)
        + attempt.result.as_ref().map_or_else(String::len, |_| 0)
}

fn of_refused(refused: &Refused) -> usize {
    refused.message.len()
}

fn of_fault(fault: &Fault) -> usize {
    size_of::<Fault>()
        + optional(&fault.message)
        + fault.backtrace.iter().map(|name| text(name)).sum::<usize>()
}

fn of_reading(reading: &Reading) -> usize {
    let usage = &reading.usage;
    let texts = [
        &reading.model,
        &reading.message_id,
        &reading.stop_reason,
        &usage.service_tier,
        &usage.inference_geo,
        &usage.speed,
    ];
    texts.into_iter().map(optional).sum::<usize>()
        + reading
            .error
            .as_ref()
            .map_or(0, |error| error.message.len())
}
