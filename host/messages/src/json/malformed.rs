//! Errors in a document, with their position.

use super::{MAX_DEPTH, MAX_MEMBERS, MAX_NAME};

/// The error of a refused document. The client is at fault: it sent invalid JSON, or JSON that parsers could read in different
/// ways. The text is meant for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request body is invalid at byte {offset}: {kind}")]
pub struct Malformed {
    /// Position in the document in bytes from 0; its length for a document that ends too soon.
    pub offset: usize,
    /// The error at that position.
    pub kind: MalformedKind,
}

/// The kind of an error in a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedKind {
    /// The document is not a JSON object.
    #[error("expected a JSON object")]
    NotAnObject,
    /// The document ends too soon.
    #[error("unexpected end of the body")]
    Truncated,
    /// The document ends inside a string.
    #[error("unterminated string")]
    UnterminatedString,
    /// A closing bracket does not match the opening one.
    #[error("mismatched brackets")]
    Unbalanced,
    /// A string contains an unescaped control character.
    #[error("control characters in strings must be escaped")]
    ControlCharacter,
    /// A backslash occurs outside of strings.
    #[error("unexpected backslash outside of a string")]
    StrayBackslash,
    /// A backslash does not begin a valid escape.
    #[error("invalid escape sequence")]
    BadEscape,
    /// A text that policy reads contains half of an escaped surrogate pair.
    #[error("unpaired surrogate escape")]
    LoneSurrogate,
    /// The object is followed by other bytes.
    #[error("unexpected bytes after the object")]
    TrailingBytes,
    /// A member name was expected.
    #[error("expected a member name in double quotes")]
    MissingName,
    /// The colon after a member name is missing.
    #[error("expected a colon after the member name")]
    MissingColon,
    /// The comma or the closing bracket after a value is missing.
    #[error("expected a comma or a closing bracket")]
    MissingComma,
    /// A comma is not followed by a member.
    #[error("expected a member after the comma")]
    TrailingComma,
    /// A value was expected.
    #[error("expected a JSON value")]
    BadValue,
    /// The bytes are not UTF-8.
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// Nesting is deeper than [`MAX_DEPTH`](crate::head::MAX_DEPTH).
    #[error("more than {MAX_DEPTH} levels of nesting")]
    TooDeep,
    /// An object has more than [`MAX_MEMBERS`](crate::head::MAX_MEMBERS) members.
    #[error("more than {MAX_MEMBERS} members")]
    TooManyMembers,
    /// A batch has more requests than [`MAX_REQUESTS`](crate::batch::MAX_REQUESTS).
    #[error("a batch may have at most {limit} requests")]
    TooManyRequests {
        /// Maximum number of requests.
        limit: usize,
    },
    /// A body names more than [`MAX_MODELS`](crate::head::MAX_MODELS) models in addition to its own.
    #[error("more than {limit} models in addition to `model`")]
    TooManyModels {
        /// Maximum number of such models.
        limit: usize,
    },
    /// A member name is longer than [`MAX_NAME`](crate::head::MAX_NAME) bytes.
    #[error("member name longer than {MAX_NAME} bytes")]
    NameTooLong,
    /// A member appears twice, perhaps in two spellings of its name, so that parsers may read different values.
    #[error("the member `{name}` appears twice")]
    Duplicate {
        /// The name, unescaped.
        name: Box<str>,
    },
    /// A member that the gateway has to read is of a wrong type.
    #[error("`{name}` must be {wanted}")]
    WrongType {
        /// The member.
        name: &'static str,
        /// The required type.
        wanted: &'static str,
    },
}

// === impl MalformedKind ===

impl MalformedKind {
    pub(crate) fn at(self, offset: usize) -> Malformed {
        Malformed { offset, kind: self }
    }
}

// === impl Malformed ===

impl Malformed {
    /// Returns the same error, relative to a document in which this one begins at `start`.
    pub(crate) fn within(mut self, start: usize) -> Self {
        self.offset = self.offset.saturating_add(start);
        self
    }
}
