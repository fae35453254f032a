//! A builder for the fields of a receipt. Every field is added through it, so that no foreign text gets onto a receipt
//! uncut.

use witgate_runtime::{Field, Value};

use crate::text::{Cut, in_json};

/// Largest number of entries in a list whose length a caller or a plugin chooses.
pub(super) const MAX_ENTRIES: usize = 64;

/// Longest text, in bytes of JSON.
const MAX_TEXT_BYTES: usize = 512;

/// Longest name of a field, in bytes of JSON. Some contain foreign text.
const MAX_NAME_BYTES: usize = 256;

/// Total length of the foreign text in one list, in bytes.
const MAX_LIST_BYTES: usize = 4 * 1024;

/// Names of the fields that are kept if an audit plugin could not be called, and prefixes that end in a dot. They prove that
/// the exchange took place, its outcome, its cost and its owner.
const KEPT: [&str; 31] = [
    "id",
    "started_unix_ms",
    "endpoint",
    "outcome",
    "status",
    "key",
    "tier",
    "tenant",
    "workspace",
    "environment",
    "model.served",
    "message_id",
    "stop_reason",
    "usage.",
    "cost_picousd",
    "unpriced",
    "batch.",
    "crash.",
    "bytes.",
    "time.",
    "left_out.",
    "plugins.",
    "sidecars.",
    "skipped.",
    "refusal.type",
    "refusal.blame",
    "refusal.plugin",
    "refusal.hook",
    "refusal.fault",
    "error.type",
    "audit",
];

/// Fields of an attempt that are kept.
const KEPT_OF_ATTEMPTS: [&str; 3] = ["upstream", "request_id", "status"];

/// Longest name of a model in a list of models, in bytes of JSON.
const MAX_MODEL_BYTES: usize = 128;

/// A list of fields under construction.
pub(crate) struct Fields(Vec<Field>);

/// Returns whether a field is kept if an audit plugin could not be called.
pub(crate) fn is_kept(name: &str) -> bool {
    if let Some(attempt) = name.strip_prefix("attempts.") {
        let field = attempt.split_once('.').map(|(_, field)| field);
        return field.is_some_and(|field| KEPT_OF_ATTEMPTS.contains(&field));
    }
    KEPT.iter().any(|kept| match kept.ends_with('.') {
        true => name.starts_with(kept),
        false => name == *kept,
    })
}

// === impl Fields ===

