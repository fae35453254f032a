//! Amounts that a request takes of a capacity.

use std::fmt;

/// A unit in which an upstream's capacity is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Requests.
    Requests,
    /// Input and output tokens together.
    Tokens,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
}

/// The amounts of one request, as the upstream counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Requests: one, or the number of requests in a batch.
    pub requests: u64,
    /// Input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
}

// === impl Unit ===

impl Unit {
    /// Returns the name for operators, as in the configuration and in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
        }
    }
}

impl fmt::Display for Unit {
    /// Writes the words for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
        })
    }
}

// === impl Amounts ===

impl Amounts {
    /// Returns the amount in a unit.
    #[must_use]
    pub const fn of(self, unit: Unit) -> u64 {
        match unit {
            Unit::Requests => self.requests,
            Unit::Tokens => self.input.saturating_add(self.output),
            Unit::InputTokens => self.input,
            Unit::OutputTokens => self.output,
        }
    }
}
