//! The fields of one event.

use super::Frame;

/// An event with data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field; empty if there is none.
    pub name: &'a [u8],
    /// The `data` fields, joined by LF.
    pub data: &'a [u8],
}

/// Reads the lines of one event and passes it on, unless it has no data, like a keep-alive comment.
pub(super) fn read(lines: &[u8], on_frame: &mut impl FnMut(Frame<'_>)) {
    let mut name: &[u8] = b"";
    let mut data: Option<&[u8]> = None;
    let mut joined = Vec::new();
    for (field, value) in fields(lines) {
        match (field, data) {
            (b"event", _) => name = value,
            (b"data", None) => data = Some(value),
            // Only events with several data lines need a copy, and events of Messages streams have one.
            (b"data", Some(first)) => {
                if joined.is_empty() {
                    joined.extend_from_slice(first);
                }
                joined.push(b'\n');
                joined.extend_from_slice(value);
            }
            _ => {}
        }
    }
    if let Some(first) = data {
        let data = if joined.is_empty() { first } else { &joined };
        on_frame(Frame::Event(Event { name, data }));
    }
}

/// Returns the fields of all lines that have one.
fn fields(mut lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        if lines.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', lines).unwrap_or(lines.len());
        let (line, rest) = lines.split_at(end);
        // The LF of a CRLF is an empty line here, and empty lines within an event are ignored.
        lines = rest.get(1..).unwrap_or_default();
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        Some((field, value.strip_prefix(b" ").unwrap_or(value)))
    })
}
