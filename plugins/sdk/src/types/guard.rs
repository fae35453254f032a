//! Pieces of texts, and decisions about them.

use super::{ContentKind, Piece, Replacement, Stop, Verdict};

// === impl Piece ===

impl Piece {
    /// Creates a whole text of a kind, as one piece. For tests.
    #[must_use]
    pub fn whole(kind: ContentKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            index: 0,
            text: text.into(),
            last: true,
        }
    }

    /// Creates the beginning of a text of a kind. For tests.
    #[must_use]
    pub fn begin(kind: ContentKind, text: impl Into<String>) -> Self {
        Self {
            last: false,
            ..Self::whole(kind, text)
        }
    }

    /// Returns the character before the piece of the running call, or `None` at the start of the text. It has passed already.
    #[must_use]
    pub fn before(&self) -> Option<char> {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::witgate::plugin::texts::before();
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::before()
    }

    /// Returns the number of bytes of a text that the sidecar lets the guard hold back. Also for
    /// [`Plugin::configure`](crate::Plugin::configure).
    #[must_use]
    pub fn held_bytes() -> u32 {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::witgate::plugin::texts::held_bytes();
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::held_bytes()
    }

    /// Returns the number of bytes at the end of the piece that may be the beginning of `word`, for [`Verdict::Hold`]. It is 0 if
    /// the text ends with this piece.
    #[must_use]
    pub fn beginning_of(&self, word: &str) -> u32 {
        if self.last || word.is_empty() {
            return 0;
        }
        // A whole word is no beginning of another one.
        let after = self.text.match_indices(word).last();
        let after = after.map_or(0, |(at, word)| at + word.len());
        let rest = self.text.get(after..).unwrap_or_default();
        let beginnings = word.char_indices().rev().map(|(at, _)| at);
        let longest = beginnings
            .filter_map(|at| word.get(..at))
            .find(|beginning| rest.ends_with(beginning));
        u32::try_from(longest.map_or(0, str::len)).unwrap_or(u32::MAX)
    }
}

// === impl Verdict ===

impl Verdict {
    /// Passes another text instead of the piece.
    #[must_use]
    pub fn replace(text: impl Into<String>) -> Self {
        Self::replace_and_hold(text, 0)
    }

    /// Passes another text instead of the piece but for its last `hold` bytes, which come again with the next piece.
    #[must_use]
    pub fn replace_and_hold(text: impl Into<String>, hold: u32) -> Self {
        Self::Replace(Replacement {
            text: text.into(),
            hold,
        })
    }

    /// Refuses the request, or ends the response with an error. The rule is for the receipt, and the message for the client, too.
    #[must_use]
    pub fn stop(rule: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Stop(Stop {
            message: message.into(),
            rule: rule.into(),
            quietly: false,
        })
    }

    /// Refuses the request, or ends the response as if the model had stopped by itself.
    #[must_use]
    pub fn stop_quietly(rule: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Stop(Stop {
            message: message.into(),
            rule: rule.into(),
            quietly: true,
        })
    }
}
