//! Limits that operators have set while the gateway runs: they take the place of those that plugins ask for, and apply to accounts that
//! no plugin charges.

use witgate_ledger as ledger;
use witgate_messages::endpoint::Endpoint;
use witgate_runtime::{Charge, Envelope, Estimate, Overrun, Plan, Request, Reserve, Unit, Window};

use super::charge::{BudgetCharge, By};
use crate::answer::refused::Refused;
use crate::budgets::live::accounts::{Payer, of_request};
use crate::budgets::live::limit::Key;
use crate::budgets::live::{LiveLimits, Table, UNLIMITED};
use crate::clock::now;
use crate::tenants::keys::Caller;

/// Applies the live limits to the charges of a request, and adds those for which no plugin charges. Takes no time while there are none.
///
/// # Errors
///
/// 400 if the model has no price, and a limit in dollars that no plugin knows applies.
pub(super) fn apply(
    charges: &mut Vec<BudgetCharge>,
    limits: &LiveLimits,
    (caller, envelope): (&Caller, &Envelope),
    (request, plan): (&dyn Request, &Plan),
    estimate: &Estimate,
) -> Result<(), Refused> {
    let table = limits.table();
    if table.is_empty() {
        return Ok(());
    }
    let now = now();
    for charge in charges.iter_mut() {
        replace(charge, &table, now);
    }
    if request.endpoint() != Endpoint::Messages.code() {
        return Ok(());
    }
    let payer = Payer::new(caller, envelope, plan, request);
    for account in of_request(&table, &payer) {
        for live in table.of(&account) {
            // A limit that has ended, or one that only adds to another's, is none where no plugin has one.
            let Some(limit) = live.limit(None, now) else {
                continue;
            };
            let key = &live.key;
            if limit == UNLIMITED || charges.iter().any(|charge| is_on(charge, key)) {
                continue;
            }
            charges.push(charge(key, limit, estimate)?);
        }
    }
    Ok(())
}

/// Returns whether a charge is on the account, window and unit of a limit.
fn is_on(charge: &BudgetCharge, key: &Key) -> bool {
    let charge = &charge.charge;
    *charge.account == *key.account
        && charge.unit.code() == key.unit.code()
        && ledger::Window::parse(charge.window.code()) == Ok(key.window)
}

/// Returns the charge for a limit that no plugin knows.
///
/// # Errors
///
/// As [`apply`].
fn charge(key: &Key, limit: u64, estimate: &Estimate) -> Result<BudgetCharge, Refused> {
    let unit = Unit::of(key.unit.code());
    let amount = amount(&unit, estimate).ok_or_else(no_price)?;
    Ok(BudgetCharge {
        charge: Charge {
            account: key.account.to_string(),
            window: Window::of(&key.window.to_string()),
            unit,
            limit,
            amount,
            reserve: Reserve::Expected,
            overrun: Overrun::Finish,
        },
        // Without the live limit there is none.
        default_limit: UNLIMITED,
        by: By::Operator,
    })
}

fn replace(charge: &mut BudgetCharge, table: &Table, now: ledger::UnixMillis) {
    let asked = &charge.charge;
    let live = table.find(&asked.account, asked.window.code(), asked.unit.code());
    if let Some(live) = live
        && let Some(limit) = live.limit(Some(charge.default_limit), now)
    {
        charge.charge.limit = limit;
    }
}

/// Returns the amount that a request is expected to use, or `None` if its model has no price.
fn amount(unit: &Unit, estimate: &Estimate) -> Option<u64> {
    Some(match unit {
        Unit::Picousd => estimate.cost_picousd?,
        Unit::Tokens => estimate
            .prompt_tokens
            .saturating_add(estimate.output_tokens),
        Unit::InputTokens | Unit::CachedTokens => estimate.prompt_tokens,
        Unit::OutputTokens => estimate.output_tokens,
        _ => 1,
    })
}

fn no_price() -> Refused {
    Refused::client(
        400,
        "the model of this request has no price on this gateway, so it can't be used under a spending limit: use another model",
    )
}
