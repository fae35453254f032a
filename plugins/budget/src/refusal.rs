//! The refusal of a request that does not fit a limit. It names the account, the window, the amounts and the time to retry.

use witgate_plugin::clock;
use witgate_plugin::types::{Charge, Refusal, Unit, Window};

use crate::money::PicoUsd;

const SECOND_MS: u64 = 1_000;

/// Returns a 429: a `billing_error` for money, and a `rate_limit_error` for other units.
pub(crate) fn refusal(charge: &Charge, remaining: u64) -> Refusal {
    let counted = |amount: u64| match charge.unit {
        Unit::Picousd => format!("${}", PicoUsd(amount)),
        _ => amount.to_string(),
    };
    let left = counted(remaining);
    let limit = match &charge.unit {
        Unit::Picousd => counted(charge.limit),
        Unit::InFlight => format!("{} requests at a time", charge.limit),
        unit => format!("{} {unit}", charge.limit),
    };
    let kind = charge.account.split(':').next().unwrap_or_default();
    let window = match &charge.window {
        _ if charge.unit == Unit::InFlight => String::new(),
        Window::Total => " in total".to_owned(),
        window => format!(" per {window}"),
    };
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
    match wait_ms(charge) {
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

/// Returns the time until a retry may succeed, in milliseconds: the rest of the window, at most the rest of the day, or one
/// second if only running requests are counted. Returns `None` for a window without end.
fn wait_ms(charge: &Charge) -> Option<u64> {
    let period = match charge.window {
        _ if charge.unit == Unit::InFlight => return Some(SECOND_MS),
        Window::Minute => 60 * SECOND_MS,
        Window::Hour => 3_600 * SECOND_MS,
        Window::Day | Window::Month => 86_400 * SECOND_MS,
        Window::Total | Window::Other(_) => return None,
    };
    Some(period.saturating_sub(clock::unix_ms() % period))
}
