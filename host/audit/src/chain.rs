//! The chain of a segment's lines: each carries a hash that covers its bytes and the hash of the line before.
//!
//! A line is a JSON object, and gets `chain` as its last member: the place of the line, notes, and the hash, as in
//! `"chain":"7.12 9f86…"` for the twelfth record of segment 7. The hash is SHA-256, in hexadecimal digits, of the digits of the
//! hash before and the bytes of the line up to its own hash. Before the first line of the first segment the digits are zeros.

use std::fmt::Write as _;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// What stands before the place of a record.
const OPENING: &[u8] = b",\"chain\":\"";

/// What stands after the hash.
const CLOSING: &[u8] = b"\"}";

/// The number of hexadecimal digits of a hash.
const DIGITS: usize = 64;

/// A hash as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Link([u8; DIGITS]);

/// The place of a record: the number of its segment, and its own in the segment, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the segment.
    pub segment: u64,
    /// The number of the record.
    pub record: u64,
}

/// A note in the chain of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// The last hash of the segment before. The first record has it.
    After(Link),
    /// Bytes before this record that are no record, such as a line that was cut by a crash: their number and hash.
    Torn(u64, Link),
    /// The hash that the record had before fields were removed from it.
    Was(Link),
    /// The rules by which fields were removed from the records of this segment. The first record has it.
    Without(String),
    /// The new last hash of a segment from which fields were removed.
    Rewrote(u64, Link),
}

/// A record as it is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chained<'a> {
    /// The bytes that the hash covers beside the hash before.
    covered: &'a [u8],
    /// The line without its chain and its closing brace.
    content: &'a [u8],
    pub(crate) place: Place,
    pub(crate) notes: Vec<Note>,
    pub(crate) link: Link,
}

/// The end of a chain, to which records are added.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// The place of the last record. It is 0 before the first.
    pub(crate) place: Place,
    pub(crate) link: Link,
    /// Notes for the next record.
    pub(crate) notes: Vec<Note>,
}

// === impl Link ===

impl Link {
    pub(crate) const ZERO: Self = Self([b'0'; DIGITS]);

    /// Returns the hash of bytes.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        let mut digits = [0; DIGITS];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(hasher.finalize()) {
            for (digit, half) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = HEX.get(usize::from(half)).copied().unwrap_or(b'0');
            }
        }
        Self(digits)
    }

    /// Reads digits, or returns `None` if they are something else.
    fn read(digits: &[u8]) -> Option<Self> {
        let digits: [u8; DIGITS] = digits.try_into().ok()?;
        // No early exit: the compiler makes vector instructions of it.
        let is_digit =
            |are: bool, byte: &u8| are & (byte.is_ascii_digit() | (b'a'..=b'f').contains(byte));
        digits.iter().fold(true, is_digit).then_some(Self(digits))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Link {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::read(text.as_bytes()).ok_or(())
    }
}

// === impl Note ===

impl Note {
    fn write(&self, to: &mut String) {
        let _ = match self {
            Self::After(link) => write!(to, " after:{}", link.as_str()),
            Self::Torn(bytes, link) => write!(to, " torn:{bytes}.{}", link.as_str()),
            Self::Was(link) => write!(to, " was:{}", link.as_str()),
            Self::Without(rules) => write!(to, " without:{rules}"),
            Self::Rewrote(segment, link) => write!(to, " rewrote:{segment}.{}", link.as_str()),
        };
    }

    fn parse(text: &str) -> Option<Self> {
        let numbered = |text: &str| {
            let (number, link) = text.split_once('.')?;
            Some((number.parse().ok()?, link.parse().ok()?))
        };
        let (name, value) = text.split_once(':')?;
        match name {
            "after" => Some(Self::After(value.parse().ok()?)),
            "torn" => numbered(value).map(|(bytes, link)| Self::Torn(bytes, link)),
            "was" => Some(Self::Was(value.parse().ok()?)),
            "without" => Some(Self::Without(value.to_owned())),
            "rewrote" => numbered(value).map(|(segment, link)| Self::Rewrote(segment, link)),
            _ => None,
        }
    }
}

// === impl Chained ===

impl<'a> Chained<'a> {
    /// Reads a line without its newline. Returns `None` for one that has no chain.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        let covered = line.strip_suffix(CLOSING)?;
        let (covered, digits) = covered.split_at_checked(covered.len().checked_sub(DIGITS)?)?;
        let link = Link::read(digits)?;
        // A chain has no quotes.
        let (opened, chain) = covered.split_at_checked(memchr::memrchr(b'"', covered)? + 1)?;
        let content = opened.strip_suffix(OPENING)?;
        let chain = std::str::from_utf8(chain).ok()?;
        let mut words = chain.strip_suffix(' ')?.split(' ');
        let (segment, record) = words.next()?.split_once('.')?;
        Some(Self {
            covered,
            content,
            place: Place {
                segment: segment.parse().ok()?,
                record: record.parse().ok()?,
            },
            notes: words.map(Note::parse).collect::<Option<_>>()?,
            link,
        })
    }

    /// Returns the hash that the record should have after another one.
    pub(crate) fn expected(&self, before: &Link) -> Link {
        Link::of(&[&before.0, self.covered])
    }

    /// Returns the line as it was written first.
    pub(crate) fn line(&self) -> Vec<u8> {
        [self.content, b"}"].concat()
    }

    /// Returns the hash of the note that the segment before ends with.
    pub(crate) fn after(&self) -> Option<Link> {
        self.notes.iter().find_map(|note| match note {
            Note::After(link) => Some(*link),
            Note::Torn(..) | Note::Was(_) | Note::Without(_) | Note::Rewrote(..) => None,
        })
    }

    /// Returns the rules by which fields were removed from this segment, if the record is its first and there were any.
    pub(crate) fn without(&self) -> Option<&str> {
        self.notes.iter().find_map(|note| match note {
            Note::Without(rules) => Some(rules.as_str()),
            Note::After(_) | Note::Torn(..) | Note::Was(_) | Note::Rewrote(..) => None,
        })
    }

    /// Returns the hash that the record was written with, which it has no more if fields were removed from it.
    pub(crate) fn original(&self) -> Link {
        let was = self.notes.iter().find_map(|note| match note {
            Note::Was(link) => Some(*link),
            Note::After(_) | Note::Torn(..) | Note::Without(_) | Note::Rewrote(..) => None,
        });
        was.unwrap_or(self.link)
    }
}

