//! The request.

use witgate_plugin::json::Json;

use super::input;
use crate::chat::options::{self, Format};
use crate::chat::tools::{self, Choice};
use crate::members::Members;
use crate::out::Out;
use crate::place::Place;
use crate::refused::Refused;
use crate::settings::Settings;

/// Turns a request into one of the Messages API.
///
/// # Errors
///
/// The request is malformed, or asks for something that the Messages API has no words for.
pub(crate) fn translate(
    body: &Json<'_>,
    length: usize,
    settings: &Settings,
) -> Result<String, Refused> {
    let mut members = Members::of(body, Place::ROOT, &settings.ignore)
        .map_err(|_| Refused::invalid("body", "a JSON object"))?;
    let mut out = Out::with_capacity(length + 256);
    let mut written = Ok(());
    out.object(|out| written = write(&mut members, out, settings));
    written?;
    members.end()?;
    Ok(out.finish())
}

fn write(members: &mut Members<'_, '_>, out: &mut Out, settings: &Settings) -> Result<(), Refused> {
    out.text_member("model", settings.model(members.required_text("model")?));
    let most = members.whole("max_output_tokens")?;
    out.member("max_tokens", most.unwrap_or(settings.max_tokens));
    if members.flag("stream")? == Some(true) {
        out.member("stream", true);
    }
    options::sampling(members, out)?;
    options::user(members, out)?;
    options::service_tier(members, out)?;
    let effort = effort(members)?;
    let format = text(members)?;
    options::effort_and_format(effort, format, out)?;
    let choice = choice(members)?;
    tools::write_all(members, choice, function, out)?;
    idle(members)?;
    input::write(members, out)
}

/// Takes the effort of thinking. A summary of it can't be had.
fn effort<'j>(members: &mut Members<'_, 'j>) -> Result<Option<&'j str>, Refused> {
    let Some(reasoning) = members.take("reasoning") else {
        return Ok(None);
    };
    let around = members.place();
    let mut reasoning = Members::of(reasoning, around.member("reasoning"), members.ignored())?;
    let effort = reasoning.text("effort")?;
    reasoning.end()?;
    Ok(effort)
}

/// Takes the format of the text.
fn text<'j>(members: &mut Members<'_, 'j>) -> Result<Format<'j>, Refused> {
    let Some(text) = members.take("text") else {
        return Ok(Format::Text);
    };
    let around = members.place();
    let place = around.member("text");
    let mut text = Members::of(text, place, members.ignored())?;
    if text.text("verbosity")?.is_some_and(|it| it != "medium") {
        text.unsupported(
            "verbosity",
            "the Messages API has no such thing; leave it out",
        )?;
    }
    let format = match text.take("format") {
        None => Format::Text,
        Some(format) => {
            let mut format = Members::of(format, place.member("format"), members.ignored())?;
            let schema = match format.required_text("type")? {
                "text" => Format::Text,
                "json_schema" => Format::schema(&mut format)?,
                _ => {
                    format.unsupported("type", "use `text`, or `json_schema` with a schema")?;
                    Format::Text
                }
            };
            format.end()?;
            schema
        }
    };
    text.end()?;
    Ok(format)
}

/// Writes the declaration of a function, whose members are those of the tool.
fn function(mut tool: Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    if tool.required_text("type")? != "function" {
        return Err(Refused::unsupported(
            tool.place().member("type"),
            "only tools of the type `function` are",
        ));
    }
    tools::declaration(tool, out)
}

/// Takes the choice among tools.
fn choice<'j>(members: &mut Members<'_, 'j>) -> Result<Option<Choice<'j>>, Refused> {
    tools::choice(members, |mut choice| {
        let name = choice.required_text("name")?;
        choice.end()?;
        Ok(name)
    })
}

/// Takes members that say what is true in any case.
fn idle(members: &mut Members<'_, '_>) -> Result<(), Refused> {
    for name in ["store", "background"] {
        if members.flag(name)? == Some(true) {
            members.unsupported(name, "nothing is stored here; leave it out")?;
        }
    }
    if members
        .text("truncation")?
        .is_some_and(|it| it != "disabled")
    {
        members.unsupported(
            "truncation",
            "nothing is left out of a conversation; leave it out",
        )?;
    }
    if members
        .list("include")?
        .is_some_and(|list| !list.is_empty())
    {
        members.unsupported("include", "there is nothing more to include; leave it out")?;
    }
    let metadata = members.take("metadata");
    if metadata.is_some_and(|given| *given != Json::Table(Vec::new())) {
        members.unsupported(
            "metadata",
            "the Messages API has no such thing; leave it out",
        )?;
    }
    let Some(options) = members.take("stream_options") else {
        return Ok(());
    };
    let around = members.place();
    let mut options = Members::of(options, around.member("stream_options"), members.ignored())?;
    if options.flag("include_obfuscation")? == Some(true) {
        options.unsupported("include_obfuscation", "events are not padded; leave it out")?;
    }
    options.end()
}
