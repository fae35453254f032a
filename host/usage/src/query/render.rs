//! Reports as JSON, as CSV and as a table.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Query, Report, Row, time};
use crate::series::{Dimension, Metadata};
use crate::sessions::Session;
use crate::sums::Sums;

/// A cell of a table that has no value.
const NONE: &str = "-";

const PICO_PER_USD: u128 = 1_000_000_000_000;

/// Returns a cost in dollars, exact, with at least two decimals.
#[must_use]
pub fn usd(picousd: u128) -> String {
    let text = format!("{}.{:012}", picousd / PICO_PER_USD, picousd % PICO_PER_USD);
    let zeros = text.len() - text.trim_end_matches('0').len();
    let kept = text.len() - zeros.min(10);
    text.get(..kept).unwrap_or(&text).to_owned()
}

/// Returns a cost in dollars with four decimals, rounded up, so that nothing looks free that is not.
fn short_usd(picousd: u128) -> String {
    let parts = picousd.div_ceil(PICO_PER_USD / 10_000);
    format!("{}.{:04}", parts / 10_000, parts % 10_000)
}

// === impl Report ===

impl Report {
    /// Returns the report as JSON.
    #[must_use]
    pub fn json(&self, query: &Query, metadata: &Metadata) -> Value {
        let names = names(query, metadata);
        let at = |unix_ms| time::text_in(query.zone, unix_ms);
        let rows = self.rows.iter().map(|row| {
            let mut object = Map::new();
            if let Some(begun) = row.at_unix_ms {
                object.insert("from".into(), at(begun).into());
            }
            for (name, value) in names.iter().zip(&row.values) {
                object.insert((*name).to_owned(), value.clone().into());
            }
            object.extend(sums(&row.sums, query.latencies));
            Value::Object(object)
        });
        json!({
            "from": at(self.from_unix_ms),
            "to": at(self.to_unix_ms),
            "time_zone": query.zone.name(),
            "rows": rows.collect::<Vec<_>>(),
            "left_out": self.left_out,
            "total": sums(&self.total, query.latencies),
        })
    }

    /// Returns the report as CSV, with a line of names.
    #[must_use]
    pub fn csv(&self, query: &Query, metadata: &Metadata) -> String {
        let mut out = String::new();
        let mut header: Vec<_> = query.per.map(|_| "from").into_iter().collect();
        header.extend(names(query, metadata));
        let fields = sums(&self.total, query.latencies);
        header.extend(fields.keys().map(String::as_str));
        line(&mut out, header.into_iter());
        for row in &self.rows {
            let fields = sums(&row.sums, query.latencies);
            let cells = row
                .at_unix_ms
                .map(|at| time::text_in(query.zone, at))
                .into_iter()
                .chain(
                    row.values
                        .iter()
                        .map(|value| value.clone().unwrap_or_default()),
                )
                .chain(fields.values().map(plain));
            let cells: Vec<_> = cells.collect();
            line(&mut out, cells.iter().map(String::as_str));
        }
        out
    }

    /// Returns the report as a table for people.
    #[must_use]
    pub fn table(&self, query: &Query, metadata: &Metadata) -> String {
        let mut header: Vec<_> = query.per.map(|_| "from").into_iter().collect();
        header.extend(names(query, metadata));
        let texts = header.len();
        header.extend([
            "requests",
            "errors",
            "refused",
            "tokens in",
            "out",
            "cached",
        ]);
        if query.latencies {
            header.extend(["first p50", "p95", "total p50", "p95"]);
        }
        header.push("cost USD");
        let mut rows = vec![header.into_iter().map(str::to_owned).collect()];
        rows.extend(self.rows.iter().map(|row| cells(row, query)));
        let total = Row {
            at_unix_ms: None,
            values: Vec::new(),
            sums: self.total.clone(),
        };
        let mut last = vec![String::new(); texts];
        last.extend(cells(&total, query));
        if let Some(first) = last.first_mut().filter(|_| texts > 0) {
            "total".clone_into(first);
        }
        rows.push(last);
        let mut out = aligned(&rows, texts);
        let _ = write!(
            out,
            "from {} to {}",
            time::text_in(query.zone, self.from_unix_ms),
            time::text_in(query.zone, self.to_unix_ms)
        );
        if self.left_out > 0 {
            let _ = write!(out, "; {} more rows, see --limit", self.left_out);
        }
        out
    }
}

