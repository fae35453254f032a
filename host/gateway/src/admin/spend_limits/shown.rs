//! Limits and records, in the shapes of the vendor's API. Members that it does not have come after its own.

use std::sync::Arc;

use chrono::DateTime;
use serde_json::{Map, Value, json};
use witgate_ledger::{Unit, UnixMillis, Window};

use super::query::List;
use super::words;
use crate::budgets::live::limit::{Basis, Live, Terms};
use crate::budgets::live::records::{Answer, Change, Seen};
use crate::budgets::live::table::Table;

/// Returns a time as RFC 3339 in UTC.
pub(super) fn time(at: UnixMillis) -> Value {
    let at = i64::try_from(at.0).ok();
    let at = at.and_then(DateTime::from_timestamp_millis);
    at.map_or(Value::Null, |at| {
        json!(at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
    })
}

/// Returns an amount, or null for no limit.
pub(super) fn amount(amount: Option<u64>, unit: Unit) -> Value {
    json!(amount.map(|amount| words::written(amount, unit)))
}

/// Returns what a limit is on.
pub(super) fn on(account: &str, window: Window, unit: Unit) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("scope".into(), words::scope(account));
    let currency = (unit == Unit::PicoUsd).then_some("USD");
    members.insert("currency".into(), json!(currency));
    members.insert("period".into(), json!(words::period(window)));
    members.insert("account".into(), json!(account));
    members.insert("unit".into(), json!(words::unit_name(unit)));
    members.insert("window".into(), json!(window));
    members
}

/// Returns the parts of a limit.
fn terms(terms: &Terms, unit: Unit, now: Option<UnixMillis>) -> Map<String, Value> {
    let (interim, top_up) = match now {
        Some(now) => (terms.interim_at(now), terms.top_up_at(now)),
        None => (terms.interim, terms.top_up),
    };
    let (basis, set) = match terms.basis {
        Basis::Default => ("default", None),
        Basis::Amount(amount) => ("amount", Some(amount)),
        Basis::Unlimited => ("unlimited", None),
    };
    let interim = interim.map(
        |interim| json!({"amount": amount(interim.amount, unit), "until": time(interim.until)}),
    );
    let top_up = top_up.map(|top_up| {
        json!({"amount": amount(Some(top_up.amount), unit), "until": top_up.until.map(time)})
    });
    let mut members = Map::new();
    members.insert("amount".into(), amount(set, unit));
    members.insert("basis".into(), json!(basis));
    members.insert("override".into(), json!(interim));
    members.insert("top_up".into(), json!(top_up));
    members
}

/// Returns a limit.
pub(super) fn limit(live: &Live, now: UnixMillis, durable: bool) -> Value {
    let key = &live.key;
    let mut shown = json!({
        "type": "spend_limit",
        "id": &*live.id,
        "created_at": time(live.created),
        "updated_at": time(live.updated),
        "is_enabled": true,
        "version": live.version,
        "durable": durable,
    });
    extend(&mut shown, on(&key.account, key.window, key.unit));
    extend(&mut shown, terms(&live.terms, key.unit, Some(now)));
    shown
}

/// Returns a limit as it was after a change.
pub(super) fn seen(seen: &Seen, durable: bool) -> Value {
    let mut shown = recorded(seen);
    let more = json!({
        "type": "spend_limit",
        "is_enabled": true,
        "version": seen.version,
        "durable": durable,
    });
    if let Value::Object(more) = more {
        extend(&mut shown, more);
    }
    shown
}

/// Returns the answer to a reset.
pub(super) fn reset(seen: &Seen, used: Option<u64>, durable: bool) -> Value {
    let mut shown = json!({
        "type": "spend_limit_reset",
        "spend_limit_id": seen.id,
        "period_to_date_spend": amount(seen.used, seen.unit),
        "reset_spend": amount(used, seen.unit),
        "durable": durable,
    });
    extend(&mut shown, on(&seen.account, seen.window, seen.unit));
    shown
}

/// Returns the page of a list.
pub(super) fn list(table: &Table, asked: &List, now: UnixMillis, durable: bool) -> Value {
    let matches = |live: &&&Arc<Live>| {
        let account = &*live.key.account;
        let of_type = asked.scope_type.as_deref();
        of_type.is_none_or(|wanted| wanted == words::scope_type(account))
            && asked
                .account
                .as_deref()
                .is_none_or(|wanted| wanted == account)
    };
    let all: Vec<_> = table.all().iter().collect();
    let number = |id: &Option<String>| {
        let found = all.iter().find(|live| Some(&*live.id) == id.as_deref());
        // The id of a limit that is gone leads past the end.
        id.as_ref()
            .map(|_| found.map_or(i64::MAX, |live| live.number))
    };
    let (after, before) = (number(&asked.after), number(&asked.before));
    let mut found: Vec<_> = all
        .iter()
        .filter(matches)
        .filter(|live| after.is_none_or(|after| live.number > after))
        .filter(|live| before.is_none_or(|before| live.number < before))
        .collect();
    let has_more = found.len() > asked.limit;
    if asked.before.is_some() {
        found.drain(..found.len().saturating_sub(asked.limit));
    } else {
        found.truncate(asked.limit);
    }
    let data: Vec<_> = found.iter().map(|live| limit(live, now, durable)).collect();
    paged(&data, has_more, durable)
}

/// Returns the page of records.
pub(super) fn audit(answer: &Answer, durable: bool) -> Value {
    let data = answer.changes.iter().map(change);
    paged(&data.collect::<Vec<_>>(), answer.has_more, durable)
}

fn change(change: &Change) -> Value {
    json!({
        "type": "audit_event",
        "id": change.number.to_string(),
        "created_at": time(change.at),
        "actor": change.actor,
        "action": change.action,
        "target_id": change.target,
        "before": change.before.as_ref().map(recorded),
        "after": change.after.as_ref().map(recorded),
        "reason": change.reason,
    })
}

/// Returns a limit as a record has it.
fn recorded(seen: &Seen) -> Value {
    let mut shown = json!({
        "id": seen.id,
        "created_at": seen.created.map(time),
        "updated_at": seen.updated.map(time),
    });
    extend(&mut shown, on(&seen.account, seen.window, seen.unit));
    extend(&mut shown, terms(&seen.terms, seen.unit, None));
    if seen.used.is_some() {
        let spent = amount(seen.used, seen.unit);
        extend(&mut shown, [("period_to_date_spend".to_owned(), spent)]);
    }
    shown
}

fn paged(data: &[Value], has_more: bool, durable: bool) -> Value {
    let id = |entry: Option<&Value>| entry.and_then(|entry| entry.get("id")).cloned();
    json!({
        "first_id": id(data.first()),
        "last_id": id(data.last()),
        "has_more": has_more,
        "data": data,
        "durable": durable,
    })
}

/// Adds members to an object.
pub(super) fn extend(shown: &mut Value, more: impl IntoIterator<Item = (String, Value)>) {
    if let Value::Object(shown) = shown {
        shown.extend(more);
    }
}
