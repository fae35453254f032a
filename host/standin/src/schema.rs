//! Creates a value that fits a JSON schema, for tool inputs and for structured output.
//!
//! Supports types, `enum`, `const`, `default`, `items`, `properties`, local `$ref`s and the first branch of a choice, which
//! covers the schemas that clients send. Patterns and formats are ignored.

use serde_json::{Map, Value, json};

/// Maximum depth of a schema. A deeper one refers to itself and is cut off with null.
const MAX_DEPTH: usize = 16;

/// Values for members with well-known names, so that a tool call does something harmless and visible.
const SAMPLES: &[(&str, &str)] = &[
    ("command", "echo hi"),
    ("description", "Say hi"),
    ("file_path", "/tmp/standin.txt"),
    ("path", "."),
    ("pattern", "*"),
    ("url", "https://example.com/"),
    ("prompt", "Say hi."),
    ("content", "hi\n"),
    ("subagent_type", "general-purpose"),
    ("location", "Lisbon"),
    ("city", "Lisbon"),
];

/// A schema with the context to fill it.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    root: &'a Value,
    /// Value of strings without a better one.
    text: &'a str,
}

/// The members of the outermost object to fill in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Members {
    All,
    /// The required ones, and a `description` for people to see.
    Required,
}

// === impl Form ===

impl<'a> Form<'a> {
    pub(super) const fn new(root: &'a Value, text: &'a str) -> Self {
        Self { root, text }
    }

    pub(super) fn fill(self, members: Members) -> Value {
        self.value("", self.root, members, 0)
    }

    fn value(self, name: &str, schema: &Value, members: Members, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return Value::Null;
        }
        if let Some(given) = ["const", "default"]
            .into_iter()
            .find_map(|key| schema.get(key))
        {
            return given.clone();
        }
        if let Some(choice) = first(schema.get("enum")) {
            return choice.clone();
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| {
                self.value(name, target, members, depth + 1)
            });
        }
        if let Some(branch) = ["anyOf", "oneOf", "allOf"]
            .into_iter()
            .find_map(|key| first(schema.get(key)))
        {
            return self.value(name, branch, members, depth + 1);
        }
        match kind(schema) {
            "object" => self.object(schema, members, depth),
            "array" => {
                let least = schema
                    .get("minItems")
                    .and_then(Value::as_u64)
                    .unwrap_or(1)
                    .min(100);
                let item = schema.get("items").unwrap_or(&Value::Null);
                (0..least)
                    .map(|_| self.value(name, item, Members::All, depth + 1))
                    .collect()
            }
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ => Value::String(self.string(name, schema)),
        }
    }

    fn object(self, schema: &Value, members: Members, depth: usize) -> Value {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let wanted = |name: &str| {
            members == Members::All || name == "description" || required.contains(&name)
        };
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let filled: Map<String, Value> = properties
            .filter(|(name, _)| wanted(name))
            .map(|(name, schema)| (name.clone(), self.value(name, schema, members, depth + 1)))
            .collect();
        Value::Object(filled)
    }

    fn string(self, name: &str, schema: &Value) -> String {
        let sample = SAMPLES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, sample)| *sample);
        let longest = schema
            .get("maxLength")
            .and_then(Value::as_u64)
            .and_then(|length| usize::try_from(length).ok());
        let text = sample.unwrap_or(self.text);
        text.chars().take(longest.unwrap_or(usize::MAX)).collect()
    }
}

/// Returns the first type that is not null, or `object` if only properties are given.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap_or("null"),
        _ if schema.get("properties").is_some() => "object",
        _ => "string",
    }
}

fn first(value: Option<&Value>) -> Option<&Value> {
    value?.as_array()?.first()
}
