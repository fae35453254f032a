//! The 429 for a charge whose plugin wants a downgrade that is not possible, or that is not enough.

use std::time::Duration;

use witgate_ledger::Window;
use witgate_runtime::{Hook, PluginCharge, Refusal, Unit};

use crate::answer::refused::Refused;
use crate::budgets::limit_reached;
use crate::text::{quote, usd};

/// Returns the 429 for a charge that does not fit into the rest of its budget: a `billing_error` for money, since a retry does
/// not help, and a `rate_limit_error` for other units.
pub(super) fn downgrade_failed(
    charge: &PluginCharge,
    remaining: u64,
    resets_in: Option<Duration>,
) -> Refused {
    let plugin = charge.plugin.name().to_string();
    let charge = &charge.charge;
    let (code, unit) = match &charge.unit {
        Unit::Picousd => ("billing_error", ""),
        unit => ("rate_limit_error", unit.code()),
    };
    let counted = |amount: u64| match charge.unit {
        Unit::Picousd => usd(amount),
        _ => format!("{amount} {unit}"),
    };
    let window = Window::parse(charge.window.code()).map_or_else(
        |_| format!("per {}", charge.window),
        limit_reached::in_words,
    );
    let message = format!(
        "this request reserves up to {}, and {} of the limit of {} {window} on `{}` is left",
        counted(charge.amount),
        counted(remaining),
        counted(charge.limit),
        quote(&charge.account),
    );
    let refusal = Refusal {
        status: 429,
        code: code.into(),
        message,
        retry_after_ms: resets_in.and_then(|wait| u64::try_from(wait.as_millis()).ok()),
        attributes: Vec::new(),
    };
    Refused::policy(plugin, Hook::Budget, refusal)
}
