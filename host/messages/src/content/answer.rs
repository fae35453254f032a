//! The texts of whole responses.

use super::parts::{Part, Side};
use super::{Kind, Text};
use crate::json::Malformed;

/// Calls `each` with the texts of a message, in order.
///
/// # Errors
/// What `each` returns, or [`Malformed`] for JSON that can't be followed.
pub fn answer<'a, E: From<Malformed>>(
    json: &'a [u8],
    mut each: impl FnMut(Text<'a>) -> Result<(), E>,
) -> Result<(), E> {
    in_message(Part::whole(json), &mut each)
}

/// The answer of a model within another document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// There is one.
    Present,
    /// There is none, as in an error.
    Absent,
}

/// Calls `each` with the texts of one line of a batch's results, in order. Returns whether it has a message.
///
/// # Errors
/// As [`answer`].
pub fn result<'a, E: From<Malformed>>(
    json: &'a [u8],
    mut each: impl FnMut(Text<'a>) -> Result<(), E>,
) -> Result<Message, E> {
    let mut message = Message::Absent;
    Part::whole(json).members(|name, value| match name {
        "result" => value.members(|name, value| match name {
            "message" => {
                message = Message::Present;
                in_message(value, &mut each)
            }
            _ => Ok(()),
        }),
        _ => Ok(()),
    })?;
    Ok(message)
}

fn in_message<'a, E: From<Malformed>>(
    message: Part<'a>,
    each: &mut impl FnMut(Text<'a>) -> Result<(), E>,
) -> Result<(), E> {
    message.members(|name, value| match name {
        "content" => value.elements(|block| block.all(Kind::Text, Side::Response, each)),
        _ => Ok(()),
    })
}
