//! The items of a conversation as blocks of the Messages API.

use witgate_plugin::json::{self, Json};

use crate::chat::content::{self, Source};
use crate::members::Members;
use crate::out::Out;
use crate::refused::Refused;

/// Writes the parts of a message.
pub(super) fn message(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    parts(members, "content", out)
}

/// Writes the call of a function.
pub(super) fn call(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    let id = members.required_text("call_id")?;
    let name = members.required_text("name")?;
    let arguments = members.text("arguments")?.unwrap_or_default();
    let input = match arguments.trim() {
        "" => Ok(Json::Table(Vec::new())),
        arguments => json::parse(arguments),
    };
    let Ok(input @ Json::Table(_)) = input else {
        return Err(Refused::invalid(
            members.place().member("arguments"),
            "the JSON text of an object",
        ));
    };
    out.object(|out| {
        out.text_member("type", "tool_use");
        out.text_member("id", id);
        out.text_member("name", name);
        out.member("input", input);
    });
    Ok(())
}

/// Writes the output of a function.
pub(super) fn output(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    let id = members.required_text("call_id")?;
    let mut written = Ok(());
    out.object(|out| {
        out.text_member("type", "tool_result");
        out.text_member("tool_use_id", id);
        out.name("content")
            .array(|out| written = parts(members, "output", out));
    });
    written
}

fn parts(members: &mut Members<'_, '_>, name: &str, out: &mut Out) -> Result<(), Refused> {
    let around = members.place();
    let place = around.member(name);
    match members.take(name) {
        Some(Json::Text(whole)) => {
            if !whole.is_empty() {
                content::text(whole, out);
            }
            Ok(())
        }
        Some(Json::List(parts)) => parts.iter().enumerate().try_for_each(|(index, part)| {
            let part = Members::of(part, place.element(index), members.ignored())?;
            one(part, out)
        }),
        _ => Err(Refused::invalid(place, "a string or an array of parts")),
    }
}

fn one(mut part: Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    match part.required_text("type")? {
        "input_text" | "output_text" => {
            let text = part.required_text("text")?;
            if !text.is_empty() {
                content::text(text, out);
            }
            for name in ["annotations", "logprobs"] {
                if part.list(name)?.is_some_and(|list| !list.is_empty()) {
                    part.unsupported(name, "leave it out")?;
                }
            }
        }
        "refusal" => content::text(part.required_text("refusal")?, out),
        "input_image" => {
            let url = part.required_text("image_url")?;
            if part.text("detail")?.is_some_and(|detail| detail != "auto") {
                part.unsupported("detail", "images are read in one way; use `auto`")?;
            }
            let place = part.place();
            let expected = "a URL, or a `data:` URL in Base64";
            let source = Source::of(url)
                .ok_or_else(|| Refused::invalid(place.member("image_url"), expected))?;
            out.object(|out| {
                out.text_member("type", "image");
                source.write(out);
            });
        }
        _ => {
            return Err(Refused::unsupported(
                part.place().member("type"),
                "use `input_text`, `output_text`, `refusal` or `input_image`",
            ));
        }
    }
    part.end()
}
