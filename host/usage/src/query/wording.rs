//! A question as operators word it: on the command line, and in the query of a page.

use witgate_ledger::Zone;

use super::{Query, Sort, time};
use crate::grain::Grain;
use crate::series::{Dimension, Metadata};

/// Rows of an answer unless the question says otherwise.
pub const DEFAULT_LIMIT: usize = 100;

/// Maximum number of rows of sums that are read for an operator's answer: some seconds' worth.
const MOST_READ: usize = 5_000_000;

/// A question in words. Every part may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wording {
    /// Names of the dimensions that a row is about.
    pub by: Vec<String>,
    /// The length of time that a row is about.
    pub per: Option<String>,
    /// The window that ends now.
    pub window: Option<String>,
    /// The beginning of the range, in place of a window.
    pub since: Option<String>,
    /// The end of the range.
    pub until: Option<String>,
    /// `NAME=VALUE`: several of one name are alternatives.
    pub only: Vec<String>,
    /// The name of an order.
    pub sort: Option<String>,
    /// Maximum number of rows.
    pub limit: Option<usize>,
    /// Latencies in the answer.
    pub latencies: bool,
}

// === impl Wording ===

impl Wording {
    /// Returns the question about sums that are kept in a zone, or a text that says which part is wrong and what to use.
    ///
    /// # Errors
    ///
    /// A name is unknown, or a time can't be read.
    pub fn query(
        &self,
        metadata: &Metadata,
        zone: Zone,
        now_unix_ms: i64,
    ) -> Result<Query, String> {
        let dimension = |part: &str, name: &str| {
            metadata.dimension(name).ok_or_else(|| {
                let known: Vec<_> = metadata.names().collect();
                format!("{part}: there is no `{name}`; use {}", known.join(", "))
            })
        };
        let by = self.by.iter().map(|name| dimension("by", name));
        let by: Vec<Dimension> = by.collect::<Result<_, _>>()?;
        let per = self.per.as_deref().map(|name| {
            Grain::named(name).ok_or_else(|| {
                format!("per: there is no `{name}`; use minute, hour, day, month or year")
            })
        });
        let sort = self.sort.as_deref().map(|name| {
            let mut all = Sort::ALL.into_iter();
            all.find_map(|(known, sort)| (known == name).then_some(sort))
                .ok_or_else(|| {
                    format!(
                        "sort: there is no `{name}`; use cost, requests, tokens, errors or name"
                    )
                })
        });
        let mut only: Vec<(Dimension, Vec<String>)> = Vec::new();
        for filter in &self.only {
            let (name, value) = filter
                .split_once('=')
                .ok_or_else(|| format!("where: `{filter}` is not NAME=VALUE"))?;
            let dimension = dimension("where", name)?;
            match only.iter_mut().find(|(known, _)| *known == dimension) {
                Some((_, values)) => values.push(value.to_owned()),
                None => only.push((dimension, vec![value.to_owned()])),
            }
        }
        let (from_unix_ms, to_unix_ms) = self.range(zone, now_unix_ms)?;
        Ok(Query {
            by,
            per: per.transpose()?,
            zone,
            from_unix_ms,
            to_unix_ms,
            only,
            sort: sort.transpose()?.unwrap_or_default(),
            limit: self.limit.unwrap_or(DEFAULT_LIMIT),
            latencies: self.latencies,
            most_read: MOST_READ,
        })
    }

    fn range(&self, zone: Zone, now_unix_ms: i64) -> Result<(i64, i64), String> {
        let at = |part: &str, text: &str| {
            time::time(text, zone).ok_or_else(|| {
                format!(
                    "{part}: `{text}` is no time; use 2026-11, 2026-11-29 or 2026-11-29T18:00:00Z"
                )
            })
        };
        let from = match (&self.since, &self.window) {
            (Some(_), Some(_)) => return Err("window: use it without `since`".into()),
            (Some(since), None) => at("since", since)?,
            (None, window) => {
                let window = window.as_deref().unwrap_or("month");
                time::window(window, zone, now_unix_ms).ok_or_else(|| {
                    format!(
                        "window: there is no `{window}`; use minute, hour, day, week, month or year for the current \
                         one, or the last 90m, 24h or 7d"
                    )
                })?
            }
        };
        let to = match &self.until {
            Some(until) => at("until", until)?,
            None => now_unix_ms,
        };
        if to < from {
            return Err("until: the range ends before it begins".into());
        }
        Ok((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(wording: &Wording) -> Result<Query, String> {
        wording.query(&Metadata::default(), Zone::UTC, 1_795_953_630_000)
    }

    #[test]
    fn a_question_without_words_is_about_this_month() {
        let query = asked(&Wording::default()).unwrap();
        assert_eq!(time::text(query.from_unix_ms), "2026-11-01T00:00:00Z");
        assert_eq!(query.to_unix_ms, 1_795_953_630_000, "up to now");
    }

    #[test]
    fn a_wrong_word_is_named_with_the_right_ones() {
        let one = |text: &str| vec![text.to_owned()];
        let empty = Wording::default;
        for (wording, told) in [
            (
                Wording {
                    by: one("team"),
                    ..empty()
                },
                "by: there is no `team`; use tenant, key, user",
            ),
            (
                Wording {
                    only: one("tenant"),
                    ..empty()
                },
                "where: `tenant` is not NAME=VALUE",
            ),
            (
                Wording {
                    only: one("x=1"),
                    ..empty()
                },
                "where: there is no `x`",
            ),
            (
                Wording {
                    per: Some("decade".into()),
                    ..empty()
                },
                "per: there is no `decade`",
            ),
            (
                Wording {
                    sort: Some("up".into()),
                    ..empty()
                },
                "sort: there is no `up`",
            ),
            (
                Wording {
                    window: Some("era".into()),
                    ..empty()
                },
                "window: there is no `era`",
            ),
            (
                Wording {
                    since: Some("soon".into()),
                    ..empty()
                },
                "since: `soon` is no time",
            ),
            (
                Wording {
                    until: Some("2020".into()),
                    ..empty()
                },
                "until: `2020` is no time",
            ),
            (
                Wording {
                    until: Some("2020-01".into()),
                    ..empty()
                },
                "until: the range ends before it begins",
            ),
        ] {
            let error = asked(&wording).expect_err(told);
            assert!(error.starts_with(told), "{error}");
        }
    }
}
