//! A text on its way through the guards.

use std::borrow::Cow;

use crate::content::ContentKind;

/// A text that has begun and not ended.
pub(super) struct OpenText {
    pub(super) kind: ContentKind,
    pub(super) index: u32,
    /// What each guard knows of it.
    pub(super) known: Vec<Known>,
    /// `true` if something was changed since the last time that nothing was held.
    pub(super) changed: bool,
}

/// What a guard knows of a text.
#[derive(Default)]
pub(super) struct Known {
    /// The end that it holds back.
    pub(super) held: String,
    /// The character before that, or before the next piece.
    pub(super) before: Option<char>,
}

// === impl OpenText ===

impl OpenText {
    /// Creates the state of a text that begins, which takes no memory.
    pub(super) fn new(kind: ContentKind, index: u32) -> Self {
        Self {
            kind,
            index,
            known: Vec::new(),
            changed: false,
        }
    }

    /// Takes what a guard holds, and adds the text that follows.
    pub(super) fn take<'t>(&mut self, guard: usize, more: Cow<'t, str>) -> Cow<'t, str> {
        match self.known.get_mut(guard) {
            Some(Known { held, .. }) if !held.is_empty() => {
                let mut pending = std::mem::take(held);
                pending.push_str(&more);
                Cow::Owned(pending)
            }
            Some(_) | None => more,
        }
    }

    pub(super) fn before(&self, guard: usize) -> Option<char> {
        self.known.get(guard)?.before
    }

    pub(super) fn keep(&mut self, guard: usize, known: Known) {
        if self.known.len() <= guard {
            self.known.resize_with(guard + 1, Known::default);
        }
        if let Some(place) = self.known.get_mut(guard) {
            *place = known;
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.known.iter().map(|known| known.held.len()).sum()
    }
}
