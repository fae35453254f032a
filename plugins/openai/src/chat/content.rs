//! The content of a message: a text, or parts.

use witgate_plugin::json::Json;

use crate::members::Members;
use crate::out::Out;
use crate::refused::Refused;

/// Writes a block of text.
pub(crate) fn text(text: &str, out: &mut Out) {
    block(text, false, out);
}

fn block(text: &str, is_cached: bool, out: &mut Out) {
    out.object(|out| {
        out.text_member("type", "text");
        out.text_member("text", text);
        cached(is_cached, out);
    });
}

fn cached(is_cached: bool, out: &mut Out) {
    if is_cached {
        out.member("cache_control", r#"{"type":"ephemeral"}"#);
    }
}

/// Writes the content of a message that has only texts. An empty text is left out: the Messages API knows no empty blocks.
///
/// # Errors
///
/// The content is malformed, or has something else than texts.
pub(super) fn texts(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    each(members, out, Allowed::Texts)
}

/// Writes the content of a user's message.
///
/// # Errors
///
/// The content is malformed, or has a part that the Messages API has no words for.
pub(super) fn parts(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    each(members, out, Allowed::All)
}

/// The parts that a message may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Texts,
    All,
}

fn each(members: &mut Members<'_, '_>, out: &mut Out, allowed: Allowed) -> Result<(), Refused> {
    let around = members.place();
    let place = around.member("content");
    match members.take("content") {
        None => Ok(()),
        Some(Json::Text(whole)) => {
            if !whole.is_empty() {
                text(whole, out);
            }
            Ok(())
        }
        Some(Json::List(parts)) => parts.iter().enumerate().try_for_each(|(index, part)| {
            let part = Members::of(part, place.element(index), members.ignored())?;
            one(part, out, allowed)
        }),
        Some(_) => Err(Refused::invalid(place, "a string or an array of parts")),
    }
}

fn one(mut part: Members<'_, '_>, out: &mut Out, allowed: Allowed) -> Result<(), Refused> {
    let kind = part.required_text("type")?;
    let is_cached = breakpoint(&mut part)?;
    match (kind, allowed) {
        ("text", _) => {
            let text = part.required_text("text")?;
            if !text.is_empty() {
                block(text, is_cached, out);
            }
        }
        ("refusal", Allowed::Texts) => {
            block(part.required_text("refusal")?, is_cached, out);
        }
        ("image_url", Allowed::All) => image(&mut part, is_cached, out)?,
        ("file", Allowed::All) => file(&mut part, is_cached, out)?,
        _ => {
            return Err(Refused::unsupported(
                part.place().member("type"),
                "use `text`, or in messages of the user `image_url` and `file`",
            ));
        }
    }
    part.end()
}

/// Takes the mark of a prefix to cache.
fn breakpoint(part: &mut Members<'_, '_>) -> Result<bool, Refused> {
    let name = "prompt_cache_breakpoint";
    let around = part.place();
    let Some(given) = part.take(name) else {
        return Ok(false);
    };
    let mut given = Members::of(given, around.member(name), part.ignored())?;
    if given.required_text("mode")? != "explicit" {
        return Err(Refused::invalid(given.place().member("mode"), "`explicit`"));
    }
    given.end()?;
    Ok(true)
}

fn image(part: &mut Members<'_, '_>, is_cached: bool, out: &mut Out) -> Result<(), Refused> {
    let around = part.place();
    let place = around.member("image_url");
    let missing = || Refused::invalid(place, "an object with `url`, and is missing");
    let image = part.take("image_url").ok_or_else(missing)?;
    let mut image = Members::of(image, place, part.ignored())?;
    let url = image.required_text("url")?;
    if image.text("detail")?.is_some_and(|detail| detail != "auto") {
        image.unsupported(
            "detail",
            "images are read in one way; use `auto`, or leave it out",
        )?;
    }
    let source = Source::of(url).ok_or_else(|| {
        Refused::invalid(place.member("url"), "a URL, or a `data:` URL in Base64")
    })?;
    image.end()?;
    out.object(|out| {
        out.text_member("type", "image");
        source.write(out);
        cached(is_cached, out);
    });
    Ok(())
}

/// Writes a file whose bytes the part has.
fn file(part: &mut Members<'_, '_>, is_cached: bool, out: &mut Out) -> Result<(), Refused> {
    let around = part.place();
    let place = around.member("file");
    let missing = || Refused::invalid(place, "an object with `file_data`, and is missing");
    let file = part.take("file").ok_or_else(missing)?;
    let mut file = Members::of(file, place, part.ignored())?;
    let name = file.text("filename")?;
    let data = file.text("file_data")?;
    // Above all, a file that was uploaded to OpenAI.
    file.end()?;
    let source = data.and_then(Source::of).filter(|source| {
        matches!(source, Source::Base64 { media_type, .. } if *media_type == "application/pdf")
    });
    let expected = "a `data:` URL of a PDF in Base64: `data:application/pdf;base64,…`";
    let source = source.ok_or_else(|| Refused::invalid(place.member("file_data"), expected))?;
    out.object(|out| {
        out.text_member("type", "document");
        source.write(out);
        if let Some(name) = name {
            out.text_member("title", name);
        }
        cached(is_cached, out);
    });
    Ok(())
}

/// The source of an image or a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source<'j> {
    Base64 { media_type: &'j str, data: &'j str },
    Url(&'j str),
}

// === impl Source ===

impl<'j> Source<'j> {
    /// Returns the source that a URL says, or `None` for one that can't be read.
    pub(crate) fn of(url: &'j str) -> Option<Self> {
        match url.strip_prefix("data:") {
            Some(data) => {
                let (about, data) = data.split_once(',')?;
                let media_type = about.strip_suffix(";base64")?;
                // Parameters say nothing about images.
                let media_type = media_type.split(';').next()?;
                Some(Self::Base64 { media_type, data })
            }
            None => (url.starts_with("https://") || url.starts_with("http://"))
                .then_some(Self::Url(url)),
        }
    }

    /// Writes the source of a block.
    pub(crate) fn write(self, out: &mut Out) {
        out.name("source").object(|out| {
            match self {
                Self::Base64 { media_type, data } => out
                    .text_member("type", "base64")
                    .text_member("media_type", media_type)
                    .text_member("data", data),
                Self::Url(url) => out.text_member("type", "url").text_member("url", url),
            };
        });
    }
}
