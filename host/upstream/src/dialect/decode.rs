//! The translation of a stream, piece by piece.

/// A translator of a stream.
pub(crate) trait Decode: Send + Sync {
    /// Returns the content type of the translation.
    fn content_type(&self) -> &'static str;

    /// Reads a piece and appends what it becomes.
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Progress;

    /// Reads the end, and appends what the client is told of one that comes too early.
    fn end(&mut self, out: &mut Vec<u8>);

    /// Returns the upstream's own figures, as far as they have been sent.
    fn figures(&self) -> Figures;
}

/// The progress of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More may come.
    Open,
    /// Nothing that comes is of use.
    Over,
}

/// The figures of an upstream about an answer of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Milliseconds from the request to the end of the answer.
    pub latency_ms: Option<u64>,
    /// Milliseconds from the request to the first byte of the answer.
    pub first_byte_ms: Option<u64>,
}
