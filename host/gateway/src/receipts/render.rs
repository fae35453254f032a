//! Renders finished exchanges as lines, through the audit hook of the lineup that each exchange pinned.

use std::sync::Arc;

use witgate_audit::{Lines, Mark as Why, Receipt as AuditReceipt, Render};
use witgate_runtime::{self as contract, Field, Value};
use witgate_runtime::{AuditNote, Audited};

use crate::receipts::finished::Finished;
use crate::receipts::receipt::{is_kept, write_line};

/// Renders batches on the audit's thread.
pub(crate) struct Renderer;

// === impl Renderer ===

impl Render<Finished> for Renderer {
    fn render(&mut self, batch: &[Finished], out: &mut Lines) {
        // Neighbours with the same lineup share a call of its audit hook, so that the order of the lines is kept.
        for group in batch.chunk_by(|a, b| Arc::ptr_eq(&a.lineup, &b.lineup)) {
            let Some(first) = group.first() else {
                continue;
            };
            let receipts = group
                .iter()
                .map(|finished| finished.receipt.fields(&finished.lineup))
                .collect();
            for audited in first.lineup.audit(receipts, is_kept) {
                out.push_with(|line| write_audited(audited, line));
            }
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

impl AuditReceipt for Finished {
    fn weight(&self) -> usize {
        self.receipt.weight()
    }

    fn raw(&self, why: Why, out: &mut Vec<u8>) {
        let mut receipt = self.receipt.fields(&self.lineup);
        if self.lineup.needs_audit() {
            receipt.fields.retain(|field| is_kept(&field.name));
            mark(&mut receipt, &format!("held back: {}", why.as_str()));
        } else {
            mark(&mut receipt, why.as_str());
        }
        write_line(&receipt, out);
    }
}
