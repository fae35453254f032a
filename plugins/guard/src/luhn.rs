//! The check digit of card numbers.

/// Returns whether the digits of a text end with the check digit of those before. Other characters are skipped.
pub(crate) fn is_valid(text: &str) -> bool {
    let digits = text.bytes().rev().filter(u8::is_ascii_digit);
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match place % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_its_check_digit_is_valid_and_others_are_not() {
        for valid in [
            "4111 1111 1111 1111",
            "378282246310005",
            "6011-1111-1111-1117",
        ] {
            assert!(is_valid(valid), "{valid}");
        }
        for wrong in ["4111 1111 1111 1112", "378282246310050"] {
            assert!(!is_valid(wrong), "{wrong}");
        }
    }
}
