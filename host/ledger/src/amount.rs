//! Units of charges, and cumulative amounts in them.

use serde::{Deserialize, Serialize};

use crate::window::UnknownCode;

/// The unit that a charge counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Money, in 10^-12 US dollars.
    #[serde(rename = "picousd")]
    PicoUsd,
    /// Tokens of all kinds together.
    Tokens,
    /// Tokens of the prompt that were not read from a cache, as providers count them for their own limits: uncached input and
    /// cache writes.
    InputTokens,
    /// Tokens of the answer.
    OutputTokens,
    /// Tokens of the prompt that were read from a cache.
    CachedTokens,
    /// Requests.
    Requests,
    /// Open requests. A level rather than a flow: a hold leaves none of it behind when it ends, and it does not reset with
    /// its window, because otherwise each new minute would admit the whole limit again.
    InFlight,
    /// Sessions in use: those of which a request is open, or was in the window. Each charge is on the seat of a session in its
    /// account ([`crate::seat`]), and the limit is for all seats of the account together.
    Sessions,
}

/// The cumulative usage of an exchange so far, never a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Money in pico-USD.
    pub picousd: u64,
    /// Tokens of all kinds together.
    pub tokens: u64,
    /// Uncached input and cache writes.
    pub input_tokens: u64,
    /// Output.
    pub output_tokens: u64,
    /// Cache reads.
    pub cached_tokens: u64,
    /// Requests: 1 for an exchange that counts as one, 0 for one that never reached an upstream.
    pub requests: u64,
}

// === impl Unit ===

impl Unit {
    /// All units.
    pub const ALL: [Self; 8] = [
        Self::PicoUsd,
        Self::Tokens,
        Self::InputTokens,
        Self::OutputTokens,
        Self::CachedTokens,
        Self::Requests,
        Self::InFlight,
        Self::Sessions,
    ];

    /// Parses a code of the plugin contract (`charge.unit`).
    ///
    /// # Errors
    /// [`UnknownCode`] unless it is the code of one of [`Unit::ALL`].
    pub fn parse(code: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .into_iter()
            .find(|unit| unit.code() == code)
            .ok_or_else(|| UnknownCode {
                kind: "unit",
                code: code.into(),
                known: "picousd, tokens, input-tokens, output-tokens, cached-tokens, requests, in-flight, sessions",
            })
    }

    /// Returns the code of the plugin contract.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PicoUsd => "picousd",
            Self::Tokens => "tokens",
            Self::InputTokens => "input-tokens",
            Self::OutputTokens => "output-tokens",
            Self::CachedTokens => "cached-tokens",
            Self::Requests => "requests",
            Self::InFlight => "in-flight",
            Self::Sessions => "sessions",
        }
    }
}

// === impl Amounts ===

impl Amounts {
    /// Creates amounts unit by unit. Levels have none.
    #[must_use]
    pub fn by_unit(of: impl Fn(Unit) -> u64) -> Self {
        Self {
            picousd: of(Unit::PicoUsd),
            tokens: of(Unit::Tokens),
            input_tokens: of(Unit::InputTokens),
            output_tokens: of(Unit::OutputTokens),
            cached_tokens: of(Unit::CachedTokens),
            requests: of(Unit::Requests),
        }
    }

    /// Returns the amount in this unit, or `None` for [`Unit::InFlight`]. An exchange that counts as a request has used its session.
    #[must_use]
    pub fn of(self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::PicoUsd => Some(self.picousd),
            Unit::Tokens => Some(self.tokens),
            Unit::InputTokens => Some(self.input_tokens),
            Unit::OutputTokens => Some(self.output_tokens),
            Unit::CachedTokens => Some(self.cached_tokens),
            Unit::Requests => Some(self.requests),
            Unit::InFlight => None,
            Unit::Sessions => Some(self.requests.min(1)),
        }
    }

    /// Returns the larger of the two amounts, unit by unit.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            picousd: self.picousd.max(other.picousd),
            tokens: self.tokens.max(other.tokens),
            input_tokens: self.input_tokens.max(other.input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            cached_tokens: self.cached_tokens.max(other.cached_tokens),
            requests: self.requests.max(other.requests),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_written() {
        for unit in Unit::ALL {
            assert_eq!(Unit::parse(unit.code()), Ok(unit), "a code reads back");
        }
        assert_eq!(
            Unit::parse("usd").unwrap_err().to_string(),
            "unknown unit `usd`; known are picousd, tokens, input-tokens, output-tokens, cached-tokens, requests, in-flight, sessions",
            "the error says what is known"
        );
    }
}
