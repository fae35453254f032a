//! Texts and refusals about a limit that is reached.

use witgate_ledger::{Charge, Unit, Window};
use witgate_messages::error::ErrorType;

use crate::answer::refused::{Refused, Retry};
use crate::text::usd;

/// Returns the refusal that ends a stream at its limit, as an error event.
pub(crate) fn cut(charge: &Charge) -> Refused {
    let limit = limit(charge);
    let message = format!("The {limit} is reached, so this response ends here.");
    Refused {
        kind: kind(charge.unit),
        retry: Retry::Useless,
        ..Refused::client(429, message)
    }
}

/// Returns the type of the error: a retry does not help where money is spent.
pub(crate) fn kind(unit: Unit) -> ErrorType {
    match unit {
        Unit::PicoUsd => ErrorType::Billing,
        _ => ErrorType::RateLimit,
    }
}

/// Returns a limit in words. Only the kind of the account is named, before the first colon.
fn limit(charge: &Charge) -> String {
    let kind = charge.account.split(':').next().unwrap_or_default();
    let most = match charge.unit {
        Unit::PicoUsd => usd(charge.limit),
        unit => format!("{} {}", charge.limit, unit.code().replace('-', " ")),
    };
    format!(
        "limit of {most} {} for this {kind}",
        in_words(charge.window)
    )
}

/// Returns a window in words, with its preposition.
pub(crate) fn in_words(window: Window) -> String {
    match window {
        Window::Total => "in total".to_owned(),
        Window::Last(span) => format!("in {}", span.to_string().replace('-', " ")),
        Window::Local(local) => {
            let period = window.to_string();
            let period = period.split('@').next().unwrap_or_default();
            format!("per {period} in {}", local.zone().name())
        }
        window => format!("per {window}"),
    }
}
