//! Search for named values at any depth, without validating the document.
//!
//! The search is a single pass over strings and brackets. It refuses nothing: in a document with matching brackets and
//! terminated strings it finds every name that a JSON parser finds, whatever else is wrong. Its time is proportional to the
//! size of the document, regardless of nesting.

use std::borrow::Cow;

use super::container;
use super::text::{closing_quote_anyhow, unescape};
use super::value::blank_end;
use super::{Scanner, Span};

/// A name and the position of its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    bytes: &'a [u8],
    /// The name as written, without its quotes.
    pub(crate) name: Span,
    /// Number of enclosing objects, its own included.
    pub(crate) depth: usize,
    /// The value without its quotes, or `None` if it is not a string.
    pub(crate) string: Option<Span>,
}

/// A choice whether to search inside a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    Wanted,
    Unwanted,
}

/// Calls `each` with every name in `bytes`, in order.
pub(crate) fn each_named<'a>(bytes: &'a [u8], mut each: impl FnMut(Named<'a>) -> Inside) {
    let mut at = 0;
    let mut depth = 0_usize;
    while let Some(found) = next(bytes, at) {
        at = found + 1;
        match bytes.get(found) {
            Some(b'{') => depth += 1,
            Some(b'}') => depth = depth.saturating_sub(1),
            _ => {
                let Some(end) = closing_quote_anyhow(bytes, found) else {
                    return;
                };
                at = end + 1;
                let colon = blank_end(bytes, at);
                if bytes.get(colon) != Some(&b':') {
                    continue;
                }
                let value = blank_end(bytes, colon + 1);
                let string = string(bytes, value);
                let inside = each(Named {
                    bytes,
                    name: Span {
                        start: found + 1,
                        end,
                    },
                    depth,
                    string,
                });
                at = match (string, inside) {
                    (Some(string), _) => string.end + 1,
                    (None, Inside::Unwanted) => skipped(bytes, value),
                    (None, Inside::Wanted) => value,
                };
            }
        }
    }
}

/// Returns the next quote or brace from `at` on.
fn next(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    memchr::memchr3(b'"', b'{', b'}', rest).map(|found| at + found)
}

/// Returns the string that begins at `at`, or `None`.
fn string(bytes: &[u8], at: usize) -> Option<Span> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let end = closing_quote_anyhow(bytes, at)?;
    Some(Span { start: at + 1, end })
}

/// Returns the end of the container that begins at `at`, or `at` if there is none or it does not end.
fn skipped(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'{' | b'[') => {
            container::skip(bytes, at, Scanner::Fastest).map_or(at, |container| container.end)
        }
        _ => at,
    }
}

// === impl Named ===

impl<'a> Named<'a> {
    /// Returns true if this is the name with escapes resolved.
    pub(crate) fn is(&self, name: &str) -> bool {
        let raw = self.name.of(self.bytes);
        raw == name.as_bytes()
            || (raw.contains(&b'\\')
                && unescape(self.name.text(self.bytes)).is_ok_and(|meant| meant == name))
    }

    /// Returns the value of a string: unescaped, or as written if it cannot be unescaped.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        let raw = self.string?.text(self.bytes);
        Some(unescape(raw).unwrap_or(Cow::Borrowed(raw)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(document: &str) -> Vec<(String, usize, Option<String>)> {
        let mut names = Vec::new();
        each_named(document.as_bytes(), |named| {
            let name = named.name.text(document.as_bytes()).to_owned();
            let inside = if named.is("skip") {
                Inside::Unwanted
            } else {
                Inside::Wanted
            };
            names.push((name, named.depth, named.text().map(Into::into)));
            inside
        });
        names
    }

    #[test]
    fn every_name_is_found_with_its_depth_and_text() {
        let found = names(
            r#" {"a" : "x\n", "b":[{"c":{"d":1}}, "e", ["f\\"]], "s\u006bip":{"g":[{"h":1}]},"skip":[{"i":2}], "j":""} "#,
        );
        let wanted = [
            ("a", 1, Some("x\n")),
            ("b", 1, None),
            ("c", 2, None),
            ("d", 3, None),
            ("s\\u006bip", 1, None),
            ("skip", 1, None),
            ("j", 1, Some("")),
        ];
        let wanted =
            wanted.map(|(name, depth, text)| (name.to_owned(), depth, text.map(str::to_owned)));
        assert_eq!(found, wanted, "in order, and nothing of what is skipped");
    }

    #[test]
    fn what_is_wrong_elsewhere_hides_no_name() {
        for document in [
            r#"{"x":01,"a":"1"}"#,
            r#"{"x":NaN,,"a":"1"}"#,
            r#"{"x":"\q\ud800","a":"1"}"#,
            r#"{"x\q":[1 2],"a":"1"}"#,
            r#"{"skip":1e999,"a":"1"}"#,
            r#"{"x" 1 "a":"1"}"#,
        ] {
            let found = names(document);
            assert_eq!(
                found.last(),
                Some(&("a".to_owned(), 1, Some("1".to_owned()))),
                "{document}"
            );
        }
        assert_eq!(names(r#"{"a":"1","b"#).len(), 1, "a cut document ends");
        assert_eq!(names("}}{\"a\":1}").len(), 1, "and one that begins badly");
    }

    #[test]
    fn a_text_that_means_nothing_is_given_as_it_is_written() {
        let found = names(r#"{"a":"x\ud800"}"#);
        assert_eq!(
            found.first().and_then(|(_, _, text)| text.as_deref()),
            Some("x\\ud800")
        );
    }
}
