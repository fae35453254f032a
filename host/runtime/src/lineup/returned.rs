//! What a plugin may give back. A value past these bounds is a fault, not a decision.

use crate::contract::{Envelope, Plan, Receipt, Refusal};
use crate::fault::FaultKind;
use crate::instance::Failure;
use crate::plugin::Plugin;

/// Bounds of one plugin's answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    list_items: usize,
}

// === impl Bounds ===

impl Bounds {
    pub(super) fn of(plugin: &Plugin) -> Self {
        Self {
            list_items: plugin.terms().limits.list_items,
        }
    }

    pub(super) fn list(self, name: &str, len: usize) -> Result<(), Failure> {
        if len <= self.list_items {
            return Ok(());
        }
        Err(Failure::returned(
            FaultKind::ReturnLimit,
            format!(
                "`{name}` has {len} elements, the limit is {}",
                self.list_items
            ),
        ))
    }

    pub(super) fn refusal(self, refusal: &Refusal) -> Result<(), Failure> {
        self.list("attributes", refusal.attributes.len())?;
        if (400..=599).contains(&refusal.status) {
            return Ok(());
        }
        Err(Failure::returned(
            FaultKind::Contract,
            format!(
                "a refusal with status {}; 400 to 599 is possible",
                refusal.status
            ),
        ))
    }

    pub(super) fn envelope(self, envelope: &Envelope) -> Result<(), Failure> {
        self.list("metadata", envelope.metadata.len())?;
        self.list("edits", envelope.edits.len())?;
        self.list("response-headers", envelope.response_headers.len())?;
        self.list("attributes", envelope.attributes.len())
    }

    pub(super) fn plan(self, plan: &Plan) -> Result<(), Failure> {
        self.list("targets", plan.targets.len())?;
        self.list("retry-on", plan.retry_on.len())?;
        self.list("attributes", plan.attributes.len())?;
        for target in &plan.targets {
            self.list("targets.attributes", target.attributes.len())?;
        }
        if plan.targets.is_empty() {
            return Err(Failure::returned(
                FaultKind::Contract,
                "a plan without targets; to have no opinion, give no plan".to_owned(),
            ));
        }
        Ok(())
    }

    pub(super) fn receipts(self, receipts: &[Receipt], sent: usize) -> Result<(), Failure> {
        if receipts.len() > sent {
            return Err(Failure::returned(
                FaultKind::ReturnLimit,
                format!("{} receipts came back of {sent}", receipts.len()),
            ));
        }
        receipts
            .iter()
            .try_for_each(|receipt| self.list("fields", receipt.fields.len()))
    }
}
