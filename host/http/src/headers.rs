//! The header lines of a message, in their order and spelling.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Header lines in the order in which they came, with their names in lower case and as they were spelled.
///
/// All bytes lie in one piece of memory. A search compares names from the front, which is faster than a hash for the few dozen lines
/// that a head has.
#[derive(Clone, Default)]
pub struct Headers {
    /// For each line its name in lower case, its value, and its name as it was spelled if that differs.
    text: Vec<u8>,
    lines: Vec<Line>,
}

/// Room for a line of average length, in bytes.
const LINE: usize = 40;

/// The place of a line in the text.
#[derive(Debug, Clone, Copy)]
struct Line {
    at: u32,
    name: u32,
    value: u32,
    spelling: Spelling,
}

/// The spelling of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// All in lower case.
    Lower,
    /// The spelling that stands behind the value.
    Kept,
}

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
            text: Vec::with_capacity(lines * LINE),
            lines: Vec::with_capacity(lines),
        }
    }

    /// Returns an empty list with room for all lines of these, and for so many more.
    pub fn with_capacity_of(lists: &[&Self], more: usize) -> Self {
        let lines: usize = lists.iter().map(|list| list.lines.len()).sum();
        let text: usize = lists.iter().map(|list| list.text.len()).sum();
        Self {
            text: Vec::with_capacity(text + more * LINE),
            lines: Vec::with_capacity(lines + more),
        }
    }

    /// Returns an empty list with room for a head of this length in bytes.
    pub(crate) fn for_head(bytes: usize, lines: usize) -> Self {
        Self {
            text: Vec::with_capacity(bytes),
            lines: Vec::with_capacity(lines),
        }
    }

    /// Adds a line whose name is sent in lower case.
    pub fn push(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.add(name.as_str().as_bytes(), value.as_bytes());
    }

    /// Adds a line of a name that is spelled in lower case, and a text without control characters. Others are left out of the text.
    pub fn push_text(&mut self, name: &'static str, value: &str) {
        let is_plain = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
        if value.bytes().all(is_plain) {
            self.add(name.as_bytes(), value.as_bytes());
        } else {
            let value: Vec<u8> = value.bytes().filter(|byte| is_plain(*byte)).collect();
            self.add(name.as_bytes(), &value);
        }
    }

    /// Adds a line of another list, spelled as it is there.
    pub fn copy(&mut self, header: Header<'_>) {
        self.add(header.spelling, header.value.0);
    }

    /// Adds all lines of another list.
    pub fn extend(&mut self, others: &Self) {
        for header in others.iter() {
            self.copy(header);
        }
    }

    /// Adds a line of a list, with another value.
    pub fn copy_with(&mut self, header: Header<'_>, value: &HeaderValue) {
        self.add(header.spelling, value.as_bytes());
    }

    /// Adds a line whose name and value a parser has checked. A head that is larger than 4 GiB is none.
    pub(crate) fn add(&mut self, spelling: &[u8], value: &[u8]) {
        let (Ok(at), Ok(name), Ok(length)) = (
            u32::try_from(self.text.len()),
            u32::try_from(spelling.len()),
            u32::try_from(value.len()),
        ) else {
            return;
        };
        let start = self.text.len();
        let is_lower = !spelling.iter().any(u8::is_ascii_uppercase);
        self.text.extend_from_slice(spelling);
        if !is_lower {
            let lower = self.text.get_mut(start..).unwrap_or_default();
            lower.make_ascii_lowercase();
        }
        self.text.extend_from_slice(value);
        if !is_lower {
            self.text.extend_from_slice(spelling);
        }
        self.lines.push(Line {
            at,
            name,
            value: length,
            spelling: if is_lower {
                Spelling::Lower
            } else {
                Spelling::Kept
            },
        });
    }

    /// Removes the lines with this name, which is given in lower case.
    pub fn remove(&mut self, name: impl AsRef<str>) {
        let name = name.as_ref().as_bytes();
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain(|line| self.name(*line) != name);
        self.lines = lines;
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
        let name = name.as_ref().as_bytes();
        self.lines.iter().filter_map(move |line| {
            let is_it = line.name as usize == name.len() && self.name(*line) == name;
            is_it.then(|| Value(self.value(*line)))
        })
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
        self.lines.iter().enumerate().any(|(index, line)| {
            let before = self.lines.get(..index).unwrap_or_default();
            before
                .iter()
                .any(|other| other.name == line.name && self.name(*other) == self.name(*line))
        })
    }

    /// Returns the lines in their order.
    pub fn iter(&self) -> impl Iterator<Item = Header<'_>> + Clone {
        self.lines.iter().map(|line| Header {
            // Names are tokens, which are ASCII (RFC 9110, section 5.1).
            name: std::str::from_utf8(self.name(*line)).unwrap_or_default(),
            spelling: self.spelling(*line),
            value: Value(self.value(*line)),
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
                folded.add(header.spelling, &values.join(&b", "[..]));
            }
        }
        folded
    }

    /// Writes the lines as HTTP/1.1 sends them.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.text.len() + self.lines.len() * 4);
        for line in &self.lines {
            write_line(out, self.spelling(*line), self.value(*line));
        }
    }

    fn name(&self, line: Line) -> &[u8] {
        self.part(line.at, line.name)
    }

    fn value(&self, line: Line) -> &[u8] {
        self.part(line.at + line.name, line.value)
    }

    fn spelling(&self, line: Line) -> &[u8] {
        match line.spelling {
            Spelling::Lower => self.name(line),
            Spelling::Kept => self.part(line.at + line.name + line.value, line.name),
        }
    }

    fn part(&self, at: u32, length: u32) -> &[u8] {
        let at = at as usize;
        self.text.get(at..at + length as usize).unwrap_or_default()
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
