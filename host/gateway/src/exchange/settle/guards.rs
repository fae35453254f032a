//! The guards of an exchange, and what they did, for the receipt.

use witgate_runtime::{ContentSide, Guards};

use super::Settlement;
use crate::answer::refused::Refused;
use crate::exchange::relay::metering::Metering;

/// The guards that read the texts of the exchange, if there are any.
#[derive(Debug, Default)]
pub(super) struct Kept {
    guards: Option<Box<Guards>>,
    /// Set if the answer has texts for them.
    answer_has_texts: bool,
    /// The number of texts of the request that they may have read.
    texts: u32,
}

// === impl Settlement ===

impl Settlement {
    /// Keeps the guards for the texts of the answer if it has any, and what they did in any case.
    pub(in crate::exchange) fn keep_guards(&mut self, guards: Box<Guards>, answer_has_texts: bool) {
        self.guards = Kept {
            guards: Some(guards),
            answer_has_texts,
            texts: 0,
        };
    }

    /// Returns the number of texts of the request so far.
    pub(in crate::exchange) fn texts_of_request(&self) -> u32 {
        self.guards.texts
    }

    /// Notes the number of texts of the request so far.
    pub(in crate::exchange) fn count_texts_of_request(&mut self, texts: u32) {
        self.guards.texts = texts;
    }

    /// Returns whether guards read the texts of the answer.
    pub(in crate::exchange) fn answer_is_guarded(&self) -> bool {
        let kept = &self.guards;
        let guards = kept.guards.as_ref().filter(|_| kept.answer_has_texts);
        guards.is_some_and(|guards| guards.wants_side(ContentSide::Response))
    }

    /// Returns the guards of the exchange, or `None`.
    pub(in crate::exchange) fn guards(&mut self) -> Option<&mut Guards> {
        self.guards.guards.as_deref_mut()
    }

    /// Takes the guards for a while, to call them on another thread.
    pub(in crate::exchange) fn take_guards(&mut self) -> Option<Box<Guards>> {
        self.guards.guards.take()
    }

    /// Puts them back.
    pub(in crate::exchange) fn put_guards(&mut self, guards: Box<Guards>) {
        self.guards.guards = Some(guards);
    }

    /// Notes that a guard ended an answer whose head has been sent.
    pub(in crate::exchange) fn end_by_guard(&mut self, refused: Refused) {
        self.receipt.response.refused = Some(refused);
    }

    /// Returns the output tokens so far, reported or estimated.
    pub(in crate::exchange) fn output_so_far(&self) -> u64 {
        self.metering.as_ref().map_or(0, Metering::output_so_far)
    }

    /// Moves what the guards did to the receipt, and ends their part in the exchange.
    pub(in crate::exchange) fn note_guards(&mut self) {
        let Some(guards) = self.guards.guards.take() else {
            return;
        };
        let trace = guards.trace();
        self.receipt
            .route
            .skipped
            .extend(trace.skipped.iter().cloned());
        self.receipt.guards.clone_from(&trace.calls);
    }
}
