//! A builder for the fields of a receipt. Every field is added through it, so that no foreign text gets onto a receipt
//! uncut, whatever the fields become.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use super::put::{Name, Put, Scalar};
use crate::text::{cut, in_json};

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
const KEPT_OF_ATTEMPTS: [&str; 4] = ["upstream", "credential", "request_id", "status"];

/// Longest name of a model in a list of models, in bytes of JSON.
const MAX_MODEL_BYTES: usize = 128;

/// The fields of a receipt, on their way to what they are put into.
pub(super) struct Fields<P>(P);

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

impl<P: Put> Fields<P> {
    /// Returns a builder that puts fields into something.
    pub(super) fn of(put: P) -> Self {
        Self(put)
    }

    /// Returns what the fields were put into.
    pub(super) fn done(self) -> P {
        self.0
    }

    /// Adds the fields of an object. Each object is added once. One without fields is left out.
    pub(super) fn object(&mut self, name: &'static str, add: impl FnOnce(&mut Self)) {
        self.open(Name::Own(name), add);
    }

    /// Adds the fields of an entry with a number.
    pub(super) fn numbered(&mut self, number: usize, add: impl FnOnce(&mut Self)) {
        self.open(Name::Number(number), add);
    }

    /// Adds the fields of an object that an operator or an author named.
    pub(super) fn named(&mut self, name: &str, add: impl FnOnce(&mut Self)) {
        self.open(Name::Other(name), add);
    }

    /// Adds a text of the gateway or its operator, uncut.
    pub(super) fn own(&mut self, name: &'static str, value: &str) {
        self.0.put(Name::Own(name), Scalar::Text(value));
    }

    /// Adds a text of the gateway or its operator under a name that an operator or an author chose, uncut.
    pub(super) fn own_under(&mut self, name: &str, value: &str) {
        self.0.put(Name::Other(name), Scalar::Text(value));
    }

    /// Adds a foreign text, cut. Each kind of text occurs once on a receipt.
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.own(name, &cut(MAX_TEXT_BYTES, value));
    }

    /// Adds the name of a model in a list of models, cut.
    pub(super) fn model(&mut self, name: &'static str, model: &str) {
        self.own(name, &cut(MAX_MODEL_BYTES, model));
    }

    pub(super) fn maybe_text(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.0.put(Name::Own(name), Scalar::Integer(value));
    }

    pub(super) fn maybe_number(&mut self, name: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            self.number(name, value);
        }
    }

    pub(super) fn number_above_zero(&mut self, name: &'static str, value: u64) {
        if value > 0 {
            self.number(name, value);
        }
    }

    pub(super) fn flag(&mut self, name: &'static str, value: bool) {
        self.0.put(Name::Own(name), Scalar::Flag(value));
    }

    /// Adds a list whose length and names a caller or a plugin chooses, up to its limits. An entry keeps the name of its list or is
    /// left out, so that an audit plugin can recognize it.
    pub(super) fn entries<'e>(
        &mut self,
        list: &'static str,
        entries: impl Iterator<Item = (Cow<'e, str>, Scalar<'e>)>,
    ) {
        let (mut count, mut room, mut left) = (0, MAX_LIST_BYTES, 0);
        self.object(list, |fields| {
            for (name, value) in entries {
                let name = cut_name(list, &name);
                let text = match value {
                    Scalar::Text(text) => cut(MAX_TEXT_BYTES, text),
                    Scalar::Integer(_) | Scalar::Flag(_) => Cow::Borrowed(""),
                };
                let bytes = list.len() + 1 + in_json(&name) + in_json(&text);
                if count == MAX_ENTRIES || bytes > room {
                    left += 1;
                    continue;
                }
                count += 1;
                room -= bytes;
                let value = match value {
                    Scalar::Text(_) => Scalar::Text(&text),
                    other => other,
                };
                fields.0.put(Name::Other(&name), value);
            }
        });
        self.tell_left_out(list, left);
    }

    /// Adds texts that are of no use if they are cut, under numbers, up to the limits of a list.
    pub(super) fn whole_texts(
        &mut self,
        list: &'static str,
        texts: impl Iterator<Item = impl Display>,
    ) {
        let (mut index, mut room, mut left) = (0, MAX_LIST_BYTES, 0);
        let mut text = String::new();
        self.object(list, |fields| {
            for next in texts {
                text.clear();
                let _ = write!(text, "{next}");
                let bytes = in_json(&text);
                if index == MAX_ENTRIES || bytes > room.min(MAX_TEXT_BYTES) {
                    left += 1;
                    continue;
                }
                room -= bytes;
                fields.0.put(Name::Number(index), Scalar::Text(&text));
                index += 1;
            }
        });
        self.tell_left_out(list, left);
    }

    /// Adds the number of entries left out of a list whose first entries were added.
    pub(super) fn left_out(&mut self, list: &'static str, entries: usize) {
        self.tell_left_out(list, entries.saturating_sub(MAX_ENTRIES));
    }

    fn tell_left_out(&mut self, list: &'static str, left: usize) {
        if let Ok(left @ 1..) = i64::try_from(left) {
            self.0.put_left_out(list, left);
        }
    }

    fn open(&mut self, name: Name<'_>, add: impl FnOnce(&mut Self)) {
        let opened = self.0.open(name);
        add(self);
        self.0.close(opened);
    }
}

/// Cuts the name of an entry, which counts with the name of its list.
fn cut_name<'a>(list: &str, name: &'a str) -> Cow<'a, str> {
    let whole = list.len() + 1 + name.len();
    // In JSON a byte takes at most six.
    if whole <= MAX_NAME_BYTES / 6 || list.len() + 1 + in_json(name) <= MAX_NAME_BYTES {
        return Cow::Borrowed(name);
    }
    let whole = [list, ".", name].concat();
    let kept = cut(MAX_NAME_BYTES, &whole);
    Cow::Owned(kept.get(list.len() + 1..).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use witgate_runtime::{Field, Value};

    use super::super::put::List;
    use super::*;

    fn text(field: &Field) -> &str {
        match &field.value {
            Value::Text(text) => text,
            Value::Integer(_) | Value::Flag(_) => "",
        }
    }

    #[test]
    fn whatever_is_written_the_texts_have_a_bound() {
        let mut fields = Fields::of(List::default());
        fields.text("method", &"A".repeat(60_000));
        fields.own("id", &"a".repeat(5000));
        let entry = |index: usize| {
            let value = "\u{1}".repeat(50 * (index % 3));
            (index.to_string(), value)
        };
        let entries: Vec<_> = (0..100).map(entry).collect();
        let pairs = entries
            .iter()
            .map(|(name, value)| (Cow::Borrowed(name.as_str()), Scalar::Text(value)));
        fields.entries("metadata", pairs);
        let list = fields.done().into_fields();
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
