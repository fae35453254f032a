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
    /// Tokens, by whatever rule the embedder counts them.
    Tokens,
    /// Requests.
    Requests,
    /// Open requests. A level rather than a flow: a hold leaves none of it behind when it ends, and it does not reset with
    /// its window, because otherwise each new minute would admit the whole limit again.
    InFlight,
}

/// The cumulative usage of an exchange so far, never a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Money in pico-USD.
    pub picousd: u64,
    /// Tokens.
    pub tokens: u64,
    /// Requests: 1 for an exchange that counts as one, 0 for one that never reached an upstream.
    pub requests: u64,
}

// === impl Unit ===

impl Unit {
    /// All units.
    pub const ALL: [Self; 4] = [Self::PicoUsd, Self::Tokens, Self::Requests, Self::InFlight];

    /// Parses a code of the plugin contract (`charge.unit`).
    ///
    /// # Errors
    /// [`UnknownCode`] unless it is `picousd`, `tokens`, `requests` or `in-flight`.
    pub fn parse(code: &str) -> Result<Self, UnknownCode> {
        Self::ALL
            .into_iter()
            .find(|unit| unit.code() == code)
            .ok_or_else(|| UnknownCode {
                kind: "unit",
                code: code.into(),
                known: "picousd, tokens, requests, in-flight",
            })
    }

    /// Returns the code of the plugin contract.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PicoUsd => "picousd",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
            Self::InFlight => "in-flight",
        }
    }
}

// === impl Amounts ===

impl Amounts {
    /// Returns the amount in this unit, or `None` for [`Unit::InFlight`].
    #[must_use]
    pub const fn of(self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::PicoUsd => Some(self.picousd),
            Unit::Tokens => Some(self.tokens),
            Unit::Requests => Some(self.requests),
            Unit::InFlight => None,
        }
    }

    /// Returns the larger of the two amounts, unit by unit.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            picousd: self.picousd.max(other.picousd),
            tokens: self.tokens.max(other.tokens),
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
            "unknown unit `usd`; known are picousd, tokens, requests, in-flight",
            "the error says what is known"
        );
    }
}
