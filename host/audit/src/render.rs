//! The embedder's part: receipts, and their conversion to lines.

use crate::Lines;

/// A receipt that can always be written in a raw form.
pub trait Receipt: Send + 'static {
    /// Returns its approximate size in memory, in bytes.
    fn weight(&self) -> usize;

    /// Appends the receipt in its raw form, as one line that carries the mark. May be called on the submitting thread.
    fn raw(&self, mark: Mark, line: &mut Vec<u8>);
}

/// The reason for writing a receipt in its raw form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The queue was full or closed.
    QueueFull,
    /// Rendering panicked.
    RenderPanicked,
    /// Rendering produced no line or several.
    RenderMiscounted,
}

/// A conversion of receipts to lines. Any `FnMut(&[T], &mut Lines)` implements it.
pub trait Render<T>: Send + 'static {
    /// Adds exactly one line per receipt, in order. If it adds another number or panics, it is called again for each receipt
    /// of the batch by itself, and receipts for which it fails again are written raw. Implementations must allow for that.
    fn render(&mut self, batch: &[T], out: &mut Lines);
}

// === impl Mark ===

impl Mark {
    /// Returns the mark as a word for the line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::RenderPanicked => "render-panicked",
            Self::RenderMiscounted => "render-miscounted",
        }
    }
}

// === impl Render ===

impl<T, F: FnMut(&[T], &mut Lines) + Send + 'static> Render<T> for F {
    fn render(&mut self, batch: &[T], out: &mut Lines) {
        self(batch, out);
    }
}
