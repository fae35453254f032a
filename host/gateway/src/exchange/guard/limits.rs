//! The bounds of what guards read.

/// Largest part of an answer that is kept until it has been read, in bytes.
pub(super) const MAX_HELD: usize = 32 << 20;

/// Bytes of text from which on guards run on a blocking thread.
pub(super) const BLOCKING: usize = 32 << 10;