impl Fields {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(48))
    }

    pub(crate) fn into_list(self) -> Vec<Field> {
        self.0
    }

    /// Adds a text of the gateway or its operator, uncut.
    pub(crate) fn own(&mut self, name: &str, value: &str) {
        self.push(name.to_owned(), Value::Text(value.to_owned()));
    }

    /// Adds a text of the gateway or its operator under a dotted name, uncut.
    pub(crate) fn own_under(&mut self, object: &str, name: &str, value: &str) {
        let name = [object, ".", name].concat();
        self.push(name, Value::Text(value.to_owned()));
    }

    /// Adds a foreign text, cut. Each kind of text occurs once on a receipt.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        let value = Cut::to(MAX_TEXT_BYTES, value);
        self.push(name.to_owned(), Value::Text(value.into()));
    }

    /// Adds the name of a model in a list of models, cut.
    pub(crate) fn model(&mut self, name: &str, model: &str) {
        let model = Cut::to(MAX_MODEL_BYTES, model);
        self.push(name.to_owned(), Value::Text(model.into()));
    }

    pub(crate) fn maybe_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.push(name.to_owned(), Value::Integer(value));
    }

    pub(crate) fn maybe_number(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.number(name, value);
        }
    }

    pub(crate) fn number_above_zero(&mut self, name: &str, value: u64) {
        if value > 0 {
            self.number(name, value);
        }
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.push(name.to_owned(), Value::Flag(value));
    }

    /// Adds a list whose length and names a caller or a plugin chooses, up to its limits. An entry keeps the prefix of its
    /// name or is left out, so that an audit plugin can recognize it.
    pub(crate) fn entries(&mut self, list: &str, entries: impl Iterator<Item = (String, Value)>) {
        let (mut count, mut room, mut left) = (0, MAX_LIST_BYTES, 0);
        for (name, value) in entries {
            let name = Cut::to(MAX_NAME_BYTES, &name);
            let value = match value {
                Value::Text(text) => Value::Text(Cut::to(MAX_TEXT_BYTES, &text).into()),
                other => other,
            };
            let bytes = match &value {
                Value::Text(text) => in_json(&name) + in_json(text),
                Value::Integer(_) | Value::Flag(_) => in_json(&name),
            };
            if count == MAX_ENTRIES || bytes > room {
                left += 1;
            } else {
                count += 1;
                room -= bytes;
                self.push(name.into(), value);
            }
        }
        self.number_above_zero(&format!("left_out.{list}"), left);
    }

    /// Adds texts that are of no use if they are cut, under numbers, up to the limits of a list.
    pub(crate) fn whole_texts(&mut self, list: &str, texts: impl Iterator<Item = String>) {
        let (mut index, mut room, mut left) = (0, MAX_LIST_BYTES, 0);
        for text in texts {
            let bytes = in_json(&text);
            if index == MAX_ENTRIES || bytes > room.min(MAX_TEXT_BYTES) {
                left += 1;
                continue;
            }
            room -= bytes;
            self.push(format!("{list}.{index}"), Value::Text(text));
            index += 1;
        }
        self.number_above_zero(&format!("left_out.{list}"), left);
    }

    /// Adds the number of entries left out of a list whose first entries were added.
    pub(crate) fn left_out(&mut self, list: &str, entries: usize) {
        if let Some(more @ 1..) = entries.checked_sub(MAX_ENTRIES) {
            let more = u64::try_from(more).unwrap_or(u64::MAX);
            self.number(&format!("left_out.{list}"), more);
        }
    }

    fn push(&mut self, name: String, value: Value) {
        self.0.push(Field { name, value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(field: &Field) -> &str {
        match &field.value {
            Value::Text(text) => text,
            Value::Integer(_) | Value::Flag(_) => "",
        }
    }

    #[test]
    fn whatever_is_written_the_texts_have_a_bound() {
        let mut fields = Fields::new();
        fields.text("method", &"A".repeat(60_000));
        fields.own("id", &"a".repeat(5000));
        let entry = |index: usize| {
            let value = "\u{1}".repeat(50 * (index % 3));
            (format!("metadata.{index}"), Value::Text(value))
        };
        fields.entries("metadata", (0..100).map(entry));
        let list = fields.into_list();
        assert_eq!(
            text(&list[0]).len(),
            512 + "… (59488 more bytes)".len(),
            "cut"
        );
        assert_eq!(text(&list[1]).len(), 5000, "the host's own is not");
        let (left_out, entries) = list[2..].split_last().unwrap();
        let bytes: usize = entries
            .iter()
            .map(|field| in_json(&field.name) + in_json(text(field)))
            .sum();
        assert!(bytes <= MAX_LIST_BYTES, "{bytes} bytes of the list");
        assert!(entries.len() <= MAX_ENTRIES, "{} entries", entries.len());
        assert!(
            entries
                .iter()
                .all(|field| field.name.starts_with("metadata.")),
            "none has another name"
        );
        let left = i64::try_from(100 - entries.len()).unwrap();
        assert_eq!(left_out.name, "left_out.metadata", "the rest is counted");
        assert!(matches!(left_out.value, Value::Integer(count) if count == left));
    }

    #[test]
    fn what_is_kept_without_the_plugin_is_money_and_identity_and_no_text_of_a_caller() {
        for (name, kept) in [
            ("id", true),
            ("tenant", true),
            ("usage.output_tokens", true),
            ("attempts.0.status", true),
            ("attempts.0.model", false),
            ("attempts.0.error", false),
            ("metadata.id", false),
            ("user", false),
            ("session", false),
            ("client.address", false),
            ("refusal.message", false),
            ("overdrawn.user:ann", false),
            ("tags.tenant", false),
            ("tenants", false),
        ] {
            assert_eq!(is_kept(name), kept, "{name}");
        }
    }
}
