//! The texts of requests, by the members that hold them.

use super::parts::{Part, Side};
use super::{Kind, Text};
use crate::json::Malformed;

/// Calls `each` with the texts of a `system` member, in order.
///
/// # Errors
/// What `each` returns, or [`Malformed`] for JSON that can't be followed.
pub fn system<'a, E: From<Malformed>>(
    json: &'a str,
    mut each: impl FnMut(Text<'a>) -> Result<(), E>,
) -> Result<(), E> {
    Part::whole(json.as_bytes()).all(Kind::System, Side::Request, &mut each)
}

/// Calls `each` with the texts of a `messages` member, in order.
///
/// # Errors
/// As [`system`].
pub fn messages<'a, E: From<Malformed>>(
    json: &'a str,
    mut each: impl FnMut(Text<'a>) -> Result<(), E>,
) -> Result<(), E> {
    Part::whole(json.as_bytes()).elements(|message| in_message(message, &mut each))
}

/// Calls `each` with the texts of a new batch's `requests` member, each with the index of its request, in order. Of the `params`
/// only the members are read that are `sent`.
///
/// # Errors
/// As [`system`].
pub fn requests<'a, E: From<Malformed>>(
    json: &'a str,
    sent: impl Fn(&str) -> bool,
    mut each: impl FnMut(usize, Text<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let mut index = 0;
    Part::whole(json.as_bytes()).elements(|request| {
        let each = &mut |text| each(index, text);
        request.members(|name, params| match name {
            "params" => params.members(|name, value| match name {
                name if !sent(name) => Ok(()),
                "system" => value.all(Kind::System, Side::Request, each),
                "messages" => value.elements(|message| in_message(message, each)),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })?;
        index += 1;
        Ok(())
    })
}

fn in_message<'a, E: From<Malformed>>(
    message: Part<'a>,
    each: &mut impl FnMut(Text<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let role = message.member::<E>("role")?;
    let kind = match &*role.map(Part::decoded).unwrap_or_default() {
        "assistant" => Kind::Assistant,
        "system" => Kind::System,
        _ => Kind::User,
    };
    message.members(|name, value| match name {
        "content" => value.all(kind, Side::Request, each),
        _ => Ok(()),
    })
}
