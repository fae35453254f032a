//! Questions in the query of a page: `?by=tenant,model&window=month&where=team=growth`.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use witgate_usage::query::{Wording, render};
use witgate_usage::{Damage, Session, UsageError, damaged, sessions};

use super::{Asking, NoAnswer};

/// Most rows of an answer.
const MAX_ROWS: usize = 10_000;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    #[default]
    Json,
    Csv,
}

/// A question and the form that its answer is to have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) wording: Wording,
    pub(crate) format: Format,
    /// The only key that counts, whatever the question says, or `None` for all keys.
    pub(crate) key: Option<Arc<str>>,
}

/// An answer in its form.
pub(crate) struct Answered {
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

// === impl Asked ===

impl Asked {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// Returns a text that says which parameter is wrong.
    pub(crate) fn read(query: Option<&str>) -> Result<Self, String> {
        let mut asked = Self::default();
        let wording = &mut asked.wording;
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value).ok_or_else(|| format!("{name}: it is not UTF-8"))?;
            match name {
                "" => {}
                "by" => wording.by.extend(value.split(',').map(str::to_owned)),
                "per" => wording.per = Some(value),
                "window" => wording.window = Some(value),
                "since" => wording.since = Some(value),
                "until" => wording.until = Some(value),
                "where" => wording.only.push(value),
                "sort" => wording.sort = Some(value),
                "limit" => match value.parse() {
                    Ok(limit @ 1..=MAX_ROWS) => wording.limit = Some(limit),
                    _ => return Err(format!("limit: use a number from 1 to {MAX_ROWS}")),
                },
                "latencies" => match value.as_str() {
                    "true" | "" => wording.latencies = true,
                    "false" => wording.latencies = false,
                    _ => return Err("latencies: use true or false".into()),
                },
                "format" => match value.as_str() {
                    "json" => asked.format = Format::Json,
                    "csv" => asked.format = Format::Csv,
                    _ => return Err("format: use json or csv".into()),
                },
                _ => {
                    return Err(format!(
                        "{name}: unknown parameter; use by, per, window, since, until, where, sort, limit, latencies \
                         and format"
                    ));
                }
            }
        }
        Ok(asked)
    }

    /// Returns the answer.
    ///
    /// # Errors
    ///
    /// The question is wrong, or the sums can't be read.
    pub(crate) fn answer(&self, asking: &Asking<'_>) -> Result<Answered, NoAnswer> {
        let (report, query) = asking.report(&self.wording, self.key.as_deref())?;
        Ok(match self.format {
            Format::Json => {
                let mut body = report.json(&query, &asking.metadata);
                self.tell_of_damage(&mut body, asking)?;
                Answered {
                    content_type: "application/json",
                    body: format!("{body:#}\n"),
                }
            }
            Format::Csv => Answered {
                content_type: "text/csv; charset=utf-8",
                body: report.csv(&query, &asking.metadata),
            },
        })
    }

    /// Adds what is missing because receipts files can't be read. Callers are told that something may be, and no names.
    fn tell_of_damage(&self, body: &mut Value, asking: &Asking<'_>) -> Result<(), NoAnswer> {
        let damaged = damaged(asking.db).map_err(UsageError::Refused)?;
        let Some(body) = body.as_object_mut().filter(|_| !damaged.is_empty()) else {
            return Ok(());
        };
        body.insert("incomplete".into(), true.into());
        if self.key.is_none() {
            let file = |Damage { path, error }: &Damage| json!({"file": path, "error": error});
            let files: Vec<_> = damaged.iter().map(file).collect();
            body.insert("damaged".into(), files.into());
        }
        Ok(())
    }
}

/// Returns a page of sessions, each described by `describe`.
///
/// # Errors
///
/// The sums can't be read.
pub(crate) fn sessions_page(
    asking: &Asking<'_>,
    key: Option<&str>,
    limit: usize,
    cursor: usize,
    describe: impl Fn(&Session) -> Map<String, Value>,
) -> Result<Value, NoAnswer> {
    let found = sessions(asking.db, key, limit + 1, cursor).map_err(UsageError::Refused)?;
    let next = (found.len() > limit).then(|| (cursor + limit).to_string());
    let shown: Vec<_> = found.iter().take(limit).map(describe).collect();
    Ok(json!({"sessions": shown, "next": next}))
}

/// Returns a session with the sums of each of its agents and models.
///
/// # Errors
///
/// The sums can't be read.
pub(crate) fn session_page(
    asking: &Asking<'_>,
    session: &Session,
    mut described: Map<String, Value>,
) -> Result<Value, NoAnswer> {
    let wording = Wording {
        by: vec!["agent".into(), "model".into()],
        since: Some(witgate_usage::query::time::text(session.first_unix_ms)),
        only: vec![format!("session={}", session.name)],
        limit: Some(MAX_ROWS),
        latencies: true,
        ..Wording::default()
    };
    let (report, query) = asking.report(&wording, Some(&session.key))?;
    let mut report = report.json(&query, &asking.metadata);
    let agents = report.get_mut("rows").map(Value::take);
    described.insert("agents".into(), agents.unwrap_or_default());
    Ok(Value::Object(described))
}

/// Returns a session as both listeners show it.
pub(crate) fn describe(
    session: &Session,
    is_ended: impl Fn(&Session) -> bool,
) -> Map<String, Value> {
    let mut described = render::session(session);
    described.insert("ended".into(), is_ended(session).into());
    described
}

/// Returns a value of a query without its coding, or `None` if it is not UTF-8.
fn decoded(value: &str) -> Option<String> {
    let spaced = value.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_a_question_or_says_what_is_wrong() {
        let asked = Asked::read(Some(
            "by=tenant,model&window=7d&where=team=growth&where=user=a%26b+c&limit=5&latencies=true&format=csv",
        ))
        .unwrap();
        let wanted = Wording {
            by: vec!["tenant".into(), "model".into()],
            window: Some("7d".into()),
            only: vec!["team=growth".into(), "user=a&b c".into()],
            limit: Some(5),
            latencies: true,
            ..Wording::default()
        };
        assert_eq!(
            (asked.wording, asked.format),
            (wanted, Format::Csv),
            "all of it"
        );
        assert_eq!(
            Asked::read(None),
            Ok(Asked::default()),
            "nothing is a question, too"
        );
        for (query, named) in [
            ("limit=0", "limit"),
            ("latencies=yes", "latencies"),
            ("format=xml", "format"),
            ("group=tenant", "group"),
            ("where=%ff", "where"),
        ] {
            let told = Asked::read(Some(query)).unwrap_err();
            assert!(told.starts_with(named), "{query}: {told}");
        }
    }
}
