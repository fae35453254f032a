//! What is wrong with a document, and where.

use super::{MAX_DEPTH, MAX_MEMBERS, MAX_NAME};

/// A document that is refused. The client is at fault: it sent what is not JSON, or what two readers could read in
/// two ways. Its text is meant for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request body is refused at byte {offset}: {kind}")]
pub struct Malformed {
    /// Where in the document, counted in bytes from 0. A document that ends too soon is refused at its length.
    pub offset: usize,
    /// What is wrong there.
    pub kind: MalformedKind,
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedKind {
    /// The document is no JSON object.
    #[error("a JSON object is expected")]
    NotAnObject,
    /// The document ends too soon.
    #[error("it ends too soon")]
    Truncated,
    /// The document ends inside a string.
    #[error("it ends inside a string")]
    UnterminatedString,
    /// A bracket closes what it did not open.
    #[error("the brackets do not match")]
    Unbalanced,
    /// A control character stands unescaped in a string.
    #[error("a control character has to be escaped in a string")]
    ControlCharacter,
    /// A backslash stands outside of strings.
    #[error("a backslash has no place outside of a string")]
    StrayBackslash,
    /// A backslash begins no escape.
    #[error("the escape is not one of JSON")]
    BadEscape,
    /// An escaped half of a surrogate pair stands alone in a text that policy reads.
    #[error("an escaped surrogate stands alone")]
    LoneSurrogate,
    /// The object is followed by something else.
    #[error("nothing may follow the object")]
    TrailingBytes,
    /// A member name was expected.
    #[error("a member name in double quotes is expected")]
    MissingName,
    /// The colon after a member name is missing.
    #[error("a colon is expected after the member name")]
    MissingColon,
    /// The comma or the closing bracket after a value is missing.
    #[error("a comma or a closing bracket is expected")]
    MissingComma,
    /// A comma is followed by no member.
    #[error("a member is expected after the comma")]
    TrailingComma,
    /// A value was expected, and this begins none.
    #[error("a JSON value is expected")]
    BadValue,
    /// The bytes are not UTF-8.
    #[error("the bytes are not UTF-8")]
    InvalidUtf8,
    /// Nesting is deeper than [`MAX_DEPTH`](crate::head::MAX_DEPTH).
    #[error("nesting is deeper than {MAX_DEPTH}")]
    TooDeep,
    /// One object has more than [`MAX_MEMBERS`](crate::head::MAX_MEMBERS) members.
    #[error("there are more than {MAX_MEMBERS} members")]
    TooManyMembers,
    /// A batch has more requests than [`MAX_REQUESTS`](crate::batch::MAX_REQUESTS).
    #[error("a batch has at most {limit} requests")]
    TooManyRequests {
        /// Requests that a batch may have.
        limit: usize,
    },
    /// A body names more models beside its own than [`MAX_MODELS`](crate::head::MAX_MODELS).
    #[error("more than {limit} models are named beside the body's own")]
    TooManyModels {
        /// Models that a body may name beside its own.
        limit: usize,
    },
    /// A member name is longer than [`MAX_NAME`](crate::head::MAX_NAME) bytes.
    #[error("a member name is longer than {MAX_NAME} bytes")]
    NameTooLong,
    /// A member comes twice, perhaps in two spellings of its name, so that two readers may read two values.
    #[error("the member `{name}` comes twice")]
    Duplicate {
        /// The name, unescaped.
        name: Box<str>,
    },
    /// A member that has to be looked into is of another type.
    #[error("`{name}` has to be {wanted}")]
    WrongType {
        /// The member.
        name: &'static str,
        /// What it has to be.
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
    /// The same, seen from a document in which this one begins at `start`.
    pub(crate) fn within(mut self, start: usize) -> Self {
        self.offset = self.offset.saturating_add(start);
        self
    }
}