/// Returns a session as JSON.
#[must_use]
pub fn session(session: &Session) -> Map<String, Value> {
    let value = json!({
        "id": session.id.to_string(),
        "session": session.name,
        "key": session.key,
        "tenant": session.tenant,
        "user": session.user,
        "first_seen": time::text(session.first_unix_ms),
        "last_seen": time::text(session.last_unix_ms),
        "requests": session.requests,
        "turns": session.turns,
        "errors": session.errors,
        "tokens": session.tokens,
        "cost_usd": usd(session.picousd),
    });
    match value {
        Value::Object(session) => session,
        _ => Map::new(),
    }
}

/// Returns rows with aligned columns, of which the first `texts` are to the left.
#[must_use]
pub fn aligned(rows: &[Vec<String>], texts: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if column > 0 {
                line.push_str("  ");
            }
            let _ = if column < texts {
                write!(line, "{cell:<width$}")
            } else {
                write!(line, "{cell:>width$}")
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Returns the names of the dimensions of a query.
fn names<'m>(query: &Query, metadata: &'m Metadata) -> Vec<&'m str> {
    let all: Vec<_> = metadata.names().collect();
    query
        .by
        .iter()
        .filter_map(|dimension: &Dimension| all.get(dimension.place()).copied())
        .collect()
}

/// Returns sums as the members of an object.
fn sums(sums: &Sums, latencies: bool) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, count) in [
        ("requests", sums.requests),
        ("messages", sums.messages),
        ("errors", sums.errors),
        ("refused", sums.refused),
        ("client_gone", sums.client_gone),
        ("input_tokens", sums.input),
        ("output_tokens", sums.output),
        ("cache_read_input_tokens", sums.cache_read),
        ("cache_creation_input_tokens", sums.cache_write),
        ("crash_tokens", sums.crash_tokens),
        ("unpriced", sums.unpriced),
    ] {
        object.insert(name.to_owned(), count.into());
    }
    object.insert(
        "cache_hit_percent".to_owned(),
        sums.cache_hit_percent().into(),
    );
    object.insert("cost_usd".to_owned(), usd(sums.picousd).into());
    if latencies {
        for (name, times) in [("first_byte", &sums.first_byte), ("total", &sums.total)] {
            for percent in [50, 95, 99] {
                let at = times.percentile(percent);
                object.insert(format!("{name}_p{percent}_ms"), at.into());
            }
        }
    }
    object
}

fn cells(row: &Row, query: &Query) -> Vec<String> {
    let sums = &row.sums;
    let at = row.at_unix_ms;
    let at = at.map(|at| time::text_in(query.zone, at));
    let values = row.values.iter().map(|value| match value {
        Some(value) => value.clone(),
        None => NONE.to_owned(),
    });
    let mut cells: Vec<_> = at.into_iter().chain(values).collect();
    let input = [sums.input, sums.cache_read, sums.cache_write];
    let input = input.into_iter().fold(0, u64::saturating_add);
    cells.extend(
        [sums.requests, sums.errors, sums.refused, input, sums.output].map(|it| it.to_string()),
    );
    let maybe = |number: Option<u64>, unit: &str| match number {
        Some(number) => format!("{number} {unit}"),
        None => NONE.to_owned(),
    };
    cells.push(maybe(sums.cache_hit_percent(), "%"));
    if query.latencies {
        for times in [&sums.first_byte, &sums.total] {
            cells.extend([50, 95].map(|percent| maybe(times.percentile(percent), "ms")));
        }
    }
    cells.push(short_usd(sums.picousd));
    cells
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Appends a line of CSV. Clients choose some values, so those that a spreadsheet would take for a formula get an apostrophe.
fn line<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (column, cell) in cells.enumerate() {
        if column > 0 {
            out.push(',');
        }
        let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let guard = if is_formula { "'" } else { "" };
        if is_formula || cell.contains(['"', ',', '\n', '\r']) {
            let _ = write!(out, "\"{guard}{}\"", cell.replace('"', "\"\""));
        } else {
            out.push_str(cell);
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact_or_rounded_up() {
        for (picousd, exact, short) in [
            (0, "0.00", "0.0000"),
            (1, "0.000000000001", "0.0001"),
            (12_300_000_000_000, "12.30", "12.3000"),
            (10_000_000_000_000_000, "10000.00", "10000.0000"),
            (123_456_000, "0.000123456", "0.0002"),
        ] {
            assert_eq!(usd(picousd), exact, "exact");
            assert_eq!(short_usd(picousd), short, "short");
        }
    }

    #[test]
    fn a_value_that_a_client_chose_is_one_cell_and_no_formula() {
        let mut out = String::new();
        line(&mut out, ["a", "=1+1", "b,\"c\"", ""].into_iter());
        assert_eq!(out, "a,\"'=1+1\",\"b,\"\"c\"\"\",\n", "quoted and guarded");
    }
}
