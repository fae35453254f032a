//! A plain reader of requests with `serde_json`, which shares nothing with the scan.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object, in order, as JSON text.
pub(crate) struct Members(pub(crate) Vec<(String, Box<RawValue>)>);

/// The verdict of the reference on a document.
#[derive(Debug)]
pub(crate) enum Judged {
    /// No JSON object.
    Invalid,
    /// JSON that the rules of `Head::scan` refuse.
    Refused,
    Read(Read),
}

/// The facts that the reference reads.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub(crate) members: Vec<(String, String)>,
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) message_count: usize,
    pub(crate) tool_count: usize,
    pub(crate) user_id: Option<String>,
}

pub(crate) fn judge(document: &[u8]) -> Judged {
    let Ok(Members(members)) = serde_json::from_slice::<Members>(document) else {
        return Judged::Invalid;
    };
    read(&members).map_or(Judged::Refused, Judged::Read)
}

fn read(members: &[(String, Box<RawValue>)]) -> Option<Read> {
    let mut read = Read::default();
    for (index, (name, value)) in members.iter().enumerate() {
        if members[..index].iter().any(|(earlier, _)| earlier == name) {
            return None;
        }
        let json = value.get();
        match name.as_str() {
            "model" if json.starts_with('"') => {
                read.model = Some(serde_json::from_str(json).ok()?);
            }
            "stream" => read.stream = json == "true",
            "max_tokens" => read.max_tokens = whole(json),
            "messages" => read.message_count = elements(json),
            "tools" => read.tool_count = elements(json),
            "metadata" => {
                let Ok(Some(Members(metadata))) = serde_json::from_str::<Option<Members>>(json)
                else {
                    continue;
                };
                let mut ids = metadata.iter().filter(|(name, _)| name == "user_id");
                if let Some((_, value)) = ids.next()
                    && value.get().starts_with('"')
                {
                    read.user_id = Some(serde_json::from_str(value.get()).ok()?);
                }
                if ids.next().is_some() {
                    return None;
                }
            }
            _ => {}
        }
    }
    read.members = members
        .iter()
        .map(|(name, value)| (name.clone(), value.get().to_owned()))
        .collect();
    Some(read)
}

/// Through a decimal of 128 bits, which holds what the documents have exactly.
fn whole(json: &str) -> Option<u64> {
    let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: i128 = format!("{integer}{fraction}").parse().ok()?;
    if digits == 0 {
        return Some(0);
    }
    let exponent = exponent.parse::<i32>().ok()? - i32::try_from(fraction.len()).ok()?;
    let scale = 10_i128.checked_pow(exponent.unsigned_abs())?;
    let value = if exponent < 0 {
        (digits % scale == 0).then_some(digits / scale)?
    } else {
        digits.checked_mul(scale)?
    };
    u64::try_from(value).ok()
}

fn elements(json: &str) -> usize {
    serde_json::from_str::<Vec<&RawValue>>(json).map_or(0, |elements| elements.len())
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
