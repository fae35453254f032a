//! The audit hook: receipts pass through every plugin that has it, and none is ever lost.

use super::returned::Bounds;
use super::{Lineup, not_exported};
use crate::contract::Receipt;
use crate::fault::Fault;
use crate::hook::Hook;
use crate::plugin::Plugin;
use std::collections::HashMap;
use std::sync::Arc;

/// A receipt as it is to be written.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The receipt, after the plugins that answered for it.
    pub receipt: Receipt,
    /// What went wrong on the way; the receipt passed that plugin as it was.
    pub marks: Vec<Mark>,
}

/// Why a receipt passed a plugin as it was.
#[derive(Clone, Debug)]
pub enum Mark {
    /// The plugin faulted.
    Fault(Fault),
    /// The plugin's answer did not have the receipt's id.
    Missing {
        /// The plugin.
        plugin: Arc<str>,
    },
}

// === impl Lineup ===

impl Lineup {
    /// Sends receipts through the plugins with the audit hook, in order. There are as many entries as receipts, in
    /// the same order. Not for the threads that serve requests: a call may take its audit deadline.
    pub fn audit_entries(&self, receipts: Vec<Receipt>) -> Vec<Audited> {
        let mut entries: Vec<_> = receipts
            .into_iter()
            .map(|receipt| Audited {
                receipt,
                marks: Vec::new(),
            })
            .collect();
        for plugin in self.with(Hook::Audit) {
            if !entries.is_empty() {
                pass(plugin, &mut entries);
            }
        }
        entries
    }
}

/// Sends entries through one plugin.
fn pass(plugin: &Plugin, entries: &mut [Audited]) {
    let batch: Vec<Receipt> = entries.iter().map(|entry| entry.receipt.clone()).collect();
    let bounds = Bounds::of(plugin, Hook::Audit);
    let given = plugin.call(
        Hook::Audit,
        None,
        |exports, store| match &exports.audit {
            Some(guest) => guest.entries(store, &batch),
            None => Err(not_exported(Hook::Audit)),
        },
        |given| bounds.receipts(given, batch.len()),
    );
    match given {
        Ok(given) => accept(plugin, entries, given),
        Err(fault) => {
            plugin.skipped(Hook::Audit);
            for entry in entries {
                entry.marks.push(Mark::Fault(fault.clone()));
            }
        }
    }
}

/// Puts each answer in the place of the receipt with its id. An id that was not asked about is dropped.
fn accept(plugin: &Plugin, entries: &mut [Audited], given: Vec<Receipt>) {
    let mut answers: HashMap<String, Receipt> = HashMap::with_capacity(given.len());
    for receipt in given {
        answers.entry(receipt.id.clone()).or_insert(receipt);
    }
    for entry in entries {
        match answers.remove(&entry.receipt.id) {
            Some(receipt) => entry.receipt = receipt,
            None => entry.marks.push(Mark::Missing {
                plugin: Arc::clone(plugin.name()),
            }),
        }
    }
}
