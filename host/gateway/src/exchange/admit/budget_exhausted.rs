//! The 429 of an exhausted budget.

use std::time::Duration;

use witgate_runtime::{Hook, PluginCharge, Refusal};

use crate::answer::refused::Refused;
use crate::text::quote;

/// Returns the 429 for a charge that does not fit into the rest of its budget.
pub(super) fn budget_exhausted(
    charge: &PluginCharge,
    remaining: u64,
    resets_in: Option<Duration>,
) -> Refused {
    let plugin = charge.plugin.name().to_string();
    let charge = &charge.charge;
    let message = format!(
        "this request reserves up to {} {unit}, and {remaining} of the limit of {} {unit} for this {} on `{}` are left",
        charge.amount,
        charge.limit,
        charge.window,
        quote(&charge.account),
        unit = charge.unit,
    );
    let refusal = Refusal {
        status: 429,
        code: "rate_limit_error".into(),
        message,
        retry_after_ms: resets_in.and_then(|wait| u64::try_from(wait.as_millis()).ok()),
        attributes: Vec::new(),
    };
    Refused::policy(plugin, Hook::Budget, refusal)
}
