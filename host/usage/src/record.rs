//! A receipt as the roll-ups read it.
//!
//! An audit plugin may have dropped or replaced any field, so a field of another type counts as absent, or as its text. Lines as the
//! gateway writes nearly all of them are read by [`scan`](self::scan), and any other by a parser of JSON.

mod lenient;
mod metadata;
mod scan;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use self::lenient::{Entries, Last, Number, Object, Text};
use self::metadata::Metadata;
pub(crate) use self::metadata::find;
pub(crate) use self::scan::Known;

/// The fields of a receipt that matter here.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Record<'a> {
    pub(crate) started_unix_ms: Number,
    #[serde(borrow)]
    pub(crate) endpoint: Text<'a>,
    #[serde(borrow)]
    pub(crate) outcome: Text<'a>,
    #[serde(borrow)]
    pub(crate) key: Text<'a>,
    #[serde(borrow)]
    pub(crate) tenant: Text<'a>,
    #[serde(borrow)]
    pub(crate) user: Text<'a>,
    #[serde(borrow)]
    pub(crate) session: Text<'a>,
    #[serde(borrow)]
    pub(crate) agent: Text<'a>,
    #[serde(borrow)]
    pub(crate) model: Object<Model<'a>>,
    #[serde(borrow)]
    attempts: Last<Attempt<'a>>,
    #[serde(borrow)]
    pub(crate) refusal: Object<Refusal<'a>>,
    pub(crate) usage: Object<Usage>,
    pub(crate) cost_picousd: Number,
    pub(crate) unpriced: Option<Value>,
    #[serde(borrow)]
    pub(crate) batch: Object<Batch<'a>>,
    #[serde(borrow)]
    pub(crate) crash: Object<Crash<'a>>,
    pub(crate) time: Object<Time>,
    pub(crate) left_out: Object<LeftOut>,
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Model<'a> {
    #[serde(borrow)]
    requested: Text<'a>,
    #[serde(borrow)]
    served: Text<'a>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Attempt<'a> {
    #[serde(borrow)]
    upstream: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal<'a> {
    #[serde(borrow)]
    pub(crate) blame: Text<'a>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    pub(crate) input_tokens: Number,
    pub(crate) output_tokens: Number,
    pub(crate) cache_read_input_tokens: Number,
    pub(crate) cache_creation_input_tokens: Number,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Batch<'a> {
    #[serde(borrow)]
    pub(crate) ended: Text<'a>,
    #[serde(borrow)]
    pub(crate) models: Entries<BatchModel<'a>>,
    pub(crate) errored: Number,
    pub(crate) expired: Number,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct BatchModel<'a> {
    #[serde(borrow)]
    pub(crate) model: Text<'a>,
    pub(crate) messages: Number,
    pub(crate) cost_picousd: Number,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Crash<'a> {
    #[serde(borrow)]
    pub(crate) owner: Text<'a>,
    pub(crate) tokens: Number,
    pub(crate) input_tokens: Number,
    pub(crate) output_tokens: Number,
    pub(crate) cached_tokens: Number,
    pub(crate) requests: Number,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Time {
    pub(crate) first_byte_us: Number,
    pub(crate) total_us: Number,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct LeftOut {
    pub(crate) receipts: Number,
}

// === impl Record ===

impl<'a> Record<'a> {
    /// Reads a line, or returns `None` if it is no receipt.
    pub(crate) fn parse(line: &'a [u8], known: &mut Known) -> Option<Self> {
        if let Some(record) = scan::record(line, known) {
            return Some(record);
        }
        Self::parse_any(line)
    }

    /// Reads a line that may be written in any way.
    fn parse_any(line: &'a [u8]) -> Option<Self> {
        // A list would be read as the fields in their order.
        let is_object = line.trim_ascii_start().starts_with(b"{");
        is_object.then(|| serde_json::from_slice(line).ok())?
    }

    /// Returns the model that served the exchange, as far as it is known.
    pub(crate) fn model(&self) -> Option<&str> {
        let named = self.model.0.as_ref();
        let sent = self.last_attempt().and_then(|attempt| attempt.model.get());
        named
            .and_then(|model| model.served.get())
            .or(sent)
            .or_else(|| named?.requested.get())
    }

    /// Returns the upstream that was asked last.
    pub(crate) fn upstream(&self) -> Option<&str> {
        self.last_attempt()?.upstream.get()
    }

    fn last_attempt(&self) -> Option<&Attempt<'a>> {
        self.attempts.0.as_ref()
    }

    /// Returns a value of the metadata. The dots of its name may have become objects.
    pub(crate) fn metadata(&self, name: &str) -> Option<Cow<'_, str>> {
        self.metadata.get(name)
    }

    /// Returns the shares of the models of a settled batch.
    pub(crate) fn batch_models(&self) -> Option<&BTreeMap<u64, BatchModel<'a>>> {
        let batch = self.batch.0.as_ref()?;
        batch.ended.get().map(|_| &batch.models.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_however_a_plugin_has_changed_it() {
        let line = br#"{"id":"r","started_unix_ms":"soon","key":7,"user":{"a":1},"session":null,
            "usage":{"input_tokens":5,"output_tokens":-1},"cost_picousd":3.5,"model":"gone","attempts":{"0":
            {"upstream":"a"},"10":{"upstream":"c","model":"m"},"9":{"upstream":"b"},"x":1},"metadata":
            {"team":{"name":"growth"},"a.b":true}}"#;
        let record = Record::parse_any(line).expect("it is an object");
        assert_eq!(record.started_unix_ms.get(), None, "a text is no time");
        assert_eq!(record.key.get(), Some("7"), "a number has a text");
        assert_eq!(record.user.get(), None, "an object has none");
        assert_eq!(record.cost_picousd.get(), None, "a fraction is no cost");
        let usage = record.usage.0.as_ref().expect("a usage");
        assert_eq!(usage.input_tokens.get(), Some(5), "a count");
        assert_eq!(usage.output_tokens.get(), None, "no count");
        assert_eq!(record.upstream(), Some("c"), "the last of all attempts");
        assert_eq!(record.model(), Some("m"), "that was sent");
        assert_eq!(
            record.metadata("team.name").as_deref(),
            Some("growth"),
            "nested"
        );
        assert_eq!(record.metadata("a.b").as_deref(), Some("true"), "dotted");
        assert_eq!(record.metadata("team"), None, "an object is no value");
        assert!(Record::parse_any(b"[1]").is_none(), "a list is no receipt");
        assert!(
            Record::parse_any(b"{\"id\":").is_none(),
            "neither is half a line"
        );
    }
}
