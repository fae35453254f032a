//! The conversation: instructions, messages, calls of functions and their outputs.

use witgate_plugin::json::Json;

use super::items;
use crate::chat::content;
use crate::members::Members;
use crate::out::Out;
use crate::refused::Refused;

/// An item with the members that its type leaves.
struct Item<'p, 'j> {
    role: &'static str,
    kind: Kind,
    members: Members<'p, 'j>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    Call,
    Output,
}

/// Writes `system` and `messages`.
///
/// # Errors
///
/// An item is malformed, or of a type that the Messages API has no words for.
pub(super) fn write(members: &mut Members<'_, '_>, out: &mut Out) -> Result<(), Refused> {
    let instructions = members
        .text("instructions")?
        .filter(|text| !text.is_empty());
    let around = members.place();
    let above = around.member("input");
    let mut items = Vec::new();
    let mut whole = None;
    match members.take("input") {
        Some(Json::Text(text)) => whole = Some(&**text),
        Some(Json::List(list)) => {
            for (index, item) in list.iter().enumerate() {
                let item = Members::of(item, above.element(index), members.ignored())?;
                items.push(Item::of(item)?);
            }
        }
        _ => return Err(Refused::invalid(above, "a string or an array of items")),
    }
    let first = items.iter().position(|item| item.role != "system");
    let rest = items.split_off(first.unwrap_or(items.len()));
    let mut written = Ok(());
    if instructions.is_some() || !items.is_empty() {
        out.name("system").array(|out| {
            if let Some(instructions) = instructions {
                content::text(instructions, out);
            }
            written = items.into_iter().try_for_each(|item| item.write(out));
        });
    }
    written?;
    let mut written = Ok(());
    out.name("messages").array(|out| match whole {
        Some(whole) => {
            out.object(|out| {
                out.text_member("role", "user");
                out.name("content").array(|out| content::text(whole, out));
            });
        }
        None => written = turns(rest, out),
    });
    written
}

/// Writes the items behind those of the system. Items of one side in a row are one message.
fn turns(items: Vec<Item<'_, '_>>, out: &mut Out) -> Result<(), Refused> {
    let mut items = items.into_iter().peekable();
    while let Some(item) = items.next() {
        let role = item.role;
        let mut written = Ok(());
        out.object(|out| {
            out.text_member("role", role);
            out.name("content").array(|out| {
                written = item.write(out);
                while written.is_ok()
                    && let Some(more) = items.next_if(|next| next.role == role)
                {
                    written = more.write(out);
                }
            });
        });
        written?;
    }
    Ok(())
}

// === impl Item ===

impl<'p, 'j> Item<'p, 'j> {
    fn of(mut members: Members<'p, 'j>) -> Result<Self, Refused> {
        let unsupported = |members: &Members<'_, '_>, name, why| {
            Err(Refused::unsupported(members.place().member(name), why))
        };
        let (role, kind) = match members.text("type")?.unwrap_or("message") {
            "message" => match members.required_text("role")? {
                "system" | "developer" => ("system", Kind::Message),
                "user" => ("user", Kind::Message),
                "assistant" => ("assistant", Kind::Message),
                _ => {
                    let why = "use `system`, `developer`, `user` or `assistant`";
                    return unsupported(&members, "role", why);
                }
            },
            "function_call" => ("assistant", Kind::Call),
            "function_call_output" => ("user", Kind::Output),
            _ => {
                let why = "use `message`, `function_call` or `function_call_output`";
                return unsupported(&members, "type", why);
            }
        };
        // Items of an answer have these, and say nothing by them.
        members.text("id")?;
        members.text("status")?;
        Ok(Self {
            role,
            kind,
            members,
        })
    }

    fn write(self, out: &mut Out) -> Result<(), Refused> {
        let Self {
            mut members, kind, ..
        } = self;
        match kind {
            Kind::Message => items::message(&mut members, out)?,
            Kind::Call => items::call(&mut members, out)?,
            Kind::Output => items::output(&mut members, out)?,
        }
        members.end()
    }
}
