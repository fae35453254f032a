//! Patterns for names.

use serde::{Deserialize, Deserializer};
use std::fmt;

/// A pattern for a whole name: `*` stands for any run of characters, also none; everything else for itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob(String);

// === impl Glob ===

impl Glob {
    /// The pattern of this text.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only one name matches, the pattern's own text.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether the whole name matches. Takes one pass over the name: between two stars the first place that fits is
    /// always good enough.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else {
            return self.0 == name;
        };
        let Some(mut name) = name.strip_prefix(head) else {
            return false;
        };
        let mut parts = rest.split('*');
        let tail = parts.next_back().unwrap_or_default();
        for part in parts {
            let Some((_, after)) = name.split_once(part) else {
                return false;
            };
            name = after;
        }
        name.ends_with(tail)
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

    #[test]
    fn a_glob_matches_whole_names() {
        for (pattern, name, matches) in [
            ("claude", "claude", true),
            ("claude", "claude-5", false),
            ("", "", true),
            ("*", "", true),
            ("*opus*", "claude-opus-5-5", true),
            ("*opus*", "claude-sonnet-5", false),
            ("claude-*-5", "claude-opus-5", true),
            ("claude-*-5", "claude-5", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*aba", "ababa", true),
            ("ab*ba", "aba", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(name),
                matches,
                "{pattern} on {name}"
            );
        }
    }
}
