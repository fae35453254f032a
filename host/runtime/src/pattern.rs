//! Patterns for names.

/// A pattern for a whole name. `*` matches any text, the empty one too; all other characters match themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Box<str>);

// === impl Pattern ===

impl Pattern {
    pub(crate) fn new(pattern: impl Into<Box<str>>) -> Self {
        Self(pattern.into())
    }

    /// Returns whether this is `*`, which matches everything, a missing name too.
    pub(crate) fn is_any(&self) -> bool {
        &*self.0 == "*"
    }

    /// Returns whether the pattern matches a whole name. Takes one pass over the name: between two stars, the first match is
    /// always good enough.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else {
            return *self.0 == *name;
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

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_pattern_matches_whole_names() {
        for (pattern, name, matches) in [
            ("claude", "claude", true),
            ("claude", "claude-5", false),
            ("", "", true),
            ("*", "", true),
            ("*opus*", "claude-opus-5-5", true),
            ("claude-*-5", "claude-5", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*aba", "ababa", true),
            ("ab*ba", "aba", false),
        ] {
            let found = Pattern::new(pattern).matches(name);
            assert_eq!(found, matches, "{pattern} on {name}");
        }
    }
}
