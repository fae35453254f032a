//! The limits in force: for each account, window and unit the limit, where it comes from, and what was spent of it.
//!
//! A sidecar's limit is known once a request was charged to it. Live limits are known from the beginning.

use serde_json::{Value, json};
use witgate_ledger::{Ledger, Statement, Unit, UnixMillis, Window};

use super::query::{Effective, Place};
use super::shown::{amount, extend, on, time};
use super::words;
use crate::budgets::live::in_force::{InForce, Tiers};
use crate::budgets::live::limit::{Live, UNLIMITED};
use crate::budgets::live::table::Table;
use crate::budgets::live::{LiveLimits, defaults};

/// Returns the page of a question.
pub(super) fn page(
    ledger: &Ledger,
    live: &LiveLimits,
    asked: &Effective,
    now: UnixMillis,
) -> Value {
    let table = live.table();
    let limits = (&**table, live.tiers());
    let mut data = Vec::new();
    let mut next = None;
    let mut start = 0;
    match asked.page {
        Place::Live(after) => {
            for live in table.all().iter().filter(|live| live.number > after) {
                let key = &live.key;
                if !asked.wants(&key.account, key.window, key.unit) {
                    continue;
                }
                if data.len() == asked.limit {
                    break;
                }
                data.push(if defaults::tier(&key.account).is_some() {
                    of_tier(live, now)
                } else {
                    let found = ledger.statement(&key.account, key.window, key.unit, now);
                    let on = (&*key.account, key.window, key.unit);
                    of_account(limits, on, found.as_ref(), now)
                });
                next = Some(Place::Live(live.number));
            }
            if data.len() < asked.limit {
                next = None;
            }
        }
        Place::Ledger(place) => start = place,
    }
    while next.is_none() {
        let page = ledger.page(start, asked.limit - data.len(), now);
        data.extend(page.balances.iter().filter_map(|found| {
            let (account, window, unit) = (&*found.account, found.window, found.unit);
            // A session's seat is no account, and a live limit was shown.
            let is_shown = unit == Unit::Sessions || table.get(account, window, unit).is_some();
            (!is_shown && asked.wants(account, window, unit))
                .then(|| of_account(limits, (account, window, unit), Some(found), now))
        }));
        match page.next {
            None => break,
            Some(place) if data.len() >= asked.limit => next = Some(Place::Ledger(place)),
            Some(place) => start = place,
        }
    }
    json!({"data": data, "next_page": next.map(Place::cursor)})
}

/// Returns the row of an account.
fn of_account(
    (table, tiers): (&Table, &Tiers),
    (account, window, unit): (&str, Window, Unit),
    found: Option<&Statement>,
    now: UnixMillis,
) -> Value {
    let on = (account, window, unit);
    let last = found.map(|found| found.limit);
    let InForce {
        origin,
        by,
        default,
        limit,
    } = InForce::of((table, tiers), on, last, now);
    let own = table.get(account, window, unit).map(AsRef::as_ref);
    let default = match own {
        Some(_) => default,
        None => default.or(last),
    };
    let default = default.filter(|default| *default != UNLIMITED);
    let top_up = own.and_then(|live: &Live| live.terms.top_up_at(now));
    let source = match by {
        Some(live) => words::scope(&live.key.account),
        None => json!({"type": "sidecar"}),
    };
    let mut row = row(on, limit, found, now);
    let more = [
        ("origin", json!(origin.name())),
        ("source", source),
        ("spend_limit_id", json!(own.or(by).map(|live| &*live.id))),
        ("default_amount", amount(default, unit)),
        ("top_up", amount(top_up.map(|top_up| top_up.amount), unit)),
    ];
    extend(&mut row, more.map(|(name, value)| (name.to_owned(), value)));
    row
}

/// Returns the row of the limit for each caller of a tier, which has no spending.
fn of_tier(live: &Live, now: UnixMillis) -> Value {
    let key = &live.key;
    let top_up = live.terms.top_up_at(now);
    let limit = live.terms.limit(None, now);
    let mut row = row((&key.account, key.window, key.unit), limit, None, now);
    let more = [
        ("origin", json!(live.terms.origin(now).name())),
        ("source", words::scope(&key.account)),
        ("spend_limit_id", json!(&*live.id)),
        ("default_amount", Value::Null),
        (
            "top_up",
            amount(top_up.map(|top_up| top_up.amount), key.unit),
        ),
        ("period_to_date_spend", Value::Null),
        ("held", Value::Null),
        ("left", Value::Null),
    ];
    extend(&mut row, more.map(|(name, value)| (name.to_owned(), value)));
    row
}

fn row(
    (account, window, unit): (&str, Window, Unit),
    limit: Option<u64>,
    found: Option<&Statement>,
    now: UnixMillis,
) -> Value {
    let limit = limit.filter(|limit| *limit != UNLIMITED);
    let (used, held) = found.map_or((0, 0), |found| (found.used, found.held));
    let left = limit.map(|limit| limit.saturating_sub(used.saturating_add(held)));
    let resets_at = match found {
        Some(found) => found.resets_at,
        None if unit == Unit::InFlight => None,
        None => window.resets_at(now),
    };
    let user = account.strip_prefix("user:");
    let mut row = json!({
        "groups": [],
        "actor": user.map(|user| json!({
            "type": "user_actor", "user_id": user, "name": null, "email_address": null, "deleted": false,
        })),
        "amount": amount(limit, unit),
        "period_to_date_spend": amount(Some(used), unit),
        "held": amount(Some(held), unit),
        "left": amount(left, unit),
        "resets_at": resets_at.map(time),
    });
    extend(&mut row, on(account, window, unit));
    row
}

// === impl Effective ===

impl Effective {
    fn wants(&self, account: &str, window: Window, unit: Unit) -> bool {
        let of = |list: &[String]| list.is_empty() || list.iter().any(|wanted| wanted == account);
        of(&self.accounts)
            && (self.windows.is_empty() || self.windows.contains(&window))
            && (self.units.is_empty() || self.units.contains(&unit))
    }
}
