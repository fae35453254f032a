//! The shipped audit plugin. It keeps, hashes or drops fields of receipts, and adds tags.
//!
//! It never changes a receipt's id or `outcome`, because a receipt without them proves nothing.

mod settings;

use witgate_plugin::types::{Hook, Interest, ReceiptEdit, ReceiptEdits};
use witgate_plugin::{Audit, Plugin, Problems, Receipts};

use self::settings::Settings;

/// The audit plugin: the edits of all receipts.
#[derive(Debug)]
pub struct AuditPlugin(Vec<ReceiptEdit>);

witgate_plugin::export!(AuditPlugin: Audit);

/// Fields that the host never changes.
const PROTECTED: [&str; 2] = ["id", "outcome"];

// === impl AuditPlugin ===

impl Plugin for AuditPlugin {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Problems> {
        settings.check()
    }

    fn interests(&self) -> Vec<Interest> {
        match self.0.is_empty() {
            true => vec![Interest::of(Hook::Audit).endpoints(None::<String>)],
            false => Vec::new(),
        }
    }
}

impl Audit for AuditPlugin {
    fn edit(&self, _: &Receipts<'_>) -> Vec<ReceiptEdits> {
        vec![ReceiptEdits::all(self.0.clone())]
    }
}

#[cfg(test)]
mod tests;
