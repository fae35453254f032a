//! A receipt as a line of JSON, written without a list of its fields.
//!
//! Nearly all receipts can be: their objects come one after the other, and the names that others chose are plain. The line is then the
//! same, byte for byte, as that of the list.

use witgate_runtime::{Field, Lineup};

use super::Receipt;
use super::contents::put_plugins;
use super::fields::Fields;
use super::line::{write_in_order, write_text};
use super::put::{List, Name, Put, Scalar};

/// Appends a receipt as one line of JSON, without what is known of the plugins, which `plugins` has as members of JSON. Returns
/// `None`, after a part of the line, if it has to be written from a list of fields.
pub(crate) fn write_directly(receipt: &Receipt, plugins: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.push(b'{');
    let mut fields = Fields::of(Line {
        members: out.len(),
        out,
        is_plain: true,
    });
    receipt.put(&mut fields);
    let Line { out, is_plain, .. } = fields.done();
    if !plugins.is_empty() {
        out.push(b',');
        out.extend_from_slice(plugins);
    }
    out.push(b'}');
    is_plain.then_some(())
}

/// Returns what is known of the plugins of a lineup as members of JSON, for [`write_directly`], or `None` if that depends on the fields
/// before them.
pub(crate) fn plugins_as_members(lineup: &Lineup) -> Option<Vec<u8>> {
    let mut fields = Fields::of(List::default());
    put_plugins(lineup, &mut fields);
    as_members(&fields.done().into_fields())
}

fn as_members(fields: &[Field]) -> Option<Vec<u8>> {
    let mut object = Vec::new();
    write_in_order(fields, &mut object)?;
    let members = object.strip_prefix(b"{")?.strip_suffix(b"}")?;
    Some(members.to_vec())
}

/// A line to which fields are appended.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    /// The place at which the members of the innermost object begin.
    members: usize,
    /// False once something was to be written that is written otherwise from a list.
    is_plain: bool,
}

/// An object that has begun.
struct Opened {
    /// Its place.
    at: usize,
    /// The place at which the members of the object around it begin.
    outer: usize,
}

// === impl Line ===

impl Line<'_> {
    /// Writes the name of a member.
    fn key(&mut self, name: Name<'_>) {
        if self.out.len() > self.members {
            self.out.push(b',');
        }
        let start = self.out.len();
        self.out.push(b'"');
        name.with(|name| self.out.extend_from_slice(name.as_bytes()));
        self.out.extend_from_slice(b"\":");
        if let Name::Other(name) = name {
            self.is_plain &= is_plain(name) && !self.has(start);
        }
    }

    /// Returns whether the innermost object seems to have a member of the name that was written at a place.
    fn has(&self, name: usize) -> bool {
        let (before, name) = self.out.split_at_checked(name).unwrap_or_default();
        let members = before.get(self.members..).unwrap_or_default();
        memchr::memmem::find(members, name).is_some()
    }
}

/// Returns whether a name is written as it is, and names no object.
fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte >= b' ' && !matches!(byte, b'"' | b'\\' | b'.');
    !name.is_empty() && name.bytes().all(is_plain)
}

impl Put for Line<'_> {
    type Opened = Opened;

    fn open(&mut self, name: Name<'_>) -> Opened {
        let at = self.out.len();
        self.key(name);
        self.out.push(b'{');
        let outer = std::mem::replace(&mut self.members, self.out.len());
        Opened { at, outer }
    }

    fn close(&mut self, Opened { at, outer }: Opened) {
        if self.out.len() == self.members {
            self.out.truncate(at);
        } else {
            self.out.push(b'}');
        }
        self.members = outer;
    }

    fn put(&mut self, name: Name<'_>, value: Scalar<'_>) {
        self.key(name);
        match value {
            Scalar::Text(text) => self.is_plain &= write_text(text, self.out).is_some(),
            Scalar::Integer(number) => {
                let mut digits = itoa::Buffer::new();
                let digits = digits.format(number);
                self.out.extend_from_slice(digits.as_bytes());
            }
            Scalar::Flag(true) => self.out.extend_from_slice(b"true"),
            Scalar::Flag(false) => self.out.extend_from_slice(b"false"),
        }
    }

    /// The numbers of all lists are members of one object, which this would begin again for each of them.
    fn put_left_out(&mut self, _: &'static str, _: i64) {
        self.is_plain = false;
    }
}

#[cfg(test)]
mod tests;
