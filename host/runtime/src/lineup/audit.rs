//! The audit hook: receipts pass through every plugin that exports it.
//!
//! No receipt is lost. If a plugin can't see a receipt, the fields that it might have removed are held back. Receipts go in
//! batches that fit into the plugin's copy limit. After a fault, each receipt of the batch is tried alone, so that no receipt
//! affects another: there is at most one call more than there are receipts. Faults of these calls never suspend the plugin. A receipt
//! that no plugin is interested in is not made for them.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use super::Lineup;
use super::bounds::Bounds;
use super::receipt_edits;
use crate::call_facts::CallFacts;
use crate::contract::exports::AuditAnswer;
use crate::contract::{Field, Receipt};
use crate::fault::{Failure, Fault, FaultKind};
use crate::hook::Hook;
use crate::interests::ExchangeFacts;
use crate::plugin::Plugin;

/// A finished exchange, for which a receipt is made where a plugin is interested in it.
pub trait FinishedExchange {
    /// Returns what is known about the exchange.
    fn facts(&self) -> ExchangeFacts<'_>;
    /// Makes the receipt.
    fn receipt(&self) -> Receipt;
}

/// A receipt after the audit hook, ready to be written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Audited {
    /// The receipt with the plugins' edits. If there are notes, only the fields that the embedder keeps in any case.
    pub receipt: Receipt,
    /// The plugins that did not see the receipt.
    pub notes: Vec<AuditNote>,
    /// Set if the receipt may differ from the one that was given: a plugin returned edits, or fields were held back.
    pub is_changed: bool,
}

/// The reason that fields of a receipt were held back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AuditNote {
    /// The plugin faulted.
    Fault(Fault),
    /// The plugin did not return a receipt with this id.
    Missing {
        /// The plugin's name.
        plugin: Arc<str>,
    },
    /// A required plugin, which may export this hook, is not loaded.
    Absent {
        /// The plugin's name.
        plugin: Arc<str>,
    },
}

/// The maximum number of bytes that a field takes in addition to its texts, and that a receipt takes in addition to its fields.
const FIELD_OVERHEAD_BYTES: usize = 64;

// === impl Lineup ===

impl Lineup {
    /// Passes receipts through the audit hook of every plugin. Returns one entry per receipt, in the same order.
    ///
    /// If a plugin can't see a receipt, only the fields whose names `keep` accepts stay, and the entry has a note. Don't call
    /// this on a thread that serves requests: each call may take the audit deadline.
    pub fn audit(&self, receipts: Vec<Receipt>, keep: impl Fn(&str) -> bool) -> Vec<Audited> {
        let mut entries: Vec<_> = receipts.into_iter().map(Audited::new).collect();
        self.hold_back_if_incomplete(&mut entries, &keep);
        for plugin in self.with(Hook::Audit) {
            pass_all(plugin, &mut entries, &keep);
        }
        entries
    }

    /// Passes receipts through the audit hook of every plugin that is interested in them, as [`audit`](Self::audit) does. Returns `None` for an
    /// exchange that no plugin is interested in, whose receipt is not even made.
    pub fn audit_finished<E: FinishedExchange>(
        &self,
        exchanges: &[E],
        keep: impl Fn(&str) -> bool,
    ) -> Vec<Option<Audited>> {
        let needed: Vec<_> = exchanges
            .iter()
            .map(|exchange| self.needs_audit(&exchange.facts()).then_some(exchange))
            .collect();
        let asked: Vec<_> = needed.iter().copied().flatten().collect();
        let receipts = asked.iter().map(|exchange| exchange.receipt());
        let mut entries: Vec<_> = receipts.map(Audited::new).collect();
        self.hold_back_if_incomplete(&mut entries, &keep);
        for plugin in self.with(Hook::Audit) {
            plugin.left_out(Hook::Audit, exchanges.len() - asked.len());
            let wants = |exchange: &&E| plugin.wants_receipt(&exchange.facts());
            let mut rest = entries.as_mut_slice();
            for run in asked.chunk_by(|a, b| wants(a) == wants(b)) {
                let (now, later) = rest.split_at_mut(run.len());
                match run.first().is_some_and(wants) {
                    true => pass_all(plugin, now, &keep),
                    false => plugin.left_out(Hook::Audit, run.len()),
                }
                rest = later;
            }
        }
        let mut entries = entries.into_iter();
        let of = |exchange: Option<&E>| exchange.and_then(|_| entries.next());
        needed.into_iter().map(of).collect()
    }

    /// Returns whether the receipt of an exchange must pass through the audit hook before all of its fields may be written: a plugin is
    /// interested in it, or a required plugin is missing, which might be.
    pub fn needs_audit(&self, exchange: &ExchangeFacts<'_>) -> bool {
        let mut plugins = self.with(Hook::Audit).iter();
        !self.missing.is_empty() || plugins.any(|plugin| plugin.wants_receipt(exchange))
    }

    fn hold_back_if_incomplete(&self, entries: &mut [Audited], keep: &impl Fn(&str) -> bool) {
        for plugin in &self.missing {
            let plugin = Arc::clone(plugin);
            hold_back(entries, &AuditNote::Absent { plugin }, keep);
        }
    }
}

// === impl Audited ===

impl Audited {
    fn new(receipt: Receipt) -> Self {
        Self {
            receipt,
            notes: Vec::new(),
            is_changed: false,
        }
    }
}

/// Returns the bytes that a receipt takes on its way into a plugin and back.
fn weight(receipt: &Receipt) -> usize {
    let of_field =
        |field: &Field| FIELD_OVERHEAD_BYTES + field.name.len() + field.value.text_bytes();
    FIELD_OVERHEAD_BYTES + receipt.id.len() + receipt.fields.iter().map(of_field).sum::<usize>()
}

