//! The header lines of a message, in their order and spelling.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Header lines in the order in which they came, with their names in lower case and as they were spelled.
///
/// All names lie in one piece of memory and all values in another. A search looks through the lines and compares a mark of each name first,
/// which is faster than a hash for the few dozen lines that a head has.
#[derive(Clone, Default)]
pub struct Headers {
    /// The names in lower case, one behind the other.
    names: String,
    /// For each line its value, and its name as it was spelled if that differs.
    values: Vec<u8>,
    lines: Vec<Line>,
}

/// Room for a name of average length, in bytes.
const NAME: usize = 20;

/// Room for a value of average length, in bytes.
const VALUE: usize = 24;

/// The place of a line in both.
#[derive(Debug, Clone, Copy)]
struct Line {
    mark: Mark,
    name: u32,
    name_end: u32,
    value: u32,
    value_end: u32,
    /// The end of the spelling, which follows the value, or that of the value if the name is spelled in lower case.
    spelling_end: u32,
}

/// A few bytes of a name, which differ for almost all names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark(u32);

/// A header line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name in lower case.
    pub name: &'a str,
    /// The name as it was spelled.
    pub spelling: &'a [u8],
    /// The value.
    pub value: Value<'a>,
}

/// The value of a header: any bytes but control characters (RFC 9110, section 5.5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a>(&'a [u8]);

// === impl Headers ===

impl Headers {
    /// Returns an empty list with room for so many lines.
    pub fn with_capacity(lines: usize) -> Self {
        Self {
            names: String::with_capacity(lines * NAME),
            values: Vec::with_capacity(lines * VALUE),
            lines: Vec::with_capacity(lines),
        }
    }

    /// Returns an empty list with room for all lines of these, and for so many more.
    pub fn with_capacity_of(lists: &[&Self], more: usize) -> Self {
        let lines: usize = lists.iter().map(|list| list.lines.len()).sum();
        let names: usize = lists.iter().map(|list| list.names.len()).sum();
        let values: usize = lists.iter().map(|list| list.values.len()).sum();
        Self {
            names: String::with_capacity(names + more * NAME),
            values: Vec::with_capacity(values + more * VALUE),
            lines: Vec::with_capacity(lines + more),
        }
    }

    /// Returns an empty list with room for a head of this length in bytes.
    pub(crate) fn for_head(bytes: usize, lines: usize) -> Self {
        Self {
            names: String::with_capacity(lines * NAME),
            values: Vec::with_capacity(bytes),
            lines: Vec::with_capacity(lines),
        }
    }

    /// Adds a line whose name is sent in lower case.
    pub fn push(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.add_as(name.as_str(), value.as_bytes(), None);
    }

    /// Adds a line of a name that is spelled in lower case, and a text without control characters. Others are left out of the text.
    pub fn push_text(&mut self, name: &'static str, value: &str) {
        let is_plain = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
        // Looks at all bytes, which is faster than to stop at the first one.
        let are_plain = value.bytes().fold(true, |all, byte| all & is_plain(byte));
        if are_plain {
            self.add_as(name, value.as_bytes(), None);
        } else {
            let value: Vec<u8> = value.bytes().filter(|byte| is_plain(*byte)).collect();
            self.add_as(name, &value, None);
        }
    }

    /// Adds a line of another list, spelled as it is there.
    pub fn copy(&mut self, header: Header<'_>) {
        self.add_as(header.name, header.value.0, header.own_spelling());
    }

    /// Adds all lines of another list.
    pub fn extend(&mut self, others: &Self) {
        let (Ok(names), Ok(values)) = (
            u32::try_from(self.names.len()),
            u32::try_from(self.values.len()),
        ) else {
            return;
        };
        self.names.push_str(&others.names);
        self.values.extend_from_slice(&others.values);
        self.lines.extend(others.lines.iter().map(|line| Line {
            mark: line.mark,
            name: names + line.name,
            name_end: names + line.name_end,
            value: values + line.value,
            value_end: values + line.value_end,
            spelling_end: values + line.spelling_end,
        }));
    }

    /// Adds a line of a list, with another value.
    pub fn copy_with(&mut self, header: Header<'_>, value: &HeaderValue) {
        self.add_as(header.name, value.as_bytes(), header.own_spelling());
    }

    /// Adds a line whose name and value a parser has checked.
    pub(crate) fn add(&mut self, spelling: &str, value: &[u8]) {
        let has_upper = |any, byte: u8| any | byte.is_ascii_uppercase();
        if spelling.bytes().fold(false, has_upper) {
            let lower = spelling.to_ascii_lowercase();
            self.add_as(&lower, value, Some(spelling.as_bytes()));
        } else {
            self.add_as(spelling, value, None);
        }
    }

    /// Adds a line, with the spelling of its name if that is not in lower case. A head that is larger than 4 GiB is none.
    fn add_as(&mut self, name: &str, value: &[u8], spelling: Option<&[u8]>) {
        let (name_at, value_at) = (self.names.len(), self.values.len());
        self.names.push_str(name);
        self.values.extend_from_slice(value);
        let value_end = self.values.len();
        if let Some(spelling) = spelling {
            self.values.extend_from_slice(spelling);
        }
        let (name_end, spelling_end) = (self.names.len(), self.values.len());
        let places = [name_at, name_end, value_at, value_end, spelling_end].map(u32::try_from);
        if let [
            Ok(name_at),
            Ok(name_end),
            Ok(value_at),
            Ok(value_end),
            Ok(spelling_end),
        ] = places
        {
            self.lines.push(Line {
                mark: Mark::of(name),
                name: name_at,
                name_end,
                value: value_at,
                value_end,
                spelling_end,
            });
        }
    }

