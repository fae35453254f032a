//! The limits of a document that is accepted.

/// Maximum nesting of brackets. Recursive parsers stop sooner (`serde_json` at 128), so no body that an upstream reads comes
/// near it.
pub(crate) const MAX_DEPTH: usize = 512;

/// Maximum number of members of an object with distinct names. The API has some thirty.
pub(crate) const MAX_MEMBERS: usize = 256;

/// Maximum length of a member name in bytes, as written. With [`MAX_MEMBERS`] it bounds the comparisons that a hostile body
/// can cause.
pub(crate) const MAX_NAME: usize = 1024;
