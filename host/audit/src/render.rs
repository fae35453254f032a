//! What the embedder brings: its receipts, and how they become lines.

use crate::Lines;

/// A receipt that can always be written, even where nothing else works.
pub trait Receipt: Send + 'static {
    /// About how many bytes of memory it takes while it waits.
    fn weight(&self) -> usize;

    /// Appends the receipt as it is, as one line with the mark on it. Called on the thread that submits as well.
    fn raw(&self, mark: Mark, line: &mut Vec<u8>);
}

/// Why a receipt is written raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The queue was full, or closed already.
    QueueFull,
    /// Rendering it panicked.
    RenderPanicked,
    /// Rendering it gave another number of lines than one.
    RenderMiscounted,
}

/// Turns receipts into lines. Any `FnMut(&[T], &mut Lines)` does.
pub trait Render<T>: Send + 'static {
    /// Adds exactly one line for each receipt, in their order. Where it adds another number, or panics, it is called again
    /// for each receipt of the batch by itself, and those that it fails at again are written raw; it must stand that.
    fn render(&mut self, batch: &[T], out: &mut Lines);
}

// === impl Mark ===

impl Mark {
    /// The mark as a word for the line.
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