    /// Removes the lines with this name, which is given in lower case.
    pub fn remove(&mut self, name: impl AsRef<str>) {
        let name = name.as_ref();
        if self.contains_key(name) {
            let mut rest = Self::with_capacity_of(&[self], 0);
            for header in self.iter().filter(|header| header.name != name) {
                rest.copy(header);
            }
            *self = rest;
        }
    }

    /// Returns the number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Returns whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the value of the first line with this name, which is given in lower case.
    pub fn get(&self, name: impl AsRef<str>) -> Option<Value<'_>> {
        self.get_all(&name).next()
    }

    /// Returns the values of all lines with this name, which is given in lower case.
    pub fn get_all(&self, name: &impl AsRef<str>) -> impl DoubleEndedIterator<Item = Value<'_>> {
        let name = name.as_ref();
        let mark = Mark::of(name);
        self.lines
            .iter()
            .filter(move |line| line.mark == mark && self.name(line) == name)
            .map(|line| Value(self.value(line)))
    }

    /// Returns whether a line has this name, which is given in lower case.
    pub fn contains_key(&self, name: impl AsRef<str>) -> bool {
        self.get(name).is_some()
    }

    /// Returns whether the list in the lines with this name has this element. Both are given in lower case.
    pub fn has_option(&self, name: &'static str, wanted: &str) -> bool {
        self.get_all(&name).any(|value| {
            let mut options = value.0.split(|byte| *byte == b',');
            options.any(|option| option.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
        })
    }

    /// Returns whether two lines have the same name.
    pub fn has_repeated(&self) -> bool {
        let mut before = self.lines.iter().enumerate();
        before.any(|(index, line)| {
            let others = self.lines.get(..index).unwrap_or_default();
            let mut alike = others.iter().filter(|other| other.mark == line.mark);
            alike.any(|other| self.name(other) == self.name(line))
        })
    }

    /// Returns the lines in their order.
    pub fn iter(&self) -> impl Iterator<Item = Header<'_>> + Clone {
        self.lines.iter().map(|line| Header {
            name: self.name(line),
            spelling: self.spelling(line),
            value: Value(self.value(line)),
        })
    }

    /// Returns the lines with those of each name joined to a list (RFC 9110, section 5.3), for readers of a single value.
    pub fn folded(&self) -> Self {
        if !self.has_repeated() {
            return self.clone();
        }
        let mut folded = Self::with_capacity_of(&[self], 0);
        for header in self.iter() {
            if !folded.contains_key(header.name) {
                let values: Vec<&[u8]> = self.get_all(&header.name).map(|value| value.0).collect();
                folded.add_as(header.name, &values.join(&b", "[..]), header.own_spelling());
            }
        }
        folded
    }

    /// Writes the lines as HTTP/1.1 sends them.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.names.len() + self.values.len() + self.lines.len() * 4);
        for line in &self.lines {
            write_line(out, self.spelling(line), self.value(line));
        }
    }

    fn name(&self, line: &Line) -> &str {
        let range = line.name as usize..line.name_end as usize;
        self.names.get(range).unwrap_or_default()
    }

    fn value(&self, line: &Line) -> &[u8] {
        let range = line.value as usize..line.value_end as usize;
        self.values.get(range).unwrap_or_default()
    }

    fn spelling(&self, line: &Line) -> &[u8] {
        if line.value_end == line.spelling_end {
            return self.name(line).as_bytes();
        }
        let range = line.value_end as usize..line.spelling_end as usize;
        self.values.get(range).unwrap_or_default()
    }
}

// === impl Mark ===

impl Mark {
    #[inline]
    fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let length = bytes.len();
        let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
        let last = byte(length.wrapping_sub(1));
        Self(u32::from_le_bytes([
            length.to_le_bytes()[0],
            byte(0),
            byte(length / 2),
            last,
        ]))
    }
}

impl From<&HeaderMap> for Headers {
    /// Takes over the headers of an HTTP/2 message, whose names are in lower case.
    fn from(map: &HeaderMap) -> Self {
        let mut headers = Self::with_capacity(map.len());
        for (name, value) in map {
            headers.push(name, value);
        }
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be credentials.
        f.debug_list()
            .entries(self.iter().map(|header| header.name))
            .finish()
    }
}

/// Writes a header line as HTTP/1.1 sends it.
pub(crate) fn write_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

// === impl Header ===

impl<'a> Header<'a> {
    /// Returns the spelling of the name if it is not in lower case.
    fn own_spelling(self) -> Option<&'a [u8]> {
        let is_name = std::ptr::eq(self.spelling, self.name.as_bytes());
        (!is_name).then_some(self.spelling)
    }
}

// === impl Value ===

impl<'a> Value<'a> {
    /// Returns the length in bytes.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Returns whether the value is empty.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value in the form of other libraries, or `None` if it has control characters.
    pub fn to_owned(self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(self.0).ok()
    }

    /// Returns the bytes.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the value as text, or `None` if it has other bytes than visible ASCII, spaces and tabs.
    pub fn to_str(self) -> Option<&'a str> {
        let is_visible = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
        let text = std::str::from_utf8(self.0).ok();
        text.filter(|_| self.0.iter().all(is_visible))
    }

    /// Returns the value as text, or `None` if it is no UTF-8.
    pub fn to_utf8(self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }
}

impl<'a> From<&'a HeaderValue> for Value<'a> {
    fn from(value: &'a HeaderValue) -> Self {
        Self(value.as_bytes())
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests;
