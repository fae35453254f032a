//! The embedder's checks of the values that plugins return.

use std::fmt;

use crate::contract::{Charge, Envelope, Plan, TranslatedRequest, Window};

/// Checks of the values that plugins return, beyond the contract.
///
/// The contract leaves units, windows and the texts of edits open. An embedder that knows only some of them rejects the
/// rest here: a rejected value is a fault of the plugin that returned it, of the kind
/// [`Contract`](crate::FaultKind::Contract), and never reaches a request. Each method accepts everything by default.
///
/// The host calls these methods after each hook call and in the smoke test at admission, on the thread that called the
/// hook, so they must not block. An error is the text of the fault: name the wrong value and the right ones.
pub trait Vocabulary: fmt::Debug + Send + Sync {
    /// Checks the request that a plugin asks in place of a client's.
    ///
    /// # Errors
    ///
    /// The text of the fault.
    fn translated(&self, request: &TranslatedRequest) -> Result<(), String> {
        let _ = request;
        Ok(())
    }

    /// Checks an envelope.
    ///
    /// # Errors
    ///
    /// The text of the fault.
    fn envelope(&self, envelope: &Envelope) -> Result<(), String> {
        let _ = envelope;
        Ok(())
    }

    /// Checks a plan. The host itself checks that the plan names an upstream that the plugin was told of.
    ///
    /// # Errors
    ///
    /// The text of the fault.
    fn plan(&self, plan: &Plan) -> Result<(), String> {
        let _ = plan;
        Ok(())
    }

    /// Checks a window that a plugin will charge in, by its settings.
    ///
    /// # Errors
    ///
    /// The text of the problem.
    fn window(&self, window: &Window) -> Result<(), String> {
        let _ = window;
        Ok(())
    }

    /// Checks a charge.
    ///
    /// # Errors
    ///
    /// The text of the fault.
    fn charge(&self, charge: &Charge) -> Result<(), String> {
        let _ = charge;
        Ok(())
    }
}

/// A vocabulary that accepts every value.
#[derive(Debug)]
pub(crate) struct AnyValue;

impl Vocabulary for AnyValue {}
