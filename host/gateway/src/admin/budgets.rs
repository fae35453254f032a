//! The page `/budgets`: totals, and the accounts page by page.
//!
//! A page has at most [`MAX_LIMIT`](super::page_query::MAX_LIMIT) accounts, and the ledger is read a few hundred accounts at a time, so that no request
//! waits for a reader.

use serde_json::{Value, json};
use witgate_ledger::{Ledger, Statement, UnixMillis};

use super::page_query::PageQuery;
use crate::budgets::live::in_force::{InForce, Tiers};
use crate::budgets::live::{LiveLimits, Table, UNLIMITED};

/// Returns the page for a query: `limit` accounts, starting at `cursor`.
///
/// # Errors
///
/// Returns a text that says which parameter is wrong.
pub(crate) fn page(
    ledger: &Ledger,
    live: &LiveLimits,
    query: Option<&str>,
    now: UnixMillis,
) -> Result<Value, String> {
    let PageQuery { limit, cursor } = PageQuery::read(query.unwrap_or_default())?;
    let page = ledger.page(cursor, limit, now);
    let totals = ledger.totals();
    let table = live.table();
    let limits = (&**table, live.tiers());
    Ok(json!({
        "open_holds": totals.open_holds,
        "overdrafts": totals.overdrafts,
        "room": {
            "accounts": totals.bounds.accounts,
            "accounts_per_tenant": totals.bounds.per_owner,
            "in_use": totals.balances,
            "turned_away": totals.turned_away,
        },
        "accounts": page.balances.iter().map(|balance| account(balance, limits, now)).collect::<Vec<_>>(),
        "next": page.next.map(|next| next.to_string()),
    }))
}

fn account(balance: &Statement, limits: (&Table, &Tiers), now: UnixMillis) -> Value {
    let on = (&*balance.account, balance.window, balance.unit);
    let InForce { origin, limit, .. } = InForce::of(limits, on, Some(balance.limit), now);
    json!({
        "account": &*balance.account,
        "tenant": &*balance.owner,
        "window": balance.window,
        "unit": balance.unit.code(),
        "used": balance.used,
        "held": balance.held,
        "limit": limit.filter(|limit| *limit != UNLIMITED),
        "limit_from": origin.name(),
        "resets_at_unix_ms": balance.resets_at.map(|at| at.0),
    })
}
