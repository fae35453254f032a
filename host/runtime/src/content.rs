//! The kinds of texts that guards inspect.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::contract::WitContentKind as Wit;

/// The side of an exchange that a text is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ContentSide {
    /// The request, before it is forwarded.
    Request,
    /// The response, before the client gets it.
    Response,
}

/// The kind of a text that guards inspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ContentKind {
    /// The system prompt of a request.
    System,
    /// A text of the user.
    User,
    /// A text or the input of a tool call of an earlier answer, in a request.
    Assistant,
    /// A text in the result of a tool, in a request.
    ToolResult,
    /// A text of the model.
    Text,
    /// The model's thinking.
    Thinking,
    /// The input of a tool call, as the JSON text that the model writes.
    ToolInput,
    /// A text in the result of a tool that the provider ran.
    ServerToolResult,
    /// The end of a response, whose text is empty.
    End,
}

/// A set of kinds.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ContentKinds(u16);

// === impl ContentSide ===

impl ContentSide {
    /// Returns the side's name in a sidecar.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

// === impl ContentKind ===

impl ContentKind {
    /// All kinds: those of a request, then those of a response.
    pub const ALL: [Self; 9] = [
        Self::System,
        Self::User,
        Self::Assistant,
        Self::ToolResult,
        Self::Text,
        Self::Thinking,
        Self::ToolInput,
        Self::ServerToolResult,
        Self::End,
    ];

    /// Returns the kind's name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::ToolResult => "tool-result",
            Self::Text => "text",
            Self::Thinking => "thinking",
            Self::ToolInput => "tool-input",
            Self::ServerToolResult => "server-tool-result",
            Self::End => "end",
        }
    }

    /// Returns the side of an exchange that texts of this kind are on.
    pub const fn side(self) -> ContentSide {
        match self {
            Self::System | Self::User | Self::Assistant | Self::ToolResult => ContentSide::Request,
            Self::Text | Self::Thinking | Self::ToolInput | Self::ServerToolResult | Self::End => {
                ContentSide::Response
            }
        }
    }

    /// Returns the kind of the contract's, or `None` for one that this host does not know.
    pub(crate) fn of(kind: &Wit) -> Option<Self> {
        Some(match kind {
            Wit::System => Self::System,
            Wit::User => Self::User,
            Wit::Assistant => Self::Assistant,
            Wit::ToolResult => Self::ToolResult,
            Wit::Text => Self::Text,
            Wit::Thinking => Self::Thinking,
            Wit::ToolInput => Self::ToolInput,
            Wit::ServerToolResult => Self::ServerToolResult,
            Wit::End => Self::End,
            Wit::Other(_) => return None,
        })
    }
}

impl From<ContentKind> for Wit {
    fn from(kind: ContentKind) -> Self {
        match kind {
            ContentKind::System => Self::System,
            ContentKind::User => Self::User,
            ContentKind::Assistant => Self::Assistant,
            ContentKind::ToolResult => Self::ToolResult,
            ContentKind::Text => Self::Text,
            ContentKind::Thinking => Self::Thinking,
            ContentKind::ToolInput => Self::ToolInput,
            ContentKind::ServerToolResult => Self::ServerToolResult,
            ContentKind::End => Self::End,
        }
    }
}

impl fmt::Display for ContentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl ContentKinds ===

impl ContentKinds {
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn has(self, kind: ContentKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = ContentKind> {
        ContentKind::ALL
            .into_iter()
            .filter(move |kind| self.has(*kind))
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn bit(kind: ContentKind) -> u16 {
        1 << kind as u16
    }
}

impl FromIterator<ContentKind> for ContentKinds {
    fn from_iter<I: IntoIterator<Item = ContentKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | Self::bit(kind)))
    }
}

impl fmt::Debug for ContentKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
