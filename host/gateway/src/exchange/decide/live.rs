//! Limits that operators have set while the gateway runs: they take the place of those that plugins ask for, and apply to accounts that
//! no plugin charges.

use witgate_ledger as ledger;
use witgate_messages::endpoint::Endpoint;
use witgate_runtime::{Charge, Envelope, Estimate, Overrun, Plan, Request, Reserve, Unit, Window};

use super::charge::{BudgetCharge, By};
use crate::answer::refused::Refused;
use crate::budgets::live::accounts::{Payer, of_request};
use crate::budgets::live::defaults::Defaults;
use crate::budgets::live::limit::Live;
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
    let defaults = Defaults::of(&table, caller, envelope);
    let defaults = defaults.as_ref();
    for charge in charges.iter_mut() {
        replace(charge, &table, defaults, now);
    }
    if request.endpoint() == Endpoint::Messages.code() {
        let payer = Payer::new(caller, envelope, plan, request);
        add(charges, (&table, defaults), &payer, estimate, now)?;
    }
    if let Some(defaults) = defaults {
        let account = defaults.account();
        let of_account = charges
            .iter()
            .filter(|charge| charge.charge.account == account);
        let replaced: Vec<_> = of_account.filter_map(BudgetCharge::replaced).collect();
        limits
            .tiers()
            .note(account, caller.tier.as_ref(), &replaced);
    }
    Ok(())
}

/// Adds charges for the limits on which no plugin charges.
///
/// # Errors
///
/// As [`apply`].
fn add(
    charges: &mut Vec<BudgetCharge>,
    (table, defaults): (&Table, Option<&Defaults<'_>>),
    payer: &Payer<'_>,
    estimate: &Estimate,
    now: ledger::UnixMillis,
) -> Result<(), Refused> {
    let mut add = |account: &str, window, unit| -> Result<(), Refused> {
        // A limit that has ended, or one that only adds to another's, is none where no plugin has one.
        let limit = table.limit((account, window, unit), defaults, None, now);
        let limit = limit.filter(|limit| *limit != UNLIMITED);
        let is_charged = |charge: &BudgetCharge| is_on(charge, account, window, unit);
        if let Some(limit) = limit
            && !charges.iter().any(is_charged)
        {
            charges.push(charge((account, window, unit), limit, estimate)?);
        }
        Ok(())
    };
    for account in of_request(table.kinds(), payer) {
        for Live { key, .. } in table.of(&account).iter().map(AsRef::as_ref) {
            add(&account, key.window, key.unit)?;
        }
    }
    if let Some(defaults) = defaults {
        for (window, unit) in defaults.keys() {
            add(defaults.account(), window, unit)?;
        }
    }
    Ok(())
}

/// Returns whether a charge is on this account, window and unit.
fn is_on(charge: &BudgetCharge, account: &str, window: ledger::Window, unit: ledger::Unit) -> bool {
    let charge = &charge.charge;
    charge.account == account
        && charge.unit.code() == unit.code()
        && ledger::Window::parse(charge.window.code()) == Ok(window)
}

/// Returns the charge for a limit that no plugin knows.
///
/// # Errors
///
/// As [`apply`].
fn charge(
    (account, window, unit): (&str, ledger::Window, ledger::Unit),
    limit: u64,
    estimate: &Estimate,
) -> Result<BudgetCharge, Refused> {
    let unit = Unit::of(unit.code());
    let amount = amount(&unit, estimate).ok_or_else(no_price)?;
    Ok(BudgetCharge {
        charge: Charge {
            account: account.to_owned(),
            window: Window::of(&window.to_string()),
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

/// Gives a plugin's charge the limit that holds.
fn replace(
    charge: &mut BudgetCharge,
    table: &Table,
    defaults: Option<&Defaults<'_>>,
    now: ledger::UnixMillis,
) {
    let asked = &charge.charge;
    let account = &*asked.account;
    // Most accounts have none, and need no codes to be parsed.
    if table.of(account).is_empty() && defaults.is_none_or(|defaults| defaults.account() != account)
    {
        return;
    }
    if let (Ok(window), Ok(unit)) = (
        ledger::Window::parse(asked.window.code()),
        ledger::Unit::parse(asked.unit.code()),
    ) && let Some(limit) = table.limit(
        (account, window, unit),
        defaults,
        Some(charge.default_limit),
        now,
    ) {
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
