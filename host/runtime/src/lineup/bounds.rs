//! The size limits of returned values. A value above them is a fault, not a decision.

use super::validate;
use crate::contract::guard::{Piece, Verdict};
use crate::contract::{
    Attribute, Charge, Edit, Envelope, Field, Plan, Receipt, ReceiptEdit, ReceiptEdits, Refusal,
    Remedy, TranslatedAnswer, TranslatedRequest, Upstreams,
};
use crate::fault::{Failure, FaultKind};
use crate::hook::Hook;
use crate::plugin::Plugin;
use crate::vocabulary::Vocabulary;

/// The maximum number of comparisons of a pattern with a field that one set of edits may cause.
const MAX_WORK: usize = 4_000_000;

/// The comparisons that take as long as one keyed hash.
const WORK_OF_HASH: usize = 20;

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
        self.bytes(texts.sum::<usize>() + lists + edits(&envelope.edits))?;
        validate::envelope(self.vocabulary, envelope)
    }

    /// Checks a plan of a plugin that was told of these upstreams, or of none.
    pub(super) fn plan(self, plan: &Plan, told: Option<&dyn Upstreams>) -> Result<(), Failure> {
        self.list("targets", plan.targets.len())?;
        let retry_on = plan.retry_on.as_deref().unwrap_or_default();
        self.list("retry-on", retry_on.len())?;
        self.list("attributes", plan.attributes.len())?;
        let mut bytes = optional(&plan.rule)
            + optional(&plan.resource)
            + retry_on
                .iter()
                .map(|reason| reason.code().len())
                .sum::<usize>()
            + pairs(&plan.attributes);
        for target in &plan.targets {
            self.list("targets.attributes", target.attributes.len())?;
            self.list("targets.edits", target.edits.len())?;
            bytes += target.upstream.len()
                + optional(&target.model)
                + pairs(&target.attributes)
                + edits(&target.edits);
        }
        self.bytes(bytes)?;
        validate::plan(self.vocabulary, plan, told)
    }

    pub(super) fn charges(self, charges: &[Charge]) -> Result<(), Failure> {
        self.list("charges", charges.len())?;
        let bytes = |charge: &Charge| {
            charge.account.len() + charge.window.code().len() + charge.unit.code().len()
        };
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

    /// Checks the verdict about a piece of a guard that may hold back so many bytes.
    pub(super) fn verdict(
        self,
        verdict: &Verdict,
        piece: &Piece,
        held_bytes: usize,
    ) -> Result<(), Failure> {
        match verdict {
            Verdict::Pass => Ok(()),
            Verdict::Hold(bytes) => validate::held(*bytes, piece, held_bytes),
            Verdict::Replace(replacement) => {
                self.bytes(replacement.text.len())?;
                validate::replaced(piece)?;
                validate::held(replacement.hold, piece, held_bytes)
            }
            Verdict::Stop(stop) => self.bytes(stop.message.len() + stop.rule.len()),
        }
    }

    pub(super) fn translated_request(self, request: &TranslatedRequest) -> Result<(), Failure> {
        self.list("headers", request.headers.len())?;
        self.list("without-headers", request.without_headers.len())?;
        let without = request.without_headers.iter().map(String::len);
        self.bytes(
            request.method.len()
                + request.path.len()
                + pairs(&request.headers)
                + without.sum::<usize>()
                + optional(&request.body),
        )?;
        validate::translated_request(self.vocabulary, request)
    }

    pub(super) fn translated_answer(self, answer: &TranslatedAnswer) -> Result<(), Failure> {
        self.bytes(answer.content_type.len() + answer.body.len())?;
        validate::translated_answer(answer)
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
            let fields = receipt.fields.iter().map(field_bytes);
            bytes += receipt.id.len() + fields.sum::<usize>();
        }
        self.bytes(bytes)
    }

    /// Checks the edits of receipts: their own size, and what they make of the receipts.
    pub(super) fn receipt_edits(
        self,
        given: &[ReceiptEdits],
        receipts: &[Receipt],
    ) -> Result<(), Failure> {
        let mut bytes = 0;
        let changes = given.iter().flat_map(|edits| &edits.changes);
        self.list("changes", changes.count())?;
        validate::receipt_edits(given, receipts.len())?;
        for edits in given {
            for change in &edits.changes {
                let patterns = |list: &[String]| {
                    let texts = list.iter().map(String::len).sum::<usize>();
                    self.list("patterns", list.len()).map(|()| texts)
                };
                bytes += match change {
                    ReceiptEdit::Drop(list) | ReceiptEdit::Keep(list) => patterns(list)?,
                    ReceiptEdit::Hash(hashing) => patterns(&hashing.fields)? + hashing.key.len(),
                    ReceiptEdit::Set(field) => field_bytes(field),
                    ReceiptEdit::Copy((from, to)) => from.len() + to.len(),
                };
            }
        }
        self.list("edits", given.len())?;
        self.bytes(bytes)?;
        self.growth(given, receipts)
    }

    /// Checks that the host is not made to write more than the plugin itself could return, or to work for long.
    fn growth(self, given: &[ReceiptEdits], receipts: &[Receipt]) -> Result<(), Failure> {
        let longest = receipts.iter().flat_map(|receipt| &receipt.fields);
        let longest = longest.map(field_bytes).max().unwrap_or(0);
        let fields = receipts.iter().map(|receipt| receipt.fields.len()).max();
        let (mut grown, mut work) = (0_usize, 0_usize);
        for edits in given {
            let of = edits.receipt.map_or(receipts.len(), |_| 1);
            for change in &edits.changes {
                let (more, tests) = match change {
                    ReceiptEdit::Set(field) => (field_bytes(field), 1),
                    ReceiptEdit::Copy((_, to)) => (to.len() + longest, 1),
                    ReceiptEdit::Drop(list) | ReceiptEdit::Keep(list) => (0, list.len()),
                    ReceiptEdit::Hash(hashing) => (0, hashing.fields.len() + WORK_OF_HASH),
                };
                grown = grown.saturating_add(more.saturating_mul(of));
                let tests = tests.saturating_mul(fields.unwrap_or(0));
                work = work.saturating_add(tests.saturating_mul(of));
            }
        }
        self.bytes(grown)?;
        if work > MAX_WORK {
            return Err(Failure::new(
                FaultKind::ReturnLimit,
                format!(
                    "its edits are {work} comparisons with fields of receipts, and the limit is {MAX_WORK}; use fewer patterns"
                ),
            ));
        }
        Ok(())
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

fn field_bytes(field: &Field) -> usize {
    field.name.len() + field.value.text_bytes()
}

fn edits(edits: &[Edit]) -> usize {
    let bytes = edits.iter().map(|edit| match edit {
        Edit::Remove(name) => name.len(),
        Edit::Set((name, json)) => name.len() + json.len(),
        Edit::Insert(insertion) => insertion.member.len() + insertion.element.len(),
    });
    bytes.sum()
}

fn optional(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn pairs(list: &[Attribute]) -> usize {
    list.iter()
        .map(|(name, value)| name.len() + value.len())
        .sum()
}
