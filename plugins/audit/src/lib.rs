//! The shipped audit plugin. It keeps, hashes or drops fields of receipts, and adds tags.
//!
//! It never changes a receipt's id or `outcome`, because a receipt without them proves nothing.

mod hash;
mod settings;

use witgate_plugin::types::{Field, Receipt, Value};
use witgate_plugin::{Audit, Glob, Plugin, Problems};

use self::hash::Key;
use self::settings::Settings;

/// The audit plugin.
#[derive(Debug)]
pub struct AuditPlugin {
    keep: Vec<Glob>,
    hash: Vec<Glob>,
    drop: Vec<Glob>,
    key: Key,
    tags: Vec<(String, String)>,
    copies: Vec<(String, String)>,
}

witgate_plugin::export!(AuditPlugin: Audit);

/// Fields that the settings can't change.
const PROTECTED: [&str; 2] = ["id", "outcome"];

// === impl AuditPlugin ===

impl Plugin for AuditPlugin {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Problems> {
        settings.check()
    }
}

impl Audit for AuditPlugin {
    fn entries(&self, mut receipts: Vec<Receipt>) -> Vec<Receipt> {
        for receipt in &mut receipts {
            self.write(receipt);
        }
        receipts
    }
}

impl AuditPlugin {
    fn write(&self, receipt: &mut Receipt) {
        let mut tags: Vec<Field> = self
            .tags
            .iter()
            .map(|(name, text)| tag(name, Value::Text(text.clone())))
            .collect();
        for (name, from) in &self.copies {
            if let Some(value) = receipt.field(from) {
                tags.push(tag(name, value.clone()));
            }
        }
        receipt.fields.retain_mut(|field| {
            if PROTECTED.contains(&field.name.as_str()) {
                return true;
            }
            if any(&self.drop, &field.name) {
                return false;
            }
            if any(&self.hash, &field.name) {
                field.value = Value::Text(self.key.hash(&field.value));
                return true;
            }
            any(&self.keep, &field.name)
        });
        receipt.fields.append(&mut tags);
    }
}

fn tag(name: &str, value: Value) -> Field {
    Field {
        name: format!("tags.{name}"),
        value,
    }
}

fn any(globs: &[Glob], name: &str) -> bool {
    globs.iter().any(|glob| glob.matches(name))
}

#[cfg(test)]
mod tests;
