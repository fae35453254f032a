//! The limits in force: for each account, window and unit the limit, where it comes from, and what was spent of it.
//!
//! A sidecar's limit is known once a request was charged to it. Live limits are known from the beginning.

use serde_json::{Value, json};
use witgate_ledger::{Ledger, Statement, Unit, UnixMillis, Window};

use super::query::{Effective, Place};
use super::shown::{amount, extend, on, time};
use super::words;
use crate::budgets::live::limit::{Live, Origin, UNLIMITED};
use crate::budgets::live::table::Table;

/// Returns the page of a question.
pub(super) fn page(ledger: &Ledger, table: &Table, asked: &Effective, now: UnixMillis) -> Value {
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
                let found = ledger.statement(&key.account, key.window, key.unit, now);
                data.push(of_live(live, found.as_ref(), now));
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
            // A session's seat is no account, and a live limit was shown.
            let is_shown = found.unit == Unit::Sessions
                || table
                    .get(&found.account, found.window, found.unit)
                    .is_some();
            (!is_shown && asked.wants(&found.account, found.window, found.unit))
                .then(|| of_sidecar(found, now))
        }));
        match page.next {
            None => break,
            Some(place) if data.len() >= asked.limit => next = Some(Place::Ledger(place)),
            Some(place) => start = place,
        }
    }
    json!({"data": data, "next_page": next.map(Place::cursor)})
}

fn of_live(live: &Live, found: Option<&Statement>, now: UnixMillis) -> Value {
    let key = &live.key;
    let default = live.last_default();
    let last = found.map(|found| found.limit);
    let limit = live.terms.limit(default.or(last), now);
    let origin = live.terms.origin(now);
    let top_up = live.terms.top_up_at(now);
    let mut row = row((&key.account, key.window, key.unit), limit, found, now);
    let source = match origin {
        Origin::Sidecar => json!({"type": "sidecar"}),
        Origin::Live | Origin::Override => words::scope(&key.account),
    };
    let more = [
        ("origin", json!(origin.name())),
        ("source", source),
        ("spend_limit_id", json!(&*live.id)),
        ("default_amount", amount(default, key.unit)),
        (
            "top_up",
            amount(top_up.map(|top_up| top_up.amount), key.unit),
        ),
    ];
    extend(&mut row, more.map(|(name, value)| (name.to_owned(), value)));
    row
}

fn of_sidecar(found: &Statement, now: UnixMillis) -> Value {
    let on = (&*found.account, found.window, found.unit);
    let mut row = row(on, Some(found.limit), Some(found), now);
    let more = [
        ("origin", json!(Origin::Sidecar.name())),
        ("source", json!({"type": "sidecar"})),
        ("spend_limit_id", Value::Null),
        ("default_amount", amount(Some(found.limit), found.unit)),
        ("top_up", Value::Null),
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
