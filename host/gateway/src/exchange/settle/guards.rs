//! The guards of an exchange, and what they did, for the receipt.

use witgate_runtime::{ContentSide, Guards};

use super::Settlement;
use crate::answer::refused::Refused;
use crate::exchange::relay::metering::Metering;

// === impl Settlement ===

impl Settlement {
    /// Keeps the guards for the texts of the answer if it has any, and what they did in any case.
    pub(in crate::exchange) fn keep_guards(&mut self, guards: Guards, answer_has_texts: bool) {
        self.guards = Some(Box::new(guards));
        self.guards_answer = answer_has_texts;
    }

    /// Returns whether guards read the texts of the answer.
    pub(in crate::exchange) fn answer_is_guarded(&self) -> bool {
        let guards = self.guards.as_ref().filter(|_| self.guards_answer);
        guards.is_some_and(|guards| guards.wants_side(ContentSide::Response))
    }

    /// Returns the guards of the exchange, or `None`.
    pub(in crate::exchange) fn guards(&mut self) -> Option<&mut Guards> {
        self.guards.as_deref_mut()
    }

    /// Takes the guards for a while, to call them on another thread.
    pub(in crate::exchange) fn take_guards(&mut self) -> Option<Box<Guards>> {
        self.guards.take()
    }

    /// Puts them back.
    pub(in crate::exchange) fn put_guards(&mut self, guards: Box<Guards>) {
        self.guards = Some(guards);
    }

    /// Notes that a guard ended an answer whose head has been sent.
    pub(in crate::exchange) fn end_by_guard(&mut self, refused: Refused) {
        self.receipt.response.refused = Some(refused);
    }

    /// Returns the output tokens so far, reported or estimated.
    pub(in crate::exchange) fn output_so_far(&self) -> u64 {
        self.metering.as_ref().map_or(0, Metering::output_so_far)
    }

    /// Moves what the guards did to the receipt.
    pub(super) fn note_guards(&mut self) {
        let Some(guards) = self.guards.take() else {
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
