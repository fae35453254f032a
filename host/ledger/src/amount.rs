//! What is counted, and true amounts of it.

use crate::window::UnknownCode;

/// What a charge counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Money, in 10^-12 US dollars.
    PicoUsd,
    /// Tokens, by whatever rule the embedder counts them.
    Tokens,
    /// Requests.
    Requests,
    /// Requests that are open. This is a level and no flow: nothing of it stays behind when a hold ends, and it does
    /// not reset with its window, else every turn of the minute would let the limit in again.
    InFlight,
}

/// How much an exchange has used so far: cumulative, never a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

    /// Reads the code of the plugin contract (`charge.unit`).
    ///
    /// # Errors
    /// [`UnknownCode`] where it is none of `picousd`, `tokens`, `requests` and `in-flight`.
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

    /// The code of the plugin contract.
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
    /// The amount in this unit; none of what is only in flight.
    #[must_use]
    pub const fn of(self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::PicoUsd => Some(self.picousd),
            Unit::Tokens => Some(self.tokens),
            Unit::Requests => Some(self.requests),
            Unit::InFlight => None,
        }
    }

    /// The larger of the two, unit by unit.
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
