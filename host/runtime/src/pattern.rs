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

    /// The cases that the host's patterns and those of the SDK have in common: `tests/it/repo` compares the two files.
    const CASES: &str = include_str!("globs.txt");

    #[test]
    fn a_pattern_matches_whole_names() {
        for case in CASES.lines() {
            let columns: Vec<_> = case.split('\t').collect();
            let [pattern, name, expected] = columns[..] else {
                panic!("{case:?} has three columns");
            };
            let found = Pattern::new(pattern).matches(name);
            assert_eq!(found, expected == "matches", "{pattern} on {name}");
        }
    }
}
