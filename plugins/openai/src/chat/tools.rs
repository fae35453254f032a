//! The tools that a request declares, and the choice among them.

use witgate_plugin::json::Json;

use crate::members::Members;
use crate::out::Out;
use crate::refused::Refused;

/// Writes tools and the choice among them.
///
/// # Errors
///
/// There are tools that are no functions, or a choice that the Messages API has no words for.
pub(super) fn write(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    let choice = choice(members, chosen)?;
    write_all(members, choice, function, out)
}

/// Writes tools, each by `function`, and the choice among them.
///
/// # Errors
///
/// What `function` returns.
pub(crate) fn write_all(
    members: &mut Members<'_, '_>,
    choice: Option<Choice<'_>>,
    function: impl Fn(Members<'_, '_>, &mut Out) -> Result<(), Refused>,
    out: &mut Out,
) -> Result<(), Refused> {
    let tools = members.list("tools")?.unwrap_or_default();
    let is_parallel = members.flag("parallel_tool_calls")?.unwrap_or(true);
    if tools.is_empty() && choice.is_none() {
        // Without tools there are no calls, parallel or not.
        return Ok(());
    }
    let around = members.place();
    let above = around.member("tools");
    let mut written = Ok(());
    out.name("tools").array(|out| {
        written = tools.iter().enumerate().try_for_each(|(index, tool)| {
            let tool = Members::of(tool, above.element(index), members.ignored())?;
            function(tool, out)
        });
    });
    written?;
    if choice.is_some() || !is_parallel {
        let choice = choice.unwrap_or(Choice::Auto);
        out.name("tool_choice").object(|out| {
            match choice {
                Choice::Auto => out.text_member("type", "auto"),
                Choice::None => out.text_member("type", "none"),
                Choice::Any => out.text_member("type", "any"),
                Choice::One(name) => out.text_member("type", "tool").text_member("name", name),
            };
            if !is_parallel && choice != Choice::None {
                out.member("disable_parallel_tool_use", true);
            }
        });
    }
    Ok(())
}

/// Writes the declaration of a function.
fn function(mut tool: Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    if tool.required_text("type")? != "function" {
        return Err(Refused::unsupported(
            tool.place().member("type"),
            "only tools of the type `function` are",
        ));
    }
    let Some(function) = tool.take("function") else {
        return Err(Refused::invalid(
            tool.place().member("function"),
            "an object, and is missing",
        ));
    };
    let around = tool.place();
    let place = around.member("function");
    let function = Members::of(function, place, tool.ignored())?;
    declaration(function, out)?;
    let cache = tool.take("prompt_cache_breakpoint");
    if cache.is_some() {
        tool.unsupported("prompt_cache_breakpoint", "set it at a part of a message")?;
    }
    tool.end()
}

/// Writes the declaration of a function with these members.
///
/// # Errors
///
/// The declaration is malformed, or says something that the Messages API has no words for.
pub(crate) fn declaration(mut function: Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    let name = function.required_text("name")?;
    let description = function.text("description")?;
    let parameters = function.take("parameters");
    let is_strict = function.flag("strict")? == Some(true);
    function.end()?;
    out.object(|out| {
        out.text_member("name", name);
        if let Some(description) = description {
            out.text_member("description", description);
        }
        match parameters {
            Some(schema) => out.member("input_schema", schema),
            None => out.member("input_schema", r#"{"type":"object","properties":{}}"#),
        };
        if is_strict {
            out.member("strict", true);
        }
    });
    Ok(())
}

/// A choice among tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice<'j> {
    Auto,
    None,
    Any,
    One(&'j str),
}

/// Takes the choice among tools, whose name of a function `chosen` takes from the other members.
///
/// # Errors
///
/// The Messages API has no such choice.
pub(crate) fn choice<'j>(
    members: &mut Members<'_, 'j>,
    chosen: impl FnOnce(Members<'_, 'j>) -> Result<&'j str, Refused>,
) -> Result<Option<Choice<'j>>, Refused> {
    let Some(choice) = members.take("tool_choice") else {
        return Ok(None);
    };
    let around = members.place();
    let place = around.member("tool_choice");
    match choice {
        Json::Text(word) => match &**word {
            "auto" => Ok(Some(Choice::Auto)),
            "none" => Ok(Some(Choice::None)),
            "required" => Ok(Some(Choice::Any)),
            _ => Err(Refused::invalid(
                place,
                "`auto`, `none`, `required` or a function",
            )),
        },
        choice => {
            let mut choice = Members::of(choice, place, members.ignored())?;
            if choice.required_text("type")? != "function" {
                return Err(Refused::unsupported(
                    place.member("type"),
                    "a choice names one function; declare only the tools that may be called",
                ));
            }
            chosen(choice).map(|name| Some(Choice::One(name)))
        }
    }
}

/// Takes the name of the function that has to be called.
fn chosen<'j>(mut choice: Members<'_, 'j>) -> Result<&'j str, Refused> {
    let around = choice.place();
    let place = around.member("function");
    let missing = || Refused::invalid(place, "an object, and is missing");
    let function = choice.take("function").ok_or_else(missing)?;
    let mut function = Members::of(function, place, choice.ignored())?;
    let name = function.required_text("name")?;
    function.end()?;
    choice.end()?;
    Ok(name)
}
