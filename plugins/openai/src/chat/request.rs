//! The request.

use witgate_plugin::json::Json;

use super::{messages, options, tools};
use crate::members::Members;
use crate::out::Out;
use crate::place::Place;
use crate::refused::Refused;
use crate::settings::Settings;

/// A request of the Messages API, and what its answer has to know of the client's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The body of the request.
    pub(crate) body: String,
    /// `true` if a stream ends with a chunk of its usage.
    pub(crate) include_usage: bool,
}

/// Turns a request into one of the Messages API.
///
/// # Errors
///
/// The request is malformed, or asks for something that the Messages API has no words for.
pub(crate) fn translate(
    body: &Json<'_>,
    length: usize,
    settings: &Settings,
) -> Result<Asked, Refused> {
    let mut members = Members::of(body, Place::ROOT, &settings.ignore)
        .map_err(|_| Refused::invalid("body", "a JSON object"))?;
    let mut out = Out::with_capacity(length + 256);
    let mut include_usage = false;
    let mut translated = Ok(());
    out.object(|out| {
        translated = write(&mut members, out, settings, &mut include_usage);
    });
    translated?;
    members.end()?;
    Ok(Asked {
        body: out.finish(),
        include_usage,
    })
}

fn write(
    members: &mut Members<'_, '_>,
    out: &mut Out,
    settings: &Settings,
    include_usage: &mut bool,
) -> Result<(), Refused> {
    out.text_member("model", settings.model(members.required_text("model")?));
    out.member("max_tokens", max_tokens(members, settings)?);
    let is_stream = members.flag("stream")? == Some(true);
    *include_usage = stream_options(members)?;
    if is_stream {
        out.member("stream", true);
    }
    options::write(members, out)?;
    tools::write(members, out)?;
    messages::write(members, out)
}

/// Returns the most tokens of the answer.
fn max_tokens(members: &mut Members<'_, '_>, settings: &Settings) -> Result<u64, Refused> {
    let newer = members.whole("max_completion_tokens")?;
    let older = members.whole("max_tokens")?;
    match (newer, older) {
        (Some(newer), Some(older)) if newer != older => Err(Refused::invalid(
            "max_tokens",
            "left out or the same as `max_completion_tokens`",
        )),
        (newer, older) => Ok(newer.or(older).unwrap_or(settings.max_tokens)),
    }
}

/// Returns whether the stream is to end with a chunk of its usage.
fn stream_options(members: &mut Members<'_, '_>) -> Result<bool, Refused> {
    let Some(options) = members.take("stream_options") else {
        return Ok(false);
    };
    let around = members.place();
    let place = around.member("stream_options");
    let mut options = Members::of(options, place, members.ignored())?;
    let include_usage = options.flag("include_usage")? == Some(true);
    if options.flag("include_obfuscation")? == Some(true) {
        options.unsupported("include_obfuscation", "chunks are not padded; leave it out")?;
    }
    options.end()?;
    Ok(include_usage)
}
