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