// === impl End ===

impl End {
    /// Returns the end of a segment that has no records yet.
    pub(crate) fn start(segment: u64, after: Option<Link>) -> Self {
        Self {
            place: Place { segment, record: 0 },
            link: after.unwrap_or(Link::ZERO),
            notes: after.map(Note::After).into_iter().collect(),
        }
    }

    /// Returns the end of a chain whose last record is this.
    pub(crate) fn at(last: &Chained<'_>) -> Self {
        Self {
            place: last.place,
            link: last.link,
            notes: Vec::new(),
        }
    }

    /// Adds a line, which has to be an object without its closing brace. Appends the rest of the line to `rest`: its chain, its
    /// brace and its newline.
    pub(crate) fn add(&mut self, line: &[u8], rest: &mut Vec<u8>) {
        self.place.record += 1;
        let Place { segment, record } = self.place;
        let mut chain = format!("{segment}.{record}");
        for note in self.notes.drain(..) {
            note.write(&mut chain);
        }
        chain.push(' ');
        self.link = Link::of(&[&self.link.0, line, OPENING, chain.as_bytes()]);
        rest.extend_from_slice(OPENING);
        rest.extend_from_slice(chain.as_bytes());
        rest.extend_from_slice(&self.link.0);
        rest.extend_from_slice(CLOSING);
        rest.push(b'\n');
    }
}

/// Returns a line as it was written first, without the chain that its file gave it.
#[must_use]
pub fn without_chain(line: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    match Chained::read(line) {
        Some(chained) => chained.line().into(),
        None => line.into(),
    }
}

/// Takes the chain off a line that has one.
pub(crate) fn unchain(line: &mut Vec<u8>) {
    if let Some(content) = Chained::read(line).map(|chained| chained.content.len()) {
        line.truncate(content);
        line.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_place_and_the_hash_that_a_shell_computes() {
        let mut end = End::start(7, Some(Link::of(&[b"before"])));
        let mut text = Vec::new();
        for line in ["{\"id\":\"a\"", "{\"id\":\"b\""] {
            text.extend_from_slice(line.as_bytes());
            end.add(line.as_bytes(), &mut text);
        }
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
        let first = Chained::read(lines[0]).expect("chained");
        let second = Chained::read(lines[1]).expect("chained");
        assert_eq!(
            first.after(),
            Some(Link::of(&[b"before"])),
            "what it follows"
        );
        assert_eq!(
            (first.place.segment, first.place.record),
            (7, 1),
            "its place"
        );
        assert_eq!(second.expected(&first.link), second.link, "its hash");
        assert_eq!(second.line(), b"{\"id\":\"b\"}", "what was written");
        let whole = [first.link.as_str().as_bytes(), lines[1]].concat();
        let covered = &whole[..whole.len() - DIGITS - CLOSING.len()];
        assert_eq!(Link::of(&[covered]), second.link, "digits, then bytes");
    }

    #[test]
    fn what_is_no_chain_is_none() {
        for line in [
            "",
            "{}",
            "{\"id\":\"a\"}",
            "{\"id\":\"a\",\"chain\":\"7.1 0\"}",
            &format!("{{\"id\":\"a\",\"chain\":\"7 {}\"}}", "0".repeat(64)),
            &format!(
                "{{\"id\":\"a\",\"chain\":\"7.1 new:1 {}\"}}",
                "0".repeat(64)
            ),
            &format!("{{\"id\":\"a\",\"chain\":\"7.1 {}\"}}", "G".repeat(64)),
        ] {
            assert_eq!(Chained::read(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn notes_are_read_as_they_are_written() {
        let link = Link::of(&[b"x"]);
        let notes = vec![
            Note::After(link),
            Note::Torn(12, link),
            Note::Was(link),
            Note::Without("drop:user,client.address".to_owned()),
            Note::Rewrote(3, link),
        ];
        let mut end = End {
            notes: notes.clone(),
            ..End::start(1, None)
        };
        let mut line = b"{\"a\":1".to_vec();
        end.add(&line.clone(), &mut line);
        line.pop();
        assert_eq!(Chained::read(&line).expect("chained").notes, notes);
    }
}
