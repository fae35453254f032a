//! The options of a request: everything but its messages and tools.

use witgate_plugin::json::Json;

use crate::members::Members;
use crate::out::Out;
use crate::refused::Refused;

/// Numbers whose value 0 says nothing.
const PENALTIES: [&str; 2] = ["frequency_penalty", "presence_penalty"];

/// Writes what the Messages API has words for, and takes what says nothing.
///
/// # Errors
///
/// The Messages API has no words for it.
pub(super) fn write(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    stop(members, out)?;
    sampling(members, out)?;
    user(members, out)?;
    let effort = members.text("reasoning_effort")?;
    let format = response_format(members)?;
    effort_and_format(effort, format, out)?;
    service_tier(members, out)?;
    idle(members)
}

/// Writes the tier of service.
///
/// # Errors
///
/// The Messages API has no such tier.
pub(crate) fn service_tier(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    match members.text("service_tier")? {
        None | Some("auto") => {}
        Some("default") => {
            out.text_member("service_tier", "standard_only");
        }
        Some(_) => members.unsupported("service_tier", "use `auto` or `default`")?,
    }
    Ok(())
}

fn stop(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    let expected = || Refused::invalid("stop", "a string or an array of strings");
    match members.take("stop") {
        None => {}
        Some(Json::Text(one)) => {
            out.name("stop_sequences").array(|out| {
                out.string(one);
            });
        }
        Some(Json::List(several)) => {
            let texts: Option<Vec<_>> = several.iter().map(Json::as_str).collect();
            let texts = texts.ok_or_else(expected)?;
            out.name("stop_sequences").array(|out| {
                for text in texts {
                    out.string(text);
                }
            });
        }
        Some(_) => return Err(expected()),
    }
    Ok(())
}

/// Writes the temperature and its like.
///
/// # Errors
///
/// The Messages API has no such temperature.
pub(crate) fn sampling(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    if let Some(temperature) = members.number("temperature")? {
        // The scale of the Messages API ends at 1.
        if is_part_of_one(temperature) {
            out.member("temperature", temperature);
        } else {
            members.unsupported("temperature", "use a number from 0 to 1")?;
        }
    }
    if let Some(top_p) = members.number("top_p")? {
        out.member("top_p", top_p);
    }
    Ok(())
}

/// Returns whether a number as it is written is zero. Floats would be a tenth of this plugin.
fn is_zero(number: &str) -> bool {
    let digits = number.split(['e', 'E']).next().unwrap_or_default();
    digits.bytes().all(|byte| b"-0.".contains(&byte))
}

/// Returns whether a number as it is written is from 0 to 1. One with an exponent counts as more.
fn is_part_of_one(number: &str) -> bool {
    match number.split_once('.') {
        Some(("0", rest)) => rest.bytes().all(|byte| byte.is_ascii_digit()),
        Some(("1", rest)) => rest.bytes().all(|byte| byte == b'0'),
        Some(_) => is_zero(number),
        None => number == "1" || is_zero(number),
    }
}

/// Writes the end user, whom a client may name in two members.
///
/// # Errors
///
/// The two differ.
pub(crate) fn user(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    let newer = members.text("safety_identifier")?;
    let older = members.text("user")?;
    if newer.is_some() && older.is_some() && newer != older {
        return Err(Refused::invalid(
            "user",
            "left out or the same as `safety_identifier`",
        ));
    }
    if let Some(user) = newer.or(older) {
        out.name("metadata").object(|out| {
            out.text_member("user_id", user);
        });
    }
    Ok(())
}

