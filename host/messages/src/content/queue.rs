//! The events of a stream that wait for a guard, in order.

use std::collections::VecDeque;
use std::ops::Range;

use super::event::Event;
use super::{Cut, escaped};
use crate::json::unescape_lossy;

/// The waiting events. All leave in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// Bytes of all entries.
    bytes: usize,
}

/// The text of an event in the queue.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The number of the text that it is a piece of.
    pub(super) text: u32,
    /// The position of the piece in the event's data.
    pub(super) span: Range<usize>,
    /// Bytes of the piece, decoded.
    pub(super) len: usize,
    /// Bytes of it that the guards have passed.
    pub(super) passed: usize,
    /// Treatment of the event if all of its text is taken away.
    pub(super) emptied: Emptied,
}

/// The treatment of an event whose text is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emptied {
    /// It stays, with an empty text.
    Stays,
    /// It goes.
    Goes,
}

#[derive(Debug)]
struct Entry {
    raw: Vec<u8>,
    /// `None` for an event that may leave.
    waiting: Option<Waiting>,
}

// === impl Queue ===

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of bytes kept.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// Adds an event at the end.
    pub(super) fn push(&mut self, raw: Vec<u8>, waiting: Option<Waiting>) {
        self.bytes += raw.len();
        self.entries.push_back(Entry { raw, waiting });
    }

    /// Passes all of a text but its last `held` bytes.
    pub(super) fn release(&mut self, text: u32, held: usize) {
        let left = |entry: &Entry| entry.of(text).map_or(0, |piece| piece.len - piece.passed);
        let outstanding: usize = self.entries.iter().map(left).sum();
        let mut passing = outstanding.saturating_sub(held);
        for entry in &mut self.entries {
            let Some(piece) = entry.waiting.as_mut().filter(|piece| piece.text == text) else {
                continue;
            };
            let step = passing.min(piece.len - piece.passed);
            piece.passed += step;
            passing -= step;
            if piece.passed == piece.len {
                entry.waiting = None;
            }
        }
    }

    /// Puts `new` in the place of all of a text that has not passed: into its newest event. Returns whether there is one.
    #[must_use]
    pub(super) fn replace(&mut self, text: u32, new: &str) -> bool {
        let newest = self
            .entries
            .iter()
            .rposition(|entry| entry.of(text).is_some());
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let new = if newest == Some(index) { new } else { "" };
            if entry.of(text).is_some() {
                entry.cut(new);
            }
        }
        self.count();
        newest.is_some()
    }

    /// Takes away all that has not passed.
    pub(super) fn withhold(&mut self) {
        for entry in &mut self.entries {
            entry.cut("");
        }
        self.count();
    }

    /// Moves the events that may leave to `out`.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.waiting.is_none()) {
            self.bytes = self.bytes.saturating_sub(entry.raw.len());
            out.extend_from_slice(&entry.raw);
        }
    }

    fn count(&mut self) {
        self.bytes = self.entries.iter().map(|entry| entry.raw.len()).sum();
    }
}

// === impl Entry ===

impl Entry {
    fn of(&self, text: u32) -> Option<&Waiting> {
        self.waiting.as_ref().filter(|piece| piece.text == text)
    }

    /// Reduces a waiting event to what has passed of its text, with `new` behind it. Then it may leave.
    fn cut(&mut self, new: &str) {
        let Some(piece) = self.waiting.take() else {
            return;
        };
        let event = Event::read(&self.raw);
        let raw = event.data().get(piece.span.clone()).unwrap_or_default();
        let decoded = unescape_lossy(raw);
        let text = [decoded.get(..piece.passed).unwrap_or_default(), new].concat();
        self.raw = if text.is_empty() && piece.emptied == Emptied::Goes {
            Vec::new()
        } else {
            event.rewritten(&mut [Cut {
                span: piece.span,
                json: escaped(&text),
            }])
        };
    }
}
