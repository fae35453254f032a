//! The audit hook: receipts pass through every plugin that has it. None is ever lost, and none passes by a plugin that
//! could not be asked with what that plugin might have taken away.
//!
//! Receipts go in batches of what a plugin may copy. Of a batch that faults each receipt is asked about alone, so that
//! nobody's receipt costs another's anything: one that takes the plugin its deadline takes it two, however many are with
//! it, and there is one call more than receipts at most. No fault of these calls benches the plugin.

use super::Lineup;
use super::returned::Bounds;
use crate::contract::{Receipt, Value};
use crate::fault::{Failure, Fault, FaultKind};
use crate::hook::Hook;
use crate::instance::not_exported;
use crate::plugin::Plugin;
use std::collections::HashMap;
use std::sync::Arc;

/// A receipt as it is to be written.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The receipt, after the plugins that answered for it. Of one with marks there is what the embedder keeps in any case.
    pub receipt: Receipt,
    /// What went wrong on the way.
    pub marks: Vec<Mark>,
}

/// Why a receipt was held back from a plugin's answer.
#[derive(Clone, Debug)]
pub enum Mark {
    /// The plugin faulted.
    Fault(Fault),
    /// The plugin's answer did not have the receipt's id.
    Missing {
        /// The plugin.
        plugin: Arc<str>,
    },
    /// The plugin is required, and is not there: it may be one with this hook.
    Absent {
        /// The plugin.
        plugin: Arc<str>,
    },
}

/// What one field of a receipt takes besides its texts, at most, and the receipt itself.
const OVERHEAD: usize = 64;

// === impl Lineup ===

impl Lineup {
    /// Sends receipts through the plugins with the audit hook, in order. There are as many entries as receipts, in
    /// the same order. Where a plugin can't be asked about a receipt, of its fields those stay whose names `kept` is true
    /// of. Not for the threads that serve requests: a call may take its audit deadline.
    pub fn audit_entries(
        &self,
        receipts: Vec<Receipt>,
        kept: impl Fn(&str) -> bool,
    ) -> Vec<Audited> {
        let mut entries: Vec<_> = receipts
            .into_iter()
            .map(|receipt| Audited {
                receipt,
                marks: Vec::new(),
            })
            .collect();
        for plugin in &self.missing {
            let plugin = Arc::clone(plugin);
            hold_back(&mut entries, &Mark::Absent { plugin }, &kept);
        }
        for plugin in self.with(Hook::Audit) {
            let mut rest = entries.as_mut_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at_mut(fitting(plugin, rest));
                pass(plugin, now, &kept);
                rest = later;
            }
        }
        entries
    }

    /// Returns whether receipts have to pass a plugin before they may be written whole.
    pub fn audits(&self) -> bool {
        !self.missing.is_empty() || self.with(Hook::Audit).next().is_some()
    }
}

/// What a receipt takes on its way into a plugin and back.
fn weight(receipt: &Receipt) -> usize {
    let of_field = |field: &crate::contract::Field| {
        let text = match &field.value {
            Value::Text(text) => text.len(),
            Value::Integer(_) | Value::Flag(_) => 0,
        };
        OVERHEAD + field.name.len() + text
    };
    OVERHEAD + receipt.id.len() + receipt.fields.iter().map(of_field).sum::<usize>()
}

/// The most that a plugin may copy and return.
fn room(plugin: &Plugin) -> usize {
    let limits = plugin.terms().limits.calls.of(Hook::Audit);
    limits.copy_bytes.min(limits.return_bytes)
}

/// How many of the entries go into one call, at least one: half of what the plugin may take, because it may add to them.
fn fitting(plugin: &Plugin, entries: &[Audited]) -> usize {
    let room = room(plugin) / 2;
    let mut bytes = 0_usize;
    let fits = entries
        .iter()
        .take_while(|entry| {
            bytes = bytes.saturating_add(weight(&entry.receipt));
            bytes <= room
        })
        .count();
    fits.max(1)
}

/// Sends entries through one plugin.
fn pass(plugin: &Plugin, entries: &mut [Audited], kept: &impl Fn(&str) -> bool) {
    match ask(plugin, entries) {
        Ok(given) => accept(plugin, entries, given, kept),
        Err(fault) if entries.len() > 1 && fault.kind.is_plugins() => {
            for alone in entries.chunks_mut(1) {
                pass(plugin, alone, kept);
            }
        }
        Err(fault) => {
            plugin.skipped(Hook::Audit);
            hold_back(entries, &Mark::Fault(fault), kept);
        }
    }
}

/// Looks whether a plugin may take a receipt at all.
fn fit(plugin: &Plugin, receipt: &Receipt) -> Result<(), Fault> {
    let (bytes, room) = (weight(receipt), room(plugin));
    if bytes > room {
        let message = format!("the receipt has {bytes} bytes, and it may read {room} of one");
        let failure = Failure::new(FaultKind::RequestTooLarge, message);
        return Err(plugin.fault(Some(Hook::Audit), failure));
    }
    Ok(())
}

fn ask(plugin: &Plugin, entries: &[Audited]) -> Result<Vec<Receipt>, Fault> {
    if let [only] = entries {
        fit(plugin, &only.receipt)?;
    }
    let batch: Vec<Receipt> = entries.iter().map(|entry| entry.receipt.clone()).collect();
    let bounds = Bounds::of(plugin, Hook::Audit);
    plugin.call(
        Hook::Audit,
        None,
        |exports, store| match &exports.audit {
            Some(guest) => guest.entries(store, &batch),
            None => Err(not_exported(Hook::Audit)),
        },
        |given| bounds.receipts(given, batch.len()),
    )
}

/// Puts each answer in the place of the receipt with its id. An id that was not asked about is dropped.
fn accept(
    plugin: &Plugin,
    entries: &mut [Audited],
    given: Vec<Receipt>,
    kept: &impl Fn(&str) -> bool,
) {
    let mut answers: HashMap<String, Receipt> = HashMap::with_capacity(given.len());
    for receipt in given {
        answers.entry(receipt.id.clone()).or_insert(receipt);
    }
    for entry in entries {
        match answers.remove(&entry.receipt.id) {
            Some(receipt) => entry.receipt = receipt,
            None => {
                let plugin = Arc::clone(plugin.name());
                hold_back(std::slice::from_mut(entry), &Mark::Missing { plugin }, kept);
            }
        }
    }
}

/// Takes from receipts what a plugin might have taken, and marks them.
fn hold_back(entries: &mut [Audited], mark: &Mark, kept: &impl Fn(&str) -> bool) {
    for entry in entries {
        entry.receipt.fields.retain(|field| kept(&field.name));
        entry.marks.push(mark.clone());
    }
}
