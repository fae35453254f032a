//! Patterns: the regular expressions of rules, as far as texts that arrive in pieces can be searched for them.
//!
//! A pattern has literals, `.`, classes such as `[a-z_]`, `\d`, `\w`, `\s` and their opposites, groups, `|`, `*`, `+`, `?`, `{2,5}`,
//! and `\b` for a word boundary. `(?i)` at its start makes it ignore the case of ASCII letters. There are no line ends, look-arounds
//! or back-references.

mod class;
mod parser;

pub(crate) use class::Class;

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// A character of a class.
    Class(Class),
    /// A byte of a character beyond ASCII.
    Byte(u8),
    /// A word boundary.
    Boundary,
    All(Vec<Pattern>),
    Any(Vec<Pattern>),
    Repeat {
        pattern: Box<Pattern>,
        least: u16,
        /// Maximum, or `None` for any number.
        most: Option<u16>,
    },
}

// === impl Pattern ===

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// The mistake, with its place.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parser::parse(text)
    }

    /// Returns whether the pattern matches the empty text.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Class(_) | Self::Byte(_) => false,
            Self::Boundary => true,
            Self::All(parts) => parts.iter().all(Self::is_empty),
            Self::Any(parts) => parts.iter().any(Self::is_empty),
            Self::Repeat { pattern, least, .. } => *least == 0 || pattern.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests;
