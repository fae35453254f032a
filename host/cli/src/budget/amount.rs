//! Amounts: dollars at the command line, cents in the API.

use serde_json::Value;

/// The unit of money.
const USD: &str = "usd";

/// Most decimals of a dollar.
const DECIMALS: usize = 12;

/// Returns an amount of the command line as the API has it, or null for no limit.
///
/// # Errors
///
/// The text says what is expected.
pub(super) fn of_api(text: &str, unit: &str) -> Result<Value, &'static str> {
    if text == "unlimited" {
        return Ok(Value::Null);
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if unit != USD {
        return if digits(text) {
            Ok(text.into())
        } else {
            Err("must be a whole number, or `unlimited`")
        };
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if !digits(whole) || !digits(part) || part.len() > DECIMALS {
        return Err(
            "must be dollars such as 50 or 12.50, with at most 12 decimals, or `unlimited`",
        );
    }
    let part = format!("{part:0<2}");
    let (cents, rest) = part.split_at(2);
    let whole = format!("{whole}{cents}");
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    Ok(match rest.trim_end_matches('0') {
        "" => whole.to_owned(),
        rest => format!("{whole}.{rest}"),
    }
    .into())
}

/// Returns an amount of the API as people read it.
pub(super) fn shown(amount: &Value, unit: &Value) -> String {
    let Some(text) = amount.as_str() else {
        return "-".to_owned();
    };
    if unit != USD {
        return text.to_owned();
    }
    let (cents, rest) = text.split_once('.').unwrap_or((text, ""));
    let cents = format!("{cents:0>3}");
    let (dollars, cents) = cents.split_at(cents.len() - 2);
    format!("${dollars}.{cents}{rest}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dollars_become_cents_and_cents_dollars_exactly() {
        for (dollars, cents, shown_as) in [
            ("50", "5000", "$50.00"),
            ("12.50", "1250", "$12.50"),
            ("12.5", "1250", "$12.50"),
            ("0.01", "1", "$0.01"),
            ("0", "0", "$0.00"),
            ("0.00103", "0.103", "$0.00103"),
            ("0.000000000001", "0.0000000001", "$0.000000000001"),
        ] {
            assert_eq!(of_api(dollars, USD), Ok(json!(cents)), "{dollars}");
            assert_eq!(shown(&json!(cents), &json!(USD)), shown_as, "{cents}");
        }
        for wrong in ["", "$5", "-5", "1,5", "5.", ".5", "1e3", "0.0000000000001"] {
            assert!(of_api(wrong, USD).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_units_are_whole_and_no_limit_is_null() {
        assert_eq!(of_api("7", "tokens"), Ok(json!("7")));
        assert!(of_api("7.5", "tokens").is_err(), "a part of a token");
        assert_eq!(of_api("unlimited", USD), Ok(Value::Null));
        assert_eq!(shown(&Value::Null, &json!(USD)), "-");
    }
}
