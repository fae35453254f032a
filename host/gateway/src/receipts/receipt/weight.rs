//! The memory that a receipt takes in the queue, which bounds the queue: everything in it that may be long.

use witgate_messages::meter::Reading;
use witgate_runtime::{Envelope, Fault, GuardCalls};

use super::{Attempt, DialectNote, Downgrade, Receipt, Translated};
use crate::receipts::charged::Charged;

// === impl Receipt ===

impl Receipt {
    /// Returns the approximate memory the receipt takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let (request, route) = (&self.request, &self.route);
        let (response, usage) = (&self.response, &self.usage);
        let texts = [
            &route.resource,
            &request.model,
            &route.rule,
            &response.ending,
            &request.provenance.workspace,
            &request.provenance.environment,
        ];
        let refused = response.refused.as_ref();
        size_of::<Self>()
            + request.method.len()
            + texts.into_iter().map(optional).sum::<usize>()
            + request.dialect.as_deref().map_or(0, of_dialect)
            + request.envelope.as_deref().map_or(0, of_envelope)
            + route.downgrade.as_ref().map_or(0, of_downgrade)
            + route.attempts.iter().map(of_attempt).sum::<usize>()
            + route.passed_over.iter().map(pair).sum::<usize>()
            + route
                .without_room
                .iter()
                .map(|it| size_of_val(it) + it.upstream.len())
                .sum::<usize>()
            + refused.map_or(0, |refused| refused.message.len())
            + route.skipped.iter().map(of_fault).sum::<usize>()
            + self.guards.iter().map(of_guard).sum::<usize>()
            + usage.reading.as_ref().map_or(0, of_reading)
            + usage.charged.iter().map(of_charged).sum::<usize>()
            + usage.overdrawn.iter().map(|it| text(it)).sum::<usize>()
            + usage
                .crossings
                .iter()
                .map(|it| text(&it.account))
                .sum::<usize>()
            + usage.batch.as_ref().map_or(0, |batch| batch.weight())
            + usage.crash.as_ref().map_or(0, |crash| text(&crash.owner))
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

fn of_dialect(dialect: &DialectNote) -> usize {
    size_of::<DialectNote>() + dialect.path.len() + optional(&dialect.failure)
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
        + attempt.credential.as_ref().map_or(0, |name| name.len())
        + attempt.moved_from.as_ref().map_or(0, |name| name.len())
        + optional(&attempt.request_id)
        + attempt.result.as_ref().map_or_else(String::len, |_| 0)
        + attempt.translated.as_deref().map_or(0, of_translated)
}

fn of_translated(translated: &Translated) -> usize {
    let sent = &translated.sent;
    size_of::<Translated>()
        + sent.provider.len()
        + sent.model.len()
        + sent.removed.iter().map(|it| text(it)).sum::<usize>()
}

fn of_fault(fault: &Fault) -> usize {
    size_of::<Fault>()
        + optional(&fault.message)
        + fault.backtrace.iter().map(|name| text(name)).sum::<usize>()
}

fn of_guard(calls: &GuardCalls) -> usize {
    size_of::<GuardCalls>() + optional(&calls.stopped)
}

fn of_charged(charged: &Charged) -> usize {
    size_of::<Charged>() + charged.balance.account.len()
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
