//! Patterns for names.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A pattern for a whole name. `*` matches any run of characters, including an empty one; all other characters match
/// themselves.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Glob(String);

// === impl Glob ===

impl Glob {
    /// Creates a pattern.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Returns the text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the pattern has no `*`, so that it matches one name only.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.0.contains('*')
    }

    /// Returns whether the pattern matches the whole name. Takes one pass over the name: between two stars, the first
    /// match is always good enough.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // Bytes, since the search for a text in a text is far more code than this needs.
        let mut parts = self.0.as_bytes().split(|byte| *byte == b'*');
        let head = parts.next().unwrap_or_default();
        let Some(mut name) = name.as_bytes().strip_prefix(head) else {
            return false;
        };
        let Some(tail) = parts.next_back() else {
            return name.is_empty();
        };
        for part in parts {
            let Some(after) = behind(name, part) else {
                return false;
            };
            name = after;
        }
        name.ends_with(tail)
    }
}

/// Returns what comes behind the first occurrence of a part, or `None` if there is none.
fn behind<'a>(mut name: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
    loop {
        match name.strip_prefix(part) {
            Some(after) => return Some(after),
            None => name = name.get(1..)?,
        }
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    /// The cases that the host's patterns and those of the SDK have in common: `tests/it/repo` compares the two files.
    const CASES: &str = include_str!("globs.txt");

    #[test]
    fn a_glob_matches_whole_names() {
        for case in CASES.lines() {
            let columns: Vec<_> = case.split('\t').collect();
            let [pattern, name, expected] = columns[..] else {
                panic!("{case:?} has three columns");
            };
            let found = Glob::new(pattern).matches(name);
            assert_eq!(found, expected == "matches", "{pattern} on {name}");
        }
    }
}
