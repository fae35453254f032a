//! The messages of a request.
//!
//! The first messages of the system and the developer become `system`. Results of tools are messages of their own in OpenAI's dialect;
//! here those in a row, and the user's words behind them, are one message of the user.

use witgate_plugin::json::{self, Json};

use super::content;
use crate::members::Members;
use crate::out::Out;
use crate::place::Place;
use crate::refused::Refused;

/// A message with the members that its role leaves.
struct Message<'p, 'j> {
    role: Role,
    members: Members<'p, 'j>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// Writes `system` and `messages`.
///
/// # Errors
///
/// A message is malformed, or has something that the Messages API has no words for.
pub(super) fn write(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    let given = members.list("messages")?;
    let given = given.ok_or_else(|| Refused::invalid("messages", "an array, and is missing"))?;
    let around = members.place();
    let above = around.member("messages");
    let messages = given.iter().enumerate().map(|(index, message)| {
        let members = Members::of(message, above.element(index), members.ignored())?;
        Message::of(members)
    });
    let mut messages: Vec<_> = messages.collect::<Result<_, Refused>>()?;
    let first = messages.iter().position(|it| it.role != Role::System);
    let rest = messages.split_off(first.unwrap_or(messages.len()));
    let mut written = Ok(());
    if !messages.is_empty() {
        out.name("system").array(|out| {
            written = messages.into_iter().try_for_each(|message| {
                let mut members = message.members;
                content::texts(&mut members, out)?;
                members.end()
            });
        });
    }
    written?;
    let mut written = Ok(());
    out.name("messages").array(|out| written = turns(rest, out));
    written
}

/// Writes the messages behind those of the system.
fn turns(messages: Vec<Message<'_, '_>>, out: &mut Out) -> Result<(), Refused> {
    let mut messages = messages.into_iter().peekable();
    while let Some(message) = messages.next() {
        let role = message.role;
        let mut written = Ok(());
        out.object(|out| {
            out.text_member("role", role.name());
            out.name("content").array(|out| {
                written = blocks(message, out);
                // All results of one turn are in one message, and the user's words may follow.
                let mut last = role;
                while last == Role::Tool && written.is_ok() {
                    let more =
                        messages.next_if(|next| matches!(next.role, Role::Tool | Role::User));
                    let Some(more) = more else {
                        break;
                    };
                    last = more.role;
                    written = blocks(more, out);
                }
            });
        });
        written?;
    }
    Ok(())
}

/// Writes the blocks of a message.
fn blocks(message: Message<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    let Message { role, mut members } = message;
    match role {
        Role::System => content::texts(&mut members, out)?,
        Role::User => content::parts(&mut members, out)?,
        Role::Assistant => assistant(&mut members, out)?,
        Role::Tool => result(&mut members, out)?,
    }
    members.end()
}

/// Writes the result of a tool.
fn result(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    let id = members.required_text("tool_call_id")?;
    let mut written = Ok(());
    out.object(|out| {
        out.text_member("type", "tool_result");
        out.text_member("tool_use_id", id);
        out.name("content")
            .array(|out| written = content::texts(members, out));
    });
    written
}

/// Writes what the assistant said, and the tools that it called.
fn assistant(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    content::texts(members, out)?;
    if let Some(refusal) = members.text("refusal")?.filter(|text| !text.is_empty()) {
        content::text(refusal, out);
    }
    // Answers have an empty list of these.
    if members
        .list("annotations")?
        .is_some_and(|list| !list.is_empty())
    {
        members.unsupported("annotations", "leave it out")?;
    }
    let calls = members.list("tool_calls")?.unwrap_or_default();
    let around = members.place();
    let above = around.member("tool_calls");
    calls.iter().enumerate().try_for_each(|(index, call)| {
        let place = above.element(index);
        tool_call(Members::of(call, place, members.ignored())?, &place, out)
    })
}

fn tool_call(mut call: Members<'_, '_>, place: &Place<'_>, out: &mut Out) -> Result<(), Refused> {
    let id = call.required_text("id")?;
    let kind = call.text("type")?;
    if kind.is_some_and(|kind| kind != "function") {
        return Err(Refused::unsupported(
            place.member("type"),
            "only calls of functions are",
        ));
    }
    // A client that joins the chunks of a stream may send their index back.
    call.whole("index")?;
    let at = place.member("function");
    let function = call.take("function");
    let function = function.ok_or_else(|| Refused::invalid(at, "an object, and is missing"))?;
    let mut function = Members::of(function, at, call.ignored())?;
    let name = function.required_text("name")?;
    let arguments = function.text("arguments")?.unwrap_or_default();
    function.end()?;
    let input = match arguments.trim() {
        "" => Ok(Json::Table(Vec::new())),
        arguments => json::parse(arguments),
    };
    let Ok(input @ Json::Table(_)) = input else {
        return Err(Refused::invalid(
            at.member("arguments"),
            "the JSON text of an object",
        ));
    };
    out.object(|out| {
        out.text_member("type", "tool_use");
        out.text_member("id", id);
        out.text_member("name", name);
        out.member("input", input);
    });
    call.end()
}

// === impl Message ===

impl<'p, 'j> Message<'p, 'j> {
    fn of(mut members: Members<'p, 'j>) -> Result<Self, Refused> {
        let role = match members.required_text("role")? {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            _ => {
                return Err(Refused::unsupported(
                    members.place().member("role"),
                    "use `system`, `developer`, `user`, `assistant` or `tool`",
                ));
            }
        };
        Ok(Self { role, members })
    }
}

// === impl Role ===

impl Role {
    /// Returns the role in the Messages API.
    const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User | Self::Tool => "user",
            Self::Assistant => "assistant",
        }
    }
}
