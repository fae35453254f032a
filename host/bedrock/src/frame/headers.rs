//! Headers of a frame.

/// The headers of a frame, which are well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

/// The type of a text's value.
const TEXT: u8 = 7;

// === impl Headers ===

impl<'a> Headers<'a> {
    /// Checks headers. Returns `None` if they are malformed.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = next(rest)?;
        }
        Some(Self(bytes))
    }

    /// Returns the text of a header. Headers of other types are no texts.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.0;
        while let Some((header, after)) = next(rest) {
            if header.name == name.as_bytes() && header.kind == TEXT {
                return std::str::from_utf8(header.value).ok();
            }
            rest = after;
        }
        None
    }
}

/// A header.
struct Header<'a> {
    name: &'a [u8],
    kind: u8,
    value: &'a [u8],
}

/// Splits the first header off.
fn next(bytes: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let (size, rest) = match kind {
        // True and false.
        0 | 1 => (0, rest),
        // A byte, and numbers of two, four and eight bytes; a time is one of the last.
        2 => (1, rest),
        3 => (2, rest),
        4 => (4, rest),
        5 | 8 => (8, rest),
        // Bytes and texts, after their length.
        6 | 7 => {
            let (size, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*size)), rest)
        }
        // A UUID.
        9 => (16, rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(size)?;
    let header = Header {
        name,
        kind: *kind,
        value,
    };
    (!name.is_empty()).then_some((header, rest))
}
