//! Texts and refusals about a limit that is reached.

use std::time::Duration;

use chrono::{DateTime, Utc};
use witgate_http::Headers;
use witgate_ledger::{Charge, OnShortfall, Unit, UnixMillis, Window};
use witgate_messages::error::ErrorType;

use super::left;
use crate::answer::refused::{Refused, Retry};
use crate::config::{Budgets, ClientWarnings};
use crate::text::usd;

/// The first part of a message about a spending limit. Claude Code knows it, and puts the local time to the part behind it.
const SPEND_LIMIT: &str = "spend limit reached";

/// Returns the refusal that ends a stream at its limit, as an error event.
pub(crate) fn cut(charge: &Charge, config: &Budgets) -> Refused {
    let message = format!(
        "The {} is reached, so this response ends here.",
        limit(charge)
    );
    Refused {
        kind: kind(charge.unit),
        retry: Retry::Useless,
        ..Refused::client(429, with_words(message, config))
    }
}

/// Completes a plugin's refusal of a request for a charge that does not fit: for money, with the end of the period in the message, and
/// with headers from which clients tell that it is no use to try again; and with the operator's own words.
pub(crate) fn refused(
    mut refused: Refused,
    (charge, remaining): (&Charge, u64),
    resets_at: Option<UnixMillis>,
    now: UnixMillis,
    config: &Budgets,
) -> (Refused, Headers) {
    let mut headers = Headers::default();
    if charge.unit != Unit::PicoUsd || refused.status != 429 {
        if charge.unit != Unit::InFlight && charge.window != Window::Minute {
            refused.message = with_words(refused.message, config);
        }
        return (refused, headers);
    }
    let mut message = SPEND_LIMIT.to_owned();
    if let Some(day) = resets_at.and_then(day) {
        message.push_str(" · resets ");
        message.push_str(&day);
    }
    message.push_str(" · ");
    message.push_str(&with_words(refused.message, config));
    refused.message = message;
    refused.retry = Retry::Useless;
    if let Some(at) = resets_at {
        let wait = at.0.saturating_sub(now.0);
        refused.retry_after = Some(Duration::from_millis(wait));
    }
    if config.client_warnings == ClientWarnings::Own {
        let limit = (charge.window, charge.limit, remaining);
        left::when_refused(limit, resets_at, &mut headers);
    }
    (refused, headers)
}

/// Returns the refusal of a request for a live limit that no plugin knows.
pub(crate) fn of_operator(
    asked: &witgate_runtime::Charge,
    remaining: u64,
    resets_in: Option<Duration>,
) -> Refused {
    let (Ok(window), Ok(unit)) = (
        Window::parse(asked.window.code()),
        Unit::parse(asked.unit.code()),
    ) else {
        return Refused::gateway(503, "a live limit has an unknown window or unit");
    };
    let charge = Charge {
        account: asked.account.as_str().into(),
        window,
        unit,
        limit: asked.limit,
        amount: asked.amount,
        shortfall: OnShortfall::Refuse,
    };
    let counted = |amount: u64| match unit {
        Unit::PicoUsd => usd(amount),
        _ => amount.to_string(),
    };
    let left = counted(remaining);
    let limit = limit(&charge);
    let message = if (1..charge.amount).contains(&remaining) {
        let asked = counted(charge.amount);
        format!(
            "This request reserves up to {asked}, and {left} of the {limit} is left. A smaller max_tokens reserves less."
        )
    } else {
        format!("The {limit} is reached ({left} left).")
    };
    let wait = match unit {
        Unit::InFlight => Some(Duration::from_secs(1)),
        _ => resets_in,
    };
    Refused {
        kind: kind(unit),
        retry: Retry::after(wait),
        retry_after: wait,
        ..Refused::client(429, message)
    }
}

/// Returns the type of the error: a retry does not help where money is spent.
fn kind(unit: Unit) -> ErrorType {
    match unit {
        Unit::PicoUsd => ErrorType::Billing,
        _ => ErrorType::RateLimit,
    }
}

/// Adds the operator's own words to a message.
fn with_words(mut message: String, config: &Budgets) -> String {
    if let Some(words) = &config.message {
        message.push(' ');
        message.push_str(words);
    }
    message
}

/// Returns the day of a time as clients read it, in UTC: `Nov 30`.
fn day(at: UnixMillis) -> Option<String> {
    let at: DateTime<Utc> = DateTime::from_timestamp_millis(i64::try_from(at.0).ok()?)?;
    Some(at.format("%b %-d").to_string())
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
