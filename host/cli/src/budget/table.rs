//! Limits and records as lines for people.

use serde_json::Value;

use super::amount::shown;
use super::member;

/// Returns a table of limits in force.
pub(super) fn limits(rows: &[Value]) -> Vec<String> {
    let head = [
        "account", "window", "unit", "limit", "from", "spent", "held", "left", "resets",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let amount = |name: &str| shown(member(row, name), member(row, "unit"));
        let limit = match member(row, "amount") {
            Value::Null => "unlimited".to_owned(),
            _ => amount("amount"),
        };
        let from = match (member(row, "origin"), member(row, "top_up")) {
            (origin, Value::Null) => text(origin),
            (origin, _) => format!("{} + top-up", text(origin)),
        };
        [
            text(member(row, "account")),
            text(member(row, "window")),
            text(member(row, "unit")),
            limit,
            from,
            amount("period_to_date_spend"),
            amount("held"),
            amount("left"),
            text(member(row, "resets_at")),
        ]
    }));
    let mut widths = [0; 9];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let padded = |line: [String; 9]| {
        let cells = line.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    lines.into_iter().map(padded).collect()
}

/// Returns a line about a change that was made.
pub(super) fn change(account: &str, answer: &Value) -> String {
    match member(answer, "type").as_str() {
        Some("spend_limit_deleted") => {
            format!("{account}: the live limit is deleted, and the sidecar's holds again")
        }
        Some("spend_limit_reset") => format!(
            "{account}: {} of spending by the {} is taken off",
            shown(member(answer, "reset_spend"), member(answer, "unit")),
            text(member(answer, "window"))
        ),
        _ => format!(
            "{account}: {} by the {}",
            terms(answer),
            text(member(answer, "window"))
        ),
    }
}

/// Returns the lines of a record.
pub(super) fn record(record: &Value) -> String {
    let side = |limit: &Value| match limit {
        Value::Null => "nothing".to_owned(),
        limit => match member(limit, "period_to_date_spend") {
            Value::Null => terms(limit),
            spent => format!("{} spent", shown(spent, member(limit, "unit"))),
        },
    };
    let (before, after) = (member(record, "before"), member(record, "after"));
    let on = if after.is_null() { before } else { after };
    let reason = match member(record, "reason").as_str() {
        Some(reason) => format!("  ({reason})"),
        None => String::new(),
    };
    format!(
        "{}  {}  {}  {} by the {}: {} -> {}{reason}",
        text(member(record, "created_at")),
        text(member(record, "actor")),
        text(member(record, "action")).trim_start_matches("spend_limit."),
        text(member(on, "account")),
        text(member(on, "window")),
        side(before),
        side(after),
    )
}

/// Returns the parts of a limit in words.
fn terms(limit: &Value) -> String {
    let unit = member(limit, "unit");
    let counted = |amount: &Value| match (amount, unit.as_str()) {
        (Value::Null, _) => "no limit".to_owned(),
        (amount, Some("usd")) => shown(amount, unit),
        (amount, name) => format!("{} {}", shown(amount, unit), name.unwrap_or_default()),
    };
    let mut parts = vec![match member(limit, "basis").as_str() {
        Some("default") => "the sidecar's limit".to_owned(),
        _ => counted(member(limit, "amount")),
    }];
    if let Some(interim) = member(limit, "override").as_object() {
        let amount = interim.get("amount").unwrap_or(&Value::Null);
        let until = interim.get("until").map(text).unwrap_or_default();
        parts.push(format!("{} until {until}", counted(amount)));
    }
    if let Some(top_up) = member(limit, "top_up").as_object() {
        let amount = top_up.get("amount").unwrap_or(&Value::Null);
        parts.push(match top_up.get("until").and_then(Value::as_str) {
            Some(until) => format!("{} more until {until}", counted(amount)),
            None => format!("{} more", counted(amount)),
        });
    }
    parts.join(", ")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}
