//! A caller's own cap on the cost of a run: the header `x-witgate-max-cost`, in dollars.
//!
//! A run is the request's session, whose cost in the last seven days counts, or the request alone if it has none. The cap comes with each
//! request, so it can be raised. It is an account like any other, in the room of its owner, and is never sent to an upstream.

use std::sync::Arc;
use std::time::Duration;

use witgate_ledger::{Charge, OnShortfall, Span, Unit, Window};
use witgate_messages::error::ErrorType;

use crate::answer::refused::{Refused, Retry};
use crate::exchange::decide::Decision;
use crate::exchange::headers::MAX_COST;
use crate::text::{USD_DECIMALS, picousd, usd};

/// The time in which the costs of a session count.
const DAYS: u32 = 7;

/// Returns the charge for the caller's own cap, or `None` if it has none or the request costs nothing.
///
/// # Errors
///
/// - 400: the header is no amount.
/// - 400: the model has no price, so that the cap could not be kept.
pub(super) fn charge(decision: &Decision, id: &str) -> Result<Option<Charge>, Refused> {
    let view = &decision.view;
    let Some(value) = view.headers.get(MAX_COST) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let Some(limit) = picousd(text) else {
        return Err(Refused::client(
            400,
            format!(
                "{MAX_COST}: must be an amount in US dollars such as 0.50, with at most {USD_DECIMALS} decimals and without a sign"
            ),
        ));
    };
    let amount = match decision.cost {
        Some(0) => return Ok(None),
        Some(cost) => cost,
        None => {
            return Err(Refused::client(
                400,
                format!(
                    "{MAX_COST}: the model of this request has no price on this gateway, so the cap can't be kept: use another model, or leave the header out"
                ),
            ));
        }
    };
    let owner = view.caller.owner();
    let (account, window): (Arc<str>, _) = match decision.envelope.session.as_deref() {
        Some(session) => (
            format!(
                "run:{}/{session}",
                owner.replace('%', "%25").replace('/', "%2F")
            )
            .into(),
            Span::minutes(DAYS * 24 * 60).map_or(Window::Week, Window::Last),
        ),
        None => (format!("run:{id}").into(), Window::Minute),
    };
    Ok(Some(Charge {
        account,
        window,
        unit: Unit::PicoUsd,
        limit,
        amount,
        shortfall: OnShortfall::Finish,
    }))
}

/// Returns the refusal of a request that does not fit its caller's own cap.
pub(super) fn exceeded(charge: &Charge, remaining: u64, resets_in: Option<Duration>) -> Refused {
    let message = format!(
        "This run's own cap of {} ({MAX_COST}) is reached: the request may cost {}, and {} is left. Raise the cap to go on.",
        usd(charge.limit),
        usd(charge.amount),
        usd(remaining),
    );
    Refused {
        kind: ErrorType::Billing,
        retry: Retry::Useless,
        retry_after: resets_in,
        ..Refused::client(429, message)
    }
}
