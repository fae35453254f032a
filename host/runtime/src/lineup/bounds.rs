//! The size limits of returned values. A value above them is a fault, not a decision.

use super::validate;
use crate::contract::{
    Attribute, Charge, Edit, Envelope, Plan, Receipt, Refusal, Remedy, UpstreamStats, Value,
};
use crate::fault::{Failure, FaultKind};
use crate::hook::Hook;
use crate::plugin::Plugin;
use crate::vocabulary::Vocabulary;

/// The limits of the values that a plugin returns from a hook.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    list_items: usize,
    return_bytes: usize,
    vocabulary: &'a dyn Vocabulary,
}

// === impl Bounds ===

impl<'a> Bounds<'a> {
    pub(super) fn of(plugin: &'a Plugin, hook: Hook) -> Self {
        let limits = plugin.spec().limits.calls.of(hook);
        Self {
            list_items: limits.list_items,
            return_bytes: limits.return_bytes,
            vocabulary: &*plugin.spec().vocabulary,
        }
    }

    pub(super) fn bytes(self, bytes: usize) -> Result<(), Failure> {
        if bytes <= self.return_bytes {
            return Ok(());
        }
        Err(Failure::new(
            FaultKind::ReturnLimit,
            format!(
                "it returned {bytes} bytes, and the limit is {}; return less, or raise `return_bytes` in [limits] of the sidecar",
                self.return_bytes
            ),
        ))
    }

    pub(super) fn refusal(self, refusal: &Refusal) -> Result<(), Failure> {
        self.list("attributes", refusal.attributes.len())?;
        self.bytes(refusal.code.len() + refusal.message.len() + pairs(&refusal.attributes))?;
        if (400..=599).contains(&refusal.status) {
            return Ok(());
        }
        Err(Failure::new(
            FaultKind::Contract,
            format!(
                "a refusal with the status {}; use 400 to 599",
                refusal.status
            ),
        ))
    }

    pub(super) fn envelope(self, envelope: &Envelope) -> Result<(), Failure> {
        self.list("metadata", envelope.metadata.len())?;
        self.list("edits", envelope.edits.len())?;
        self.list("response-headers", envelope.response_headers.len())?;
        self.list("attributes", envelope.attributes.len())?;
        let edits = envelope.edits.iter().map(|edit| match edit {
            Edit::Remove(name) => name.len(),
            Edit::Set((name, json)) => name.len() + json.len(),
        });
        let texts = [
            &envelope.correlation_id,
            &envelope.resource,
            &envelope.tenant,
            &envelope.user,
            &envelope.session,
            &envelope.agent,
        ];
        let texts = texts.into_iter().map(optional);
        let lists = pairs(&envelope.metadata)
            + pairs(&envelope.response_headers)
            + pairs(&envelope.attributes);
        self.bytes(texts.sum::<usize>() + lists + edits.sum::<usize>())?;
        validate::envelope(self.vocabulary, envelope)
    }

    /// Checks a plan of a plugin that was told of these upstreams.
    pub(super) fn plan(self, plan: &Plan, told: &[UpstreamStats]) -> Result<(), Failure> {
        self.list("targets", plan.targets.len())?;
        self.list("retry-on", plan.retry_on.len())?;
        self.list("attributes", plan.attributes.len())?;
        let mut bytes = optional(&plan.rule)
            + plan.retry_on.iter().map(String::len).sum::<usize>()
            + pairs(&plan.attributes);
        for target in &plan.targets {
            self.list("targets.attributes", target.attributes.len())?;
            bytes += target.upstream.len() + optional(&target.model) + pairs(&target.attributes);
        }
        self.bytes(bytes)?;
        validate::plan(self.vocabulary, plan, told)
    }

    pub(super) fn charges(self, charges: &[Charge]) -> Result<(), Failure> {
        self.list("charges", charges.len())?;
        let bytes =
            |charge: &Charge| charge.account.len() + charge.window.len() + charge.unit.len();
        self.bytes(charges.iter().map(bytes).sum())?;
        validate::charges(self.vocabulary, charges)
    }

    pub(super) fn remedy(self, remedy: &Remedy) -> Result<(), Failure> {
        match remedy {
            Remedy::Refuse(refusal) => self.refusal(refusal),
            Remedy::Downgrade(model) => {
                self.bytes(model.len())?;
                validate::model(model, "a downgrade")
            }
            Remedy::Overdraw => Ok(()),
        }
    }

    pub(super) fn receipts(self, receipts: &[Receipt], sent: usize) -> Result<(), Failure> {
        if receipts.len() > sent {
            return Err(Failure::new(
                FaultKind::ReturnLimit,
                format!(
                    "it returned {} receipts for {sent}; return each at most once",
                    receipts.len()
                ),
            ));
        }
        let mut bytes = 0;
        for receipt in receipts {
            self.list("fields", receipt.fields.len())?;
            let fields = receipt.fields.iter().map(|field| {
                field.name.len()
                    + match &field.value {
                        Value::Text(text) => text.len(),
                        Value::Integer(_) | Value::Flag(_) => 0,
                    }
            });
            bytes += receipt.id.len() + fields.sum::<usize>();
        }
        self.bytes(bytes)
    }

    fn list(self, name: &str, len: usize) -> Result<(), Failure> {
        if len <= self.list_items {
            return Ok(());
        }
        Err(Failure::new(
            FaultKind::ReturnLimit,
            format!(
                "`{name}` has {len} elements, and the limit is {}; return fewer, or raise `list_items` in [limits] of the sidecar",
                self.list_items
            ),
        ))
    }
}

fn optional(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn pairs(list: &[Attribute]) -> usize {
    list.iter()
        .map(|(name, value)| name.len() + value.len())
        .sum()
}