/// Returns the bytes that a plugin may copy and return.
fn capacity(plugin: &Plugin) -> usize {
    let limits = plugin.spec().limits.calls.of(Hook::Audit);
    limits.copy_bytes.min(limits.return_bytes)
}

/// The host calls that a plugin may need for one receipt.
const CALLS_OF_RECEIPT: u32 = 16;

/// Returns the number of entries for one call, at least one. They fill half of the plugin's capacity, because it may add to
/// them, and leave it host calls and edits for each.
fn fitting(plugin: &Plugin, entries: &[Audited]) -> usize {
    let capacity = capacity(plugin) / 2;
    let limits = plugin.spec().limits.calls.of(Hook::Audit);
    let calls = usize::try_from(limits.host_calls / CALLS_OF_RECEIPT).unwrap_or(usize::MAX);
    let most = calls.min(limits.list_items);
    let mut bytes = 0_usize;
    let fits = entries
        .iter()
        .take(most)
        .take_while(|entry| {
            bytes = bytes.saturating_add(weight(&entry.receipt));
            bytes <= capacity
        })
        .count();
    fits.max(1)
}

/// Passes entries through a plugin, in calls that fit its limits.
fn pass_all(plugin: &Plugin, mut entries: &mut [Audited], keep: &impl Fn(&str) -> bool) {
    while !entries.is_empty() {
        let (now, later) = entries.split_at_mut(fitting(plugin, entries));
        pass(plugin, now, keep);
        entries = later;
    }
}

/// Passes entries through a plugin, in one call.
fn pass(plugin: &Plugin, entries: &mut [Audited], keep: &impl Fn(&str) -> bool) {
    match ask(plugin, entries) {
        Ok(AuditAnswer::Edits(edits)) => {
            if !edits.is_empty() {
                entries.iter_mut().for_each(|entry| entry.is_changed = true);
            }
            let receipts = entries.iter_mut().map(|entry| &mut entry.receipt);
            receipt_edits::apply(receipts, edits);
        }
        Ok(AuditAnswer::Receipts(given)) => accept(plugin, entries, given, keep),
        Err(fault) if entries.len() > 1 && fault.kind.is_plugins() => {
            for alone in entries.chunks_mut(1) {
                pass(plugin, alone, keep);
            }
        }
        Err(fault) => {
            plugin.skipped(Hook::Audit);
            hold_back(entries, &AuditNote::Fault(fault), keep);
        }
    }
}

/// Checks that a plugin may read a receipt at all.
fn fit(plugin: &Plugin, receipt: &Receipt) -> Result<(), Fault> {
    let (bytes, capacity) = (weight(receipt), capacity(plugin));
    if bytes > capacity {
        let message = format!(
            "the receipt has {bytes} bytes, and the plugin may read at most {capacity} of one"
        );
        let failure = Failure::new(FaultKind::RequestTooLarge, message);
        return Err(plugin.fault(Some(Hook::Audit), failure));
    }
    Ok(())
}

/// Calls the hook for entries, whose receipts it lends to the guest meanwhile.
fn ask(plugin: &Plugin, entries: &mut [Audited]) -> Result<AuditAnswer, Fault> {
    // A plugin of a newer version reads single fields, which have limits of their own.
    if let [only] = &*entries
        && plugin.gets_whole_receipts()
    {
        fit(plugin, &only.receipt)?;
    }
    let lent = entries
        .iter_mut()
        .map(|entry| mem::take(&mut entry.receipt));
    let lent: Arc<Vec<Receipt>> = Arc::new(lent.collect());
    let bounds = Bounds::of(plugin, Hook::Audit);
    let mut facts = CallFacts::of_receipts(&lent);
    let given = plugin.call(
        Hook::Audit,
        &mut facts,
        |exports, store| exports.audit()?.edit(store),
        |_, given| match given {
            AuditAnswer::Edits(edits) => bounds.receipt_edits(edits, &lent),
            AuditAnswer::Receipts(receipts) => bounds.receipts(receipts, lent.len()),
        },
    );
    drop(facts);
    // The call has ended, so this is the only reference again.
    for (entry, receipt) in entries.iter_mut().zip(Arc::unwrap_or_clone(lent)) {
        entry.receipt = receipt;
    }
    given
}

/// Replaces each receipt by the returned one with the same id. Drops receipts with unknown ids.
fn accept(
    plugin: &Plugin,
    entries: &mut [Audited],
    given: Vec<Receipt>,
    keep: &impl Fn(&str) -> bool,
) {
    let mut answers: HashMap<String, Receipt> = HashMap::with_capacity(given.len());
    for receipt in given {
        answers.entry(receipt.id.clone()).or_insert(receipt);
    }
    for entry in entries {
        match answers.remove(&entry.receipt.id) {
            Some(receipt) => {
                entry.receipt = receipt;
                entry.is_changed = true;
            }
            None => {
                let plugin = Arc::clone(plugin.name());
                hold_back(
                    std::slice::from_mut(entry),
                    &AuditNote::Missing { plugin },
                    keep,
                );
            }
        }
    }
}

/// Removes the fields that a plugin might have removed, and adds a note.
fn hold_back(entries: &mut [Audited], note: &AuditNote, keep: &impl Fn(&str) -> bool) {
    for entry in entries {
        entry.receipt.fields.retain(|field| keep(&field.name));
        entry.notes.push(note.clone());
        entry.is_changed = true;
    }
}
