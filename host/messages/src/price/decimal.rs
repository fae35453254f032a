//! Conversion of decimal texts to integers.

/// Returns the value of a plain decimal (`12`, `0.125`, `8.0`) times ten to the power of `places`, or `None` unless it is a
/// whole number that fits. Signs and exponents are not accepted.
pub(super) fn scaled(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || fraction.len() > places {
        return None;
    }
    let padding = std::iter::repeat_n(b'0', places - fraction.len());
    let mut value = 0u64;
    for digit in whole.bytes().chain(fraction.bytes()).chain(padding) {
        let digit = char::from(digit).to_digit(10)?;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn decimal_texts_become_exact_integers_or_nothing() {
        let table = [
            ("0.1", 6, Some(100_000)),
            ("0.125", 6, Some(125_000)),
            ("18.75", 6, Some(18_750_000)),
            ("8.0", 6, Some(8_000_000)),
            ("10", 9, Some(10_000_000_000)),
            ("100000.0", 0, Some(100_000)),
            ("0.0000001", 6, None),
            ("1.5", 0, None),
            ("-1", 6, None),
            ("1e3", 6, None),
            ("", 6, None),
            ("99999999999999999999", 0, None),
        ];
        for (text, places, wanted) in table {
            assert_eq!(
                scaled(text, places),
                wanted,
                "{text:?} with {places} places"
            );
        }
    }
}
