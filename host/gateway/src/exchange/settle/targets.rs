//! The targets of an exchange on its receipt: those that were asked, and those that were passed over.

use std::sync::Arc;

use witgate_capacity::Refused as NoRoom;
use witgate_upstream::config::UpstreamConfig;
use witgate_upstream::{Affinity, Attempt, Closed, Figures, Unfit};

use super::Settlement;
use crate::receipts::receipt;

// === impl Settlement ===

impl Settlement {
    /// Records an attempt at an upstream, with the status of its answer or the failure.
    pub(in crate::exchange) fn record_attempt(
        &mut self,
        attempt: &mut Attempt,
        model: Option<&str>,
        result: Result<u16, String>,
    ) {
        for sent in attempt.sent(result) {
            self.receipt.route.attempts.push(receipt::Attempt {
                upstream: attempt.upstream().to_owned(),
                model: model.map(str::to_owned),
                credential: sent.credential,
                moved_from: sent.moved_from,
                request_id: sent.request_id,
                result: sent.result,
                translated: sent.translated.map(|sent| receipt::Translated::of(*sent)),
            });
        }
    }

    /// Says, for the receipt, that a target was not asked.
    pub(in crate::exchange) fn pass_over(&mut self, closed: &Closed) {
        let passed = (closed.upstream.clone(), closed.reason.to_string());
        self.receipt.route.passed_over.push(passed);
    }

    /// Says, for the receipt, that a target was not asked because its dialect cannot carry the request.
    pub(in crate::exchange) fn pass_over_unfit(&mut self, upstream: &str, unfit: &Unfit) {
        let passed = (upstream.to_owned(), unfit.to_string());
        self.receipt.route.passed_over.push(passed);
    }

    /// Returns the provider that signed the thinking in a request of this origin, or `None` if it is not known.
    pub(in crate::exchange) fn signer(&self, origin: Affinity) -> Option<Arc<str>> {
        self.gateway.signers.of(origin)
    }

    /// Has the provider that answers this exchange remembered as the one that signs the thinking of its origin.
    pub(in crate::exchange) fn remember_signer_of(&mut self, origin: Option<Affinity>) {
        self.origin = origin;
    }

    /// Remembers the provider of an answer, if it may have signed thinking and others could have answered.
    pub(in crate::exchange) fn note_signer(&self, provider: &str) {
        if let Some(origin) = self.origin {
            self.gateway.signers.note(origin, provider);
        }
    }

    /// Says, for the receipt, that a target was not asked because the thinking in the request counts as another provider's.
    pub(in crate::exchange) fn pass_over_stranger(&mut self, config: &UpstreamConfig) {
        let reason = format!(
            "the request has thinking that was signed by another provider than `{}`; allow_provider_change lets it pass",
            config.provider
        );
        let passed = (config.name.clone(), reason);
        // After a downgrade targets are looked up again.
        if !self.receipt.route.passed_over.contains(&passed) {
            self.receipt.route.passed_over.push(passed);
        }
    }

    /// Says, for the receipt, that a target was not asked because it has no room.
    pub(in crate::exchange) fn pass_over_without_room(&mut self, upstream: &str, no_room: &NoRoom) {
        let passed = (upstream.to_owned(), no_room.to_string());
        let route = &mut self.receipt.route;
        route.passed_over.push(passed);
        route.without_room.push(receipt::WithoutRoom {
            upstream: upstream.to_owned(),
            no_room: no_room.clone(),
        });
    }

    /// Notes the figures of the last upstream about its own answer.
    pub(in crate::exchange) fn note_figures(&mut self, figures: Figures) {
        let last = self.receipt.route.attempts.last_mut();
        if let Some(translated) = last.and_then(|last| last.translated.as_mut()) {
            translated.figures = figures;
        }
    }

    /// Notes that a plan of this plugin names an upstream that is not configured. Says whether that is news: the requests of
    /// a batch may all have the same plan.
    pub(in crate::exchange) fn pass_over_unknown(&mut self, upstream: &str, plugin: &str) -> bool {
        let passed = (upstream.to_owned(), "not configured".to_owned());
        let news = !self.receipt.route.passed_over.contains(&passed);
        if news {
            self.gateway.metrics.unknown_target(plugin);
            self.receipt.route.passed_over.push(passed);
        }
        news
    }
}
