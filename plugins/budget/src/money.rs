//! Exact US dollars in settings: an integer, or a decimal as a string. Floats are not accepted, because they would round.

use std::fmt;

use witgate_plugin::Problems;
use witgate_plugin::json::Json;
use witgate_plugin::settings::Setting;

/// Pico-USD in a US dollar.
pub(crate) const PER_USD: u64 = 1_000_000_000_000;
const DECIMALS: usize = 12;

/// An amount in pico-USD, at most about 18 million US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PicoUsd(pub(crate) u64);

/// What an amount has to be, in words.
const WRITTEN: &str =
    "US dollars as a whole number or as a string like \"12.50\" (at most 12 decimals, no float)";

// === impl PicoUsd ===

impl PicoUsd {
    /// Parses a decimal such as `12.50`. Returns `None` for anything else.
    fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > DECIMALS {
            return None;
        }
        let part: u64 = format!("{part:0<DECIMALS$}").parse().ok()?;
        let whole: u64 = whole.parse().ok()?;
        Some(Self(whole.checked_mul(PER_USD)?.checked_add(part)?))
    }
}

impl fmt::Display for PicoUsd {
    /// Writes the amount as `12.50`, with as many decimals as it needs, and at least two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:0DECIMALS$}", self.0 % PER_USD);
        let short = part.trim_end_matches('0');
        write!(f, "{}.{short:0<2}", self.0 / PER_USD)
    }
}

impl Setting for PicoUsd {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        let amount = match value {
            Json::Text(text) => Self::parse(text),
            other => other
                .as_u64()
                .and_then(|dollars| dollars.checked_mul(PER_USD))
                .map(Self),
        };
        match (amount, value) {
            (Some(_), _) => {}
            // The type is right, so only the amounts are worth naming.
            (None, Json::Text(_)) => problems.wrong(path, format!("must be {WRITTEN}")),
            (None, other) => problems.wrong_type(path, WRITTEN, other),
        }
        amount
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_parsed_exactly_and_shown_as_they_were() {
        for (text, amount, shown) in [
            ("0", 0, "0.00"),
            ("12.50", 12_500_000_000_000, "12.50"),
            ("0.000000000001", 1, "0.000000000001"),
            ("18446744.073709551615", u64::MAX, "18446744.073709551615"),
        ] {
            assert_eq!(PicoUsd::parse(text), Some(PicoUsd(amount)), "{text}");
            assert_eq!(PicoUsd(amount).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_exact_amount_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "0.0000000000001",
            "18446744.073709551616",
        ] {
            assert_eq!(PicoUsd::parse(text), None, "{text}");
        }
    }
}
