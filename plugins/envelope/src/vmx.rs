//! The `vmx` member, field by field. Every refusal is a 400 that names the path of the field.

use std::borrow::Cow;

use witgate_plugin::json::{self, Json};
use witgate_plugin::types::{Attribute, Refusal};

/// The fields of a `vmx` member. A field that is `null` counts as absent.
#[derive(Debug, Default)]
pub(crate) struct Vmx {
    pub(crate) correlation_id: Option<String>,
    pub(crate) metadata: Vec<Attribute>,
    pub(crate) timeout_ms: Option<u32>,
    /// Arguments as names with JSON texts.
    pub(crate) provider_args: Vec<Attribute>,
    pub(crate) secondary_index: Option<u32>,
    /// JSON text of an object.
    pub(crate) overrides: Option<String>,
}

/// The names of the fields.
const FIELDS: [&str; 6] = [
    "correlationId",
    "metadata",
    "timeoutMs",
    "providerArgs",
    "secondaryModelIndex",
    "resourceConfigOverrides",
];
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=600_000;
const MAX_ID_BYTES: usize = 256;
/// Maximum length of the member, in bytes. Reading it must take much less time than a call has.
const MAX_MEMBER_BYTES: usize = 64 * 1024;
/// Maximum number of entries in the metadata, and of arguments.
const MAX_ENTRIES: usize = 256;

// === impl Vmx ===

impl Vmx {
    pub(crate) fn parse(json: &str) -> Result<Self, Refusal> {
        if json.len() > MAX_MEMBER_BYTES {
            return Err(Refusal::too_much(
                "vmx",
                &format!("{MAX_MEMBER_BYTES} bytes"),
            ));
        }
        let Ok(Json::Table(fields)) = json::parse(json) else {
            return Err(wrong("vmx", "an object"));
        };
        let mut vmx = Self::default();
        let mut seen = [false; FIELDS.len()];
        for (name, value) in fields {
            if let Some(at) = FIELDS.iter().position(|field| *field == name)
                && let Some(seen) = seen.get_mut(at)
                && std::mem::replace(seen, true)
            {
                return Err(twice(&format!("vmx.{name}")));
            }
            if value == Json::Null {
                continue;
            }
            match &*name {
                "correlationId" => vmx.correlation_id = Some(text("vmx.correlationId", value)?),
                "metadata" => vmx.metadata = metadata(value)?,
                "timeoutMs" => vmx.timeout_ms = Some(timeout(&value)?),
                "providerArgs" => vmx.provider_args = arguments(value)?,
                "secondaryModelIndex" => vmx.secondary_index = Some(index(&value)?),
                "resourceConfigOverrides" => match value {
                    Json::Table(_) => vmx.overrides = Some(value.to_string()),
                    _ => return Err(wrong("vmx.resourceConfigOverrides", "an object")),
                },
                _ => {
                    return Err(Refusal::invalid(format!("vmx.{name}: unknown field")));
                }
            }
        }
        Ok(vmx)
    }
}

/// Returns the correlation id, if it can go into a response header.
pub(crate) fn checked_id(id: String, path: &str) -> Result<String, Refusal> {
    let visible = id
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if id.trim().len() == id.len() && !id.is_empty() && id.len() <= MAX_ID_BYTES && visible {
        return Ok(id);
    }
    Err(wrong(
        path,
        &format!("1 to {MAX_ID_BYTES} visible ASCII characters"),
    ))
}

fn metadata(value: Json<'_>) -> Result<Vec<Attribute>, Refusal> {
    let Json::Table(entries) = value else {
        return Err(wrong("vmx.metadata", "an object of strings"));
    };
    at_most("vmx.metadata", &entries)?;
    let mut metadata = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let value = text(&format!("vmx.metadata.{key}"), value)?;
        put("vmx.metadata", &mut metadata, key.into_owned(), value)?;
    }
    Ok(metadata)
}

fn timeout(value: &Json<'_>) -> Result<u32, Refusal> {
    let milliseconds = value.as_u64().filter(|number| TIMEOUT_MS.contains(number));
    let milliseconds = milliseconds.and_then(|number| u32::try_from(number).ok());
    milliseconds.ok_or_else(|| wrong("vmx.timeoutMs", "a whole number from 100 to 600000"))
}

fn index(value: &Json<'_>) -> Result<u32, Refusal> {
    let index = value.as_u64().and_then(|number| u32::try_from(number).ok());
    index.ok_or_else(|| wrong("vmx.secondaryModelIndex", "a whole number, 0 or more"))
}

fn arguments(value: Json<'_>) -> Result<Vec<Attribute>, Refusal> {
    let Json::Table(entries) = value else {
        return Err(wrong("vmx.providerArgs", "an object"));
    };
    at_most("vmx.providerArgs", &entries)?;
    let mut arguments = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        check_argument(&name, &value)?;
        let value = value.to_string();
        put("vmx.providerArgs", &mut arguments, name.into_owned(), value)?;
    }
    Ok(arguments)
}

/// Checks the number of entries, which bounds the time of the search for equal names.
fn at_most(path: &str, entries: &[(Cow<'_, str>, Json<'_>)]) -> Result<(), Refusal> {
    if entries.len() > MAX_ENTRIES {
        return Err(Refusal::too_much(path, &format!("{MAX_ENTRIES} entries")));
    }
    Ok(())
}

/// Adds a pair. Two with the same name are refused, because another reader might take the other one.
fn put(path: &str, pairs: &mut Vec<Attribute>, name: String, value: String) -> Result<(), Refusal> {
    if pairs.iter().any(|(known, _)| *known == name) {
        return Err(twice(&format!("{path}.{name}")));
    }
    pairs.push((name, value));
    Ok(())
}

fn twice(path: &str) -> Refusal {
    Refusal::invalid(format!("{path}: appears more than once"))
}

/// Checks the type of an argument for a member that the host reads. The host would count an edit of another type as this
/// plugin's fault.
fn check_argument(name: &str, value: &Json<'_>) -> Result<(), Refusal> {
    let (right, wanted) = match name {
        "max_tokens" => (value.as_u64().is_some(), "a whole number, 0 or more"),
        "tools" => (matches!(value, Json::List(_)), "a list"),
        _ => return Ok(()),
    };
    if right || *value == Json::Null {
        return Ok(());
    }
    Err(wrong(&format!("vmx.providerArgs.{name}"), wanted))
}

fn text(path: &str, value: Json<'_>) -> Result<String, Refusal> {
    match value {
        Json::Text(text) => Ok(text.into_owned()),
        _ => Err(wrong(path, "a string")),
    }
}

fn wrong(path: &str, right: &str) -> Refusal {
    Refusal::invalid(format!("{path}: must be {right}"))
}
