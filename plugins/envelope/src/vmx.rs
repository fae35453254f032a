//! The `vmx` member, field by field. Every refusal is a 400 that names the path of the field.

use serde_json::Value;
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

const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=600_000;
const MAX_ID_BYTES: usize = 256;
/// Maximum length of the member, in bytes. Reading it must take much less time than a call has.
const MAX_MEMBER_BYTES: usize = 64 * 1024;
/// Maximum number of entries in the metadata.
const MAX_METADATA: usize = 256;

// === impl Vmx ===

impl Vmx {
    pub(crate) fn parse(json: &str) -> Result<Self, Refusal> {
        if json.len() > MAX_MEMBER_BYTES {
            return Err(Refusal::too_much(
                "vmx",
                &format!("{MAX_MEMBER_BYTES} bytes"),
            ));
        }
        let Ok(Value::Object(fields)) = serde_json::from_str(json) else {
            return Err(wrong("vmx", "an object"));
        };
        let mut vmx = Self::default();
        for (name, value) in fields {
            if value.is_null() {
                continue;
            }
            match name.as_str() {
                "correlationId" => vmx.correlation_id = Some(text("vmx.correlationId", value)?),
                "metadata" => vmx.metadata = metadata(value)?,
                "timeoutMs" => vmx.timeout_ms = Some(timeout(&value)?),
                "providerArgs" => vmx.provider_args = arguments(value)?,
                "secondaryModelIndex" => vmx.secondary_index = Some(index(&value)?),
                "resourceConfigOverrides" if value.is_object() => {
                    vmx.overrides = Some(value.to_string());
                }
                "resourceConfigOverrides" => {
                    return Err(wrong("vmx.resourceConfigOverrides", "an object"));
                }
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

fn metadata(value: Value) -> Result<Vec<Attribute>, Refusal> {
    let Value::Object(entries) = value else {
        return Err(wrong("vmx.metadata", "an object of strings"));
    };
    if entries.len() > MAX_METADATA {
        let most = format!("{MAX_METADATA} entries");
        return Err(Refusal::too_much("vmx.metadata", &most));
    }
    let entry = |(key, value)| {
        let value = text(&format!("vmx.metadata.{key}"), value)?;
        Ok((key, value))
    };
    entries.into_iter().map(entry).collect()
}

fn timeout(value: &Value) -> Result<u32, Refusal> {
    let milliseconds = value.as_u64().filter(|number| TIMEOUT_MS.contains(number));
    let milliseconds = milliseconds.and_then(|number| u32::try_from(number).ok());
    milliseconds.ok_or_else(|| wrong("vmx.timeoutMs", "a whole number from 100 to 600000"))
}

fn index(value: &Value) -> Result<u32, Refusal> {
    let index = value.as_u64().and_then(|number| u32::try_from(number).ok());
    index.ok_or_else(|| wrong("vmx.secondaryModelIndex", "a whole number, 0 or more"))
}

fn arguments(value: Value) -> Result<Vec<Attribute>, Refusal> {
    let Value::Object(arguments) = value else {
        return Err(wrong("vmx.providerArgs", "an object"));
    };
    let argument = |(name, value): (String, Value)| {
        check_argument(&name, &value)?;
        Ok((name, value.to_string()))
    };
    arguments.into_iter().map(argument).collect()
}

/// Checks the type of an argument for a member that the host reads. The host would count an edit of another type as this
/// plugin's fault.
fn check_argument(name: &str, value: &Value) -> Result<(), Refusal> {
    let (right, wanted) = match name {
        "max_tokens" => (value.is_u64(), "a whole number, 0 or more"),
        "tools" => (value.is_array(), "a list"),
        _ => return Ok(()),
    };
    if right || value.is_null() {
        return Ok(());
    }
    Err(wrong(&format!("vmx.providerArgs.{name}"), wanted))
}

fn text(path: &str, value: Value) -> Result<String, Refusal> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong(path, "a string")),
    }
}

fn wrong(path: &str, right: &str) -> Refusal {
    Refusal::invalid(format!("{path}: must be {right}"))
}
