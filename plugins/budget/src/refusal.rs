//! The refusal of a request that does not fit a limit. It names the account, the window, the amounts and the time to retry.

use witgate_plugin::types::{Charge, Refusal, Rest, Unit, Window};

use crate::money::PicoUsd;

const SECOND_MS: u64 = 1_000;

/// Returns a 429: a `billing_error` for money, and a `rate_limit_error` for other units.
pub(crate) fn refusal(charge: &Charge, rest: Rest) -> Refusal {
    let counted = |amount: u64| match charge.unit {
        Unit::Picousd => format!("${}", PicoUsd(amount)),
        _ => amount.to_string(),
    };
    let remaining = rest.remaining;
    let left = counted(remaining);
    let limit = match &charge.unit {
        Unit::Picousd => counted(charge.limit),
        Unit::InFlight => format!("{} requests at a time", charge.limit),
        Unit::Sessions => format!("{} sessions in use", charge.limit),
        unit => format!("{} {}", charge.limit, unit.code().replace('-', " ")),
    };
    let kind = charge.account.split(':').next().unwrap_or_default();
    let window = window(charge);
    // The limit is not reached, but this request may need more than is left.
    let message = if (1..charge.amount).contains(&remaining) {
        let asked = counted(charge.amount);
        format!(
            "This request reserves up to {asked}, and {left} of the limit of {limit}{window} for this {kind} is left. \
             A smaller max_tokens reserves less; otherwise "
        )
    } else {
        format!("The limit of {limit}{window} for this {kind} is reached ({left} left); ")
    };
    let resets_in = match charge.unit {
        Unit::InFlight => Some(SECOND_MS),
        _ => rest.resets_in_ms,
    };
    match resets_in {
        Some(wait) => Refusal::exhausted(charge)
            .message(format!(
                "{message}try again in {} s.",
                wait.div_ceil(SECOND_MS)
            ))
            .retry_after_ms(wait),
        None => Refusal::exhausted(charge)
            .message(format!("{message}ask your administrator to raise it.")),
    }
}

/// Returns the window in words.
fn window(charge: &Charge) -> String {
    let code = charge.window.code();
    match (&charge.window, code.strip_prefix("last-")) {
        _ if matches!(charge.unit, Unit::InFlight | Unit::Sessions) => String::new(),
        (Window::Total, _) => " in total".to_owned(),
        (_, Some(span)) => format!(" in {}", span.replace('-', " ")),
        (_, None) => {
            let (period, zone) = code.split_once('@').unwrap_or((code, ""));
            let open = if zone.is_empty() { "" } else { " in " };
            format!(" per {period}{open}{zone}")
        }
    }
}
