//! Renders finished exchanges as lines, through the audit hook of the lineup that each exchange pinned.

use std::sync::{Arc, Weak};

use witgate_audit::{Lines, Mark as Why, Receipt as AuditReceipt, Render};
use witgate_runtime::{self as contract, Field, Value};
use witgate_runtime::{AuditNote, Audited, ExchangeFacts, FinishedExchange, Lineup};

use crate::receipts::finished::Finished;
use crate::receipts::receipt::direct::{plugins_as_members, write_directly};
use crate::receipts::receipt::{is_kept, write_line};

/// The room that is made for a line, in bytes. Most are shorter.
const LINE_BYTES: usize = 2048;

/// Renders batches on the audit's thread.
#[derive(Default)]
pub(crate) struct Renderer {
    /// The lineup of the last receipt. It lives no longer for being here.
    lineup: Weak<Lineup>,
    /// What that lineup adds to each of its receipts, or `None` if a receipt has to be written from a list of fields.
    plugins: Option<Vec<u8>>,
}

// === impl Renderer ===

impl Render<Finished> for Renderer {
    fn render(&mut self, batch: &[Finished], out: &mut Lines) {
        out.reserve(batch.len() * LINE_BYTES);
        // Neighbours with the same lineup share a call of its audit hook, so that the order of the lines is kept.
        for group in batch.chunk_by(|a, b| Arc::ptr_eq(&a.lineup, &b.lineup)) {
            let Some(first) = group.first() else {
                continue;
            };
            self.learn(&first.lineup);
            let audited = first.lineup.audit_finished(group, is_kept);
            for (audited, finished) in audited.into_iter().zip(group) {
                let changed = audited.filter(|audited| audited.is_changed);
                out.push_with(|line| match changed {
                    Some(audited) => write_audited(audited, line),
                    None => self.write(finished, line),
                });
            }
        }
    }
}

impl Renderer {
    /// Learns what a lineup adds to its receipts.
    fn learn(&mut self, lineup: &Arc<Lineup>) {
        if !std::ptr::eq(self.lineup.as_ptr(), Arc::as_ptr(lineup)) {
            self.lineup = Arc::downgrade(lineup);
            self.plugins = plugins_as_members(lineup);
        }
    }

    /// Writes a receipt that no plugin has changed, and whose lineup was learned.
    fn write(&self, finished: &Finished, line: &mut Vec<u8>) {
        let Finished { receipt, lineup } = finished;
        let start = line.len();
        let plugins = self.plugins.as_deref();
        if plugins
            .and_then(|plugins| write_directly(receipt, plugins, line))
            .is_none()
        {
            line.truncate(start);
            write_line(&receipt.fields(lineup), line);
        }
    }
}

fn write_audited(audited: Audited, line: &mut Vec<u8>) {
    let Audited {
        mut receipt, notes, ..
    } = audited;
    if !notes.is_empty() {
        let notes: Vec<_> = notes.iter().map(describe).collect();
        mark(&mut receipt, &notes.join("; "));
    }
    write_line(&receipt, line);
}

/// Describes why fields of a receipt were held back.
fn describe(note: &AuditNote) -> String {
    match note {
        AuditNote::Fault(fault) => format!(
            "held back: the plugin {} failed ({})",
            fault.plugin,
            fault.kind.code()
        ),
        AuditNote::Missing { plugin } => format!("held back: the plugin {plugin} gave no entry"),
        AuditNote::Absent { plugin } => format!("held back: the plugin {plugin} is not there"),
        _ => "held back".to_owned(),
    }
}

fn mark(receipt: &mut contract::Receipt, mark: &str) {
    receipt.fields.push(Field {
        name: "audit".into(),
        value: Value::Text(mark.into()),
    });
}

// === impl Finished ===

impl FinishedExchange for Finished {
    fn facts(&self) -> ExchangeFacts<'_> {
        self.receipt.facts()
    }

    fn receipt(&self) -> contract::Receipt {
        self.receipt.fields(&self.lineup)
    }
}

impl AuditReceipt for Finished {
    fn weight(&self) -> usize {
        self.receipt.weight()
    }

    fn raw(&self, why: Why, out: &mut Vec<u8>) {
        let mut receipt = self.receipt.fields(&self.lineup);
        if self.lineup.needs_audit(&self.facts()) {
            receipt.fields.retain(|field| is_kept(&field.name));
            mark(&mut receipt, &format!("held back: {}", why.as_str()));
        } else {
            mark(&mut receipt, why.as_str());
        }
        write_line(&receipt, out);
    }
}
