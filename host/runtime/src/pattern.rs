//! Patterns for names.

/// A pattern for a whole name. `*` matches any text, the empty one too; all other characters match themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// What is before the first star.
    head: Box<str>,
    /// The rest, or `None` without a star.
    rest: Option<Rest>,
}

/// What is behind the first star of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    /// What is between two stars, in order.
    parts: Box<[Box<str>]>,
    /// What is behind the last star.
    tail: Box<str>,
}

// === impl Pattern ===

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Self {
        let Some((head, rest)) = pattern.split_once('*') else {
            return Self {
                head: pattern.into(),
                rest: None,
            };
        };
        let mut parts = rest.split('*');
        let tail = parts.next_back().unwrap_or_default().into();
        let parts = parts.map(Into::into).collect();
        Self {
            head: head.into(),
            rest: Some(Rest { parts, tail }),
        }
    }

    /// Returns whether this is `*`, which matches everything, a missing name too.
    pub(crate) fn is_any(&self) -> bool {
        let rest = self.rest.as_ref();
        self.head.is_empty()
            && rest.is_some_and(|rest| rest.parts.is_empty() && rest.tail.is_empty())
    }

    /// Returns whether the pattern matches a whole name. Takes one pass over the name: between two stars, the first match is
    /// always good enough.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let Some(rest) = &self.rest else {
            return *self.head == *name;
        };
        let Some(mut name) = name.strip_prefix(&*self.head) else {
            return false;
        };
        for part in &rest.parts {
            let Some(after) = behind(name, part) else {
                return false;
            };
            name = after;
        }
        name.ends_with(&*rest.tail)
    }
}

/// Returns what is behind the first occurrence of a part. A search for a text takes long to prepare, and most parts have one
/// character.
fn behind<'n>(name: &'n str, part: &str) -> Option<&'n str> {
    match part.as_bytes() {
        [byte] => {
            let at = name.bytes().position(|it| it == *byte)?;
            name.get(at + 1..)
        }
        _ => name.split_once(part).map(|(_, after)| after),
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
