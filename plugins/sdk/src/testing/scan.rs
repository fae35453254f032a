//! The scan of a body, as the host does it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;

use super::request::Head;
use crate::types::Attribute;

/// Estimated bytes of prompt text per token.
const TEXT_BYTES_PER_TOKEN: usize = 4;
/// Estimated bytes of base64 per token.
const SOLID_BYTES_PER_TOKEN: usize = 512;
/// Length from which a part of a string without a blank, quote or escape counts as data and not as text, in bytes.
const SOLID_RUN: usize = 1024;

/// Top-level members in which a `model` is not a further model of this request.
const ELSEWHERE: [&str; 5] = ["model", "messages", "system", "metadata", "requests"];
/// Members whose values are free-form, so that a `model` in them means something else.
const OWN_NAMES: [&str; 4] = ["input", "input_schema", "input_examples", "schema"];

/// The facts of a body that is one JSON object.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) head: Head,
    pub(super) tools: Vec<String>,
    /// The top-level members by name, each with its raw JSON text.
    pub(super) members: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Metadata {
    user_id: Option<String>,
}

type Members = BTreeMap<String, Box<RawValue>>;

// === impl Scan ===

impl Scan {
    /// Reads a body, or returns `None` if it is not a JSON object. A member of another type than the API has counts as
    /// absent, and is an attribute `unread.NAME` with its type.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let members: Members = serde_json::from_slice(body).ok()?;
        let tools: Vec<Value> = typed(&members, "tools").unwrap_or_default();
        let metadata: Option<Metadata> = typed(&members, "metadata");
        Some(Self {
            head: Head {
                model: typed(&members, "model"),
                stream: typed(&members, "stream").unwrap_or(false),
                max_tokens: max_tokens(&members),
                message_count: count(&members, "messages"),
                tool_count: count(&members, "tools"),
                user_id: metadata.and_then(|metadata| metadata.user_id),
                body_bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
                prompt_tokens: prompt_tokens(&members),
                attributes: unread(&members)
                    .into_iter()
                    .chain(models(&members))
                    .collect(),
            },
            tools: tools.iter().filter_map(name).collect(),
            members: members
                .into_iter()
                .map(|(name, value)| (name, value.get().to_owned()))
                .collect(),
        })
    }
}

/// Returns the members that the host can't read, as attributes of the head with their types.
fn unread(members: &Members) -> Vec<Attribute> {
    let mut unread = Vec::new();
    for (name, raw) in members {
        let Some(kind) = kind(raw.get()) else {
            continue;
        };
        let read = match name.as_str() {
            "model" => kind == "string",
            "stream" => kind == "boolean",
            "max_tokens" => max_tokens(members).is_some(),
            "messages" | "tools" => kind == "array",
            _ => true,
        };
        if !read {
            unread.push((format!("unread.{name}"), kind.to_owned()));
        }
    }
    unread
}

/// Returns the type of a value, or `None` for `null`, which counts as absent.
fn kind(json: &str) -> Option<&'static str> {
    match json.as_bytes().first()? {
        b'"' => Some("string"),
        b't' | b'f' => Some("boolean"),
        b'{' => Some("object"),
        b'[' => Some("array"),
        b'n' => None,
        _ => Some("number"),
    }
}

/// Returns `max_tokens`, in whichever form the whole number is written.
fn max_tokens(members: &Members) -> Option<u64> {
    let text = members.get("max_tokens")?.get();
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let power: i64 = power.parse().ok()?;
    let mut before = i64::try_from(whole.len()).ok()?.checked_add(power)?;
    let mut value: u64 = 0;
    for digit in whole.chars().chain(part.chars()) {
        let digit = digit.to_digit(10)?;
        if before > 0 {
            value = value.checked_mul(10)?.checked_add(digit.into())?;
        } else if digit != 0 {
            return None;
        }
        before -= 1;
    }
    while before > 0 && value > 0 {
        value = value.checked_mul(10)?;
        before -= 1;
    }
    (!negative || value == 0).then_some(value)
}

/// Returns the models that are named outside of `model`, as attributes of the head.
fn models(members: &Members) -> Vec<Attribute> {
    let mut found = Vec::new();
    for (name, raw) in members {
        let Ok(value) = serde_json::from_str::<Value>(raw.get()) else {
            continue;
        };
        match value {
            Value::Object(_) | Value::Array(_) if !ELSEWHERE.contains(&name.as_str()) => {
                add_models(&value, &mut found);
            }
            Value::String(_) if name == "fallbacks" => {
                found.push(("open.model".to_owned(), name.clone()));
            }
            _ => {}
        }
    }
    found
}

fn add_models(value: &Value, found: &mut Vec<Attribute>) {
    match value {
        Value::Array(elements) => elements.iter().for_each(|it| add_models(it, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(model) if name == "model" => {
                        found.push(("also.model".to_owned(), model.clone()));
                    }
                    _ if OWN_NAMES.contains(&name.as_str()) => {}
                    _ => add_models(value, found),
                }
            }
        }
        _ => {}
    }
}

/// Returns the name of a tool, or `None` if it has none.
fn name(tool: &Value) -> Option<String> {
    Some(tool.get("name")?.as_str()?.to_owned())
}

/// Returns a member, or `None` if it is absent, `null` or of another type.
fn typed<T: DeserializeOwned>(members: &Members, name: &str) -> Option<T> {
    serde_json::from_str::<Option<T>>(members.get(name)?.get())
        .ok()
        .flatten()
}

/// Returns the number of elements of a list.
fn count(members: &Members, name: &str) -> u32 {
    let elements: Vec<IgnoredAny> = typed(members, name).unwrap_or_default();
    u32::try_from(elements.len()).unwrap_or(u32::MAX)
}

/// Returns the host's estimate of the prompt's size: a token for four bytes of text, and far fewer for base64. The host
/// looks at base64 in blocks of 64 bytes, so its estimate for an image may differ by some tokens.
fn prompt_tokens(members: &Members) -> u64 {
    let (mut text, mut data) = (0, 0);
    for name in ["messages", "system", "tools"] {
        let raw = members.get(name).map_or("", |value| value.get());
        let solid = solid(raw.as_bytes());
        data += solid;
        text += raw.len() - solid;
    }
    let tokens = text.div_ceil(TEXT_BYTES_PER_TOKEN) + data.div_ceil(SOLID_BYTES_PER_TOKEN);
    u64::try_from(tokens).unwrap_or(u64::MAX)
}

/// Returns the number of bytes in long runs without a blank, quote or escape. There is always a quote between two strings.
fn solid(json: &[u8]) -> usize {
    let is_plain = |byte: &u8| (0x21..0x80).contains(byte) && *byte != b'"' && *byte != b'\\';
    json.split(|byte| !is_plain(byte))
        .map(<[u8]>::len)
        .filter(|run| *run >= SOLID_RUN)
        .sum()
}