/// Writes the effort of thinking and the format of the answer.
///
/// # Errors
///
/// The effort is unknown.
pub(crate) fn effort_and_format(
    effort: Option<&str>,
    format: Format<'_>,
    out: &mut Out,
) -> Result<(), Refused> {
    let effort = match effort {
        None => None,
        Some("none") => {
            out.member("thinking", r#"{"type":"disabled"}"#);
            None
        }
        Some("minimal") => {
            out.member("thinking", r#"{"type":"disabled"}"#);
            Some("low")
        }
        Some(effort @ ("low" | "medium" | "high" | "xhigh" | "max")) => {
            out.member("thinking", r#"{"type":"adaptive"}"#);
            Some(effort)
        }
        Some(_) => {
            return Err(Refused::invalid(
                "reasoning_effort",
                "`none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`",
            ));
        }
    };
    let schema = match format {
        Format::Text => None,
        Format::Schema(schema) => Some(schema),
    };
    if effort.is_some() || schema.is_some() {
        out.name("output_config").object(|out| {
            if let Some(effort) = effort {
                out.text_member("effort", effort);
            }
            if let Some(schema) = schema {
                out.name("format").object(|out| {
                    out.text_member("type", "json_schema");
                    out.member("schema", schema);
                });
            }
        });
    }
    Ok(())
}

/// The format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format<'j> {
    Text,
    /// JSON that matches a schema.
    Schema(&'j Json<'j>),
}

// === impl Format ===

impl<'j> Format<'j> {
    /// Takes a schema and what is said about it. Its name is a label, and every schema is followed strictly.
    ///
    /// # Errors
    ///
    /// The schema is missing.
    pub(crate) fn schema(given: &mut Members<'_, 'j>) -> Result<Self, Refused> {
        given.text("name")?;
        given.flag("strict")?;
        let place = given.place();
        let schema = given.take("schema");
        let missing = || Refused::invalid(place.member("schema"), "an object, and is missing");
        schema.map(Self::Schema).ok_or_else(missing)
    }
}

/// Takes the format of the answer.
fn response_format<'j>(members: &mut Members<'_, 'j>) -> Result<Format<'j>, Refused> {
    let Some(format) = members.take("response_format") else {
        return Ok(Format::Text);
    };
    let around = members.place();
    let place = around.member("response_format");
    let mut format = Members::of(format, place, members.ignored())?;
    let schema = match format.required_text("type")? {
        "text" => Format::Text,
        "json_schema" => {
            let Some(given) = format.take("json_schema") else {
                return Err(Refused::invalid(
                    "response_format.json_schema",
                    "an object, and is missing",
                ));
            };
            let place = place.member("json_schema");
            let mut given = Members::of(given, place, members.ignored())?;
            let schema = Format::schema(&mut given)?;
            given.end()?;
            schema
        }
        _ => {
            format.unsupported("type", "use `text`, or `json_schema` with a schema")?;
            Format::Text
        }
    };
    format.end()?;
    Ok(schema)
}

/// Takes members that say what is true in any case.
fn idle(members: &mut Members<'_, '_>) -> Result<(), Refused> {
    if members.whole("n")?.is_some_and(|n| n != 1) {
        members.unsupported(
            "n",
            "an answer has one choice; leave it out, and ask several times",
        )?;
    }
    for name in PENALTIES {
        let penalty = members.number(name)?;
        if penalty.is_some_and(|penalty| !is_zero(penalty)) {
            members.unsupported(name, "the Messages API has no penalties; leave it out")?;
        }
    }
    for name in ["logprobs", "store"] {
        if members.flag(name)? == Some(true) {
            members.unsupported(name, "the Messages API has no such thing; leave it out")?;
        }
    }
    for name in ["logit_bias", "metadata"] {
        let given = members.take(name);
        if given.is_some_and(|given| *given != Json::Table(Vec::new())) {
            members.unsupported(name, "the Messages API has no such thing; leave it out")?;
        }
    }
    if members.text("verbosity")?.is_some_and(|it| it != "medium") {
        members.unsupported(
            "verbosity",
            "the Messages API has no such thing; leave it out",
        )?;
    }
    let modalities = members.list("modalities")?;
    let is_text = |modality: &Json<'_>| modality.as_str() == Some("text");
    if modalities.is_some_and(|given| !given.iter().all(is_text)) {
        members.unsupported(
            "modalities",
            "answers are texts; use [\"text\"], or leave it out",
        )?;
    }
    Ok(())
}
