//! The audit plugin's settings.

use witgate_plugin::types::{ReceiptEdit, Value};
use witgate_plugin::{Glob, Problems, Table};

use crate::{AuditPlugin, PROTECTED};

witgate_plugin::settings! {
    /// `[settings]` of `policies/audit.toml`. Lists contain patterns of field names. `drop` takes precedence over `hash`, and
    /// `hash` over `keep`.
    #[derive(Debug, Default)]
    pub struct Settings {
        /// Fields to write. If absent, all of them.
        keep: Vec<Glob> = everything(),
        /// Fields to write as a keyed hash, so that equal values stay recognizable.
        hash: Vec<Glob>,
        /// Fields to leave out.
        drop: Vec<Glob>,
        /// Key of the hashes. Required if `hash` names any field.
        salt: Option<String>,
        /// Constant tags, written as `tags.NAME`.
        tags: Table<String>,
        /// Tags that copy a field before it is dropped or hashed, by the tag's name.
        copy: Table<String>,
    }
}

/// Minimum length of a salt, in bytes. A shorter one can be guessed.
const MIN_SALT_BYTES: usize = 16;

fn everything() -> Vec<Glob> {
    vec![Glob::new("*")]
}

// === impl Settings ===

impl Settings {
    pub(crate) fn check(self) -> Result<AuditPlugin, Problems> {
        let mut problems = Problems::default();
        for (name, globs) in [("hash", &self.hash), ("drop", &self.drop)] {
            for (index, glob) in globs.iter().enumerate() {
                if PROTECTED.contains(&glob.as_str()) {
                    problems.push(
                        format!("{name}[{index}]"),
                        format!("`{}` is always written unchanged", glob.as_str()),
                    );
                }
            }
        }
        let salt = self.salt.as_deref().unwrap_or_default();
        if !self.hash.is_empty() && salt.len() < MIN_SALT_BYTES {
            problems.push(
                "salt",
                format!("hashing needs a salt of at least {MIN_SALT_BYTES} bytes"),
            );
        }
        let copied = self.copy.iter().map(|(name, _)| name);
        for name in copied.filter(|name| self.tags.get(name).is_some()) {
            problems.push(
                format!("copy.{name}"),
                "`tags` already has a tag of this name",
            );
        }
        problems.or(AuditPlugin(self.edits()))
    }

    /// Returns the edits. The order gives `drop` precedence over `hash`, and `hash` over `keep`.
    fn edits(self) -> Vec<ReceiptEdit> {
        let all = self.keep.iter().any(|glob| glob.as_str() == "*");
        let mut edits = Vec::new();
        if !self.drop.is_empty() {
            edits.push(ReceiptEdit::Drop(texts(&self.drop)));
        }
        if !all {
            let kept = [texts(&self.keep), texts(&self.hash)].concat();
            edits.push(ReceiptEdit::Keep(kept));
        }
        if !self.hash.is_empty() {
            edits.push(ReceiptEdit::hash(
                texts(&self.hash),
                self.salt.unwrap_or_default(),
            ));
        }
        let tags = self.tags.into_iter();
        edits.extend(tags.map(|(name, text)| ReceiptEdit::set(tag(&name), Value::Text(text))));
        let copies = self.copy.into_iter();
        edits.extend(copies.map(|(name, from)| ReceiptEdit::copy(from, tag(&name))));
        edits
    }
}

fn texts(globs: &[Glob]) -> Vec<String> {
    globs.iter().map(|glob| glob.as_str().to_owned()).collect()
}

fn tag(name: &str) -> String {
    format!("tags.{name}")
}
