//! JSON with truncated strings.

use memchr::{memchr, memchr2};

/// Maximum bytes kept of a string. Names, ids and error messages are shorter.
const MAX_STRING_BYTES: usize = 2 * 1024;

/// The syntactic position of the next byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Between,
    /// In a string, with the number of bytes kept.
    Inside(usize),
    /// In an escape sequence.
    Escaped(Escape),
    /// In the omitted part of a string.
    Omitted,
    /// After a backslash in the omitted part.
    OmittedEscape,
}

/// An incomplete escape sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Escape {
    /// Number of its bytes still to come.
    left: usize,
    /// Bytes of the string kept so far.
    kept: usize,
    half: Half,
}

/// Progress in recognising an escape that is the first half of a character (RFC 8259, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    No,
    /// The first digit fits such an escape.
    Perhaps,
    Yes,
}

/// Length in bytes of the second half of a character: `\uXXXX`.
const SECOND_HALF_BYTES: usize = 6;

/// A copier of JSON that omits the rest of long strings. A string is cut between two characters, so that the copy is JSON
/// as well.
#[derive(Debug, Default)]
pub(super) struct Outline {
    place: Place,
}

// === impl Outline ===

impl Outline {
    /// Appends the outline of a chunk to `kept`, up to `limit` bytes in total. Returns whether all of it fitted.
    pub(super) fn add(&mut self, chunk: &[u8], kept: &mut Vec<u8>, limit: usize) -> bool {
        let mut rest = chunk;
        while !rest.is_empty() {
            let (taken, keep) = self.step(rest);
            let (part, more) = rest.split_at(taken);
            rest = more;
            if keep == Keep::Yes {
                if kept.len() + part.len() > limit {
                    return false;
                }
                kept.extend_from_slice(part);
            }
        }
        true
    }

    /// Returns the length of the next stretch of the input, and whether it is kept.
    fn step(&mut self, rest: &[u8]) -> (usize, Keep) {
        match self.place {
            Place::Between => {
                let len = match memchr(b'"', rest) {
                    Some(quote) => {
                        self.place = Place::Inside(0);
                        quote + 1
                    }
                    None => rest.len(),
                };
                (len, Keep::Yes)
            }
            Place::Inside(kept) => self.inside(rest, kept),
            Place::Escaped(escape) => {
                self.place = escape.after(rest.first().copied().unwrap_or_default());
                (1, Keep::Yes)
            }
            Place::Omitted => match memchr2(b'"', b'\\', rest) {
                None => (rest.len(), Keep::No),
                Some(0) if rest.first() == Some(&b'"') => {
                    self.place = Place::Between;
                    (1, Keep::Yes)
                }
                Some(0) => {
                    self.place = Place::OmittedEscape;
                    (1, Keep::No)
                }
                Some(at) => (at, Keep::No),
            },
            Place::OmittedEscape => {
                self.place = Place::Omitted;
                (1, Keep::No)
            }
        }
    }

    fn inside(&mut self, rest: &[u8], kept: usize) -> (usize, Keep) {
        let room = MAX_STRING_BYTES.saturating_sub(kept);
        if room == 0 && rest.first().is_some_and(|byte| !is_continued(*byte)) {
            // A new character begins here.
            self.place = Place::Omitted;
            return (0, Keep::No);
        }
        // Beyond the limit it continues byte by byte to the end of the character.
        let window = rest.get(..room.max(1)).unwrap_or(rest);
        match memchr2(b'"', b'\\', window) {
            Some(at) if window.get(at) == Some(&b'"') => {
                self.place = Place::Between;
                (at + 1, Keep::Yes)
            }
            Some(at) => {
                self.place = Place::Escaped(Escape {
                    left: 1,
                    kept: kept + at + 1,
                    half: Half::No,
                });
                (at + 1, Keep::Yes)
            }
            None => {
                self.place = Place::Inside(kept + window.len());
                (window.len(), Keep::Yes)
            }
        }
    }
}

/// Returns true if a byte continues a character that began before it.
fn is_continued(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

// === impl Escape ===

impl Escape {
    /// Returns the state after its next byte.
    fn after(self, byte: u8) -> Place {
        let kept = self.kept + 1;
        let (left, half) = match (self.left, byte) {
            // Four digits follow, none of which is this letter.
            (1, b'u') if self.half == Half::No => (4, Half::No),
            (4, b'd' | b'D') => (3, Half::Perhaps),
            (3, b'8' | b'9' | b'a' | b'b' | b'A' | b'B') if self.half == Half::Perhaps => {
                (2, Half::Yes)
            }
            (left, _) => (left - 1, self.half),
        };
        match (left, half) {
            // The other half of the character is kept as well.
            (0, Half::Yes) => Place::Inside(kept.min(MAX_STRING_BYTES - SECOND_HALF_BYTES)),
            (0, Half::No | Half::Perhaps) => Place::Inside(kept),
            (left, half) => Place::Escaped(Self { left, kept, half }),
        }
    }
}

/// The fate of a stretch: kept or omitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlined(text: &str, size: usize) -> String {
        let (mut outline, mut kept) = (Outline::default(), Vec::new());
        for chunk in text.as_bytes().chunks(size) {
            assert!(outline.add(chunk, &mut kept, 1 << 20), "it fits");
        }
        String::from_utf8(kept).expect("it is cut between characters")
    }

    #[test]
    fn what_is_kept_is_json_of_the_same_shape_however_it_comes() {
        let texts = [
            "short".to_owned(),
            "a".repeat(5 * MAX_STRING_BYTES),
            "é\u{1f600}x".repeat(MAX_STRING_BYTES),
            "\"\\\n\t/ ".repeat(MAX_STRING_BYTES),
            "€".repeat(MAX_STRING_BYTES),
            format!("{}\\\" : {{", "b".repeat(MAX_STRING_BYTES - 2)),
        ];
        for text in &texts {
            let whole =
                serde_json::json!({"a": [text, 1, {"b": text}], "usage": {"n": 7}}).to_string();
            let escaped: String = whole
                .chars()
                .map(|letter| match letter {
                    '\u{80}'.. => {
                        let mut units = [0; 2];
                        let units = letter.encode_utf16(&mut units);
                        units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
                    }
                    letter => letter.to_string(),
                })
                .collect();
            for whole in [&whole, &escaped] {
                for size in [1, 7, 4096, whole.len()] {
                    let kept = outlined(whole, size);
                    let read: serde_json::Value = serde_json::from_str(&kept)
                        .unwrap_or_else(|error| panic!("{error} in {:.80}…", kept));
                    assert_eq!(read["usage"]["n"], 7, "what stands behind it");
                    let begins = read["a"][0].as_str().unwrap();
                    assert!(text.starts_with(begins), "the beginning is kept");
                    assert!(
                        begins.len() >= text.len().min(MAX_STRING_BYTES / 6),
                        "and enough of it"
                    );
                    assert!(
                        kept.len() < 4 * MAX_STRING_BYTES,
                        "and no more: {}",
                        kept.len()
                    );
                }
            }
        }
    }

    #[test]
    fn a_long_text_is_not_kept() {
        let whole = serde_json::json!({"content": [{"text": "word ".repeat(1 << 20)}]}).to_string();
        let kept = outlined(&whole, 64 * 1024);
        assert!(
            kept.len() < 2 * MAX_STRING_BYTES,
            "{} of {} bytes",
            kept.len(),
            whole.len()
        );
    }
}
