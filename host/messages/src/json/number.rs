//! Whole numbers in any notation.

/// The number of digits that never exceed 64 bits.
const SAFE_DIGITS: usize = 19;

/// Parses the text of a JSON number as a whole number: `500`, `500.0` and `5e2` are equal. Returns `None` for a number with a
/// fraction, below zero, or beyond 64 bits. Uses integers throughout, because a float would round.
pub(crate) fn whole_number(text: &[u8]) -> Option<u64> {
    if let Some(number) = digits(text) {
        return Some(number);
    }
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (mantissa, power) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (text.get(..at)?, exponent(text.get(at + 1..)?)?),
        None => (text, 0),
    };
    let mut parts = mantissa.splitn(2, |byte| *byte == b'.');
    let whole = parts.next().filter(|whole| !whole.is_empty())?;
    let part = parts.next().unwrap_or_default();

    // Number of digits before the point once the exponent has moved it.
    let mut before = i64::try_from(whole.len()).ok()?.saturating_add(power);
    let mut value: u64 = 0;
    for byte in whole.iter().chain(part) {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        if before > 0 {
            value = value.checked_mul(10)?.checked_add(digit.into())?;
        } else if digit != 0 {
            return None;
        }
        before = before.saturating_sub(1);
    }
    // Ends after at most twenty digits, when the number is too large.
    while before > 0 && value > 0 {
        value = value.checked_mul(10)?;
        before -= 1;
    }
    (!negative || value == 0).then_some(value)
}

/// Parses a number of few digits and nothing else, as nearly all are written. Returns `None` for any other.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > SAFE_DIGITS {
        return None;
    }
    let mut number = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

/// Parses the number after an `e`, saturating far beyond any relevant exponent.
fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text.split_first()? {
        (b'-', digits) => (-1, digits),
        (b'+', digits) => (1, digits),
        _ => (1, text),
    };
    digits.iter().try_fold(0_i64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        let next = number.saturating_mul(10);
        Some(next.saturating_add(sign * i64::from(digit)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_the_same_however_it_is_written() {
        for (text, wanted) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0e5", 0),
            ("0e99999999999999999999", 0),
            ("500", 500),
            ("500.0", 500),
            ("500.000e0", 500),
            ("5e2", 500),
            ("5E+2", 500),
            ("0.5e3", 500),
            ("50000e-2", 500),
            ("0.00500e5", 500),
            ("18446744073709551615", u64::MAX),
            ("1844674407370955161.5e1", u64::MAX),
            ("1e19", 10_000_000_000_000_000_000),
        ] {
            assert_eq!(whole_number(text.as_bytes()), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_of_64_bits_is_none() {
        for text in [
            "0.5",
            "500.5",
            "5e-1",
            "5001e-1",
            "-1",
            "18446744073709551616",
            "1e20",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "",
            "-",
            "1e",
            "\"5\"",
            "null",
        ] {
            assert_eq!(whole_number(text.as_bytes()), None, "{text}");
        }
    }
}
