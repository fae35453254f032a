//! The readers of a stream's texts.

use super::Kind;

/// A reader of texts, which may change them.
pub trait Inspect {
    /// The reason to end the stream.
    type Stop;

    /// Returns whether texts of this kind are inspected.
    fn wants(&self, kind: Kind) -> bool;

    /// Inspects the next piece of a text. Nothing can be held back of the last one, which may be empty.
    ///
    /// # Errors
    /// The stream has to end before this piece.
    fn inspect(
        &mut self,
        kind: Kind,
        index: u32,
        text: &str,
        last: bool,
    ) -> Result<Passage, Self::Stop>;
}

/// The part of a text that may leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passage {
    /// The text that leaves instead of all that has not left yet, or `None` if that leaves as it came. Once a text was
    /// changed while the end of it is held back, all of it is changed until nothing is.
    pub changed: Option<String>,
    /// Bytes at the end that are held back.
    pub held: usize,
}
