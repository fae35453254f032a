//! Questions about usage, and their answers.
//!
//! A range is covered by the longest grains that fit into it, and by shorter ones at its ends. So a calendar year takes one row of
//! each series, and any range is exact as long as the shorter grains are kept; later its ends are rounded outwards.

mod range;
pub mod render;
pub mod time;
mod wording;

use std::collections::{HashMap, HashSet};

use rusqlite::{CachedStatement, Connection, params};
use witgate_ledger::Zone;

pub use self::range::Part;
pub use self::wording::{DEFAULT_LIMIT, Wording};
use crate::database::UsageError;
use crate::grain::Grain;
use crate::names;
use crate::retention::Keep;
use crate::series::{Detail, Dimension, METADATA, Values};
use crate::sums::Sums;
use crate::tally::read_sums;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The dimensions that a row is about.
    pub by: Vec<Dimension>,
    /// The length of time that a row is about, or `None` for the whole range.
    pub per: Option<Grain>,
    /// The zone of days and months, in which the sums are kept.
    pub zone: Zone,
    /// Beginning of the range, in Unix milliseconds.
    pub from_unix_ms: i64,
    /// End of the range, in Unix milliseconds.
    pub to_unix_ms: i64,
    /// Values that count; those of other dimensions all count. An empty text stands for receipts without a value.
    pub only: Vec<(Dimension, Vec<String>)>,
    /// The order of the rows.
    pub sort: Sort,
    /// Maximum number of rows.
    pub limit: usize,
    /// Latencies in the answer, which takes longer.
    pub latencies: bool,
    /// Maximum number of rows of sums that are read for the answer: a question without an end would hold up others.
    pub most_read: usize,
}

/// An order of rows. Rows of different times are in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// The dearest first.
    #[default]
    Cost,
    /// The most requests first.
    Requests,
    /// The most tokens first.
    Tokens,
    /// The most errors and refusals first.
    Errors,
    /// By the names of the values.
    Name,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Beginning of the time that the sums cover, in Unix milliseconds.
    pub from_unix_ms: i64,
    /// End of that time.
    pub to_unix_ms: i64,
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// Rows beyond the limit.
    pub left_out: usize,
    /// The sums of all rows, those left out included.
    pub total: Sums,
}

/// A row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Beginning of the time that the row is about, or `None` for the whole range.
    pub at_unix_ms: Option<i64>,
    /// A value for each dimension, or `None` for receipts without one.
    pub values: Vec<Option<String>>,
    /// The sums.
    pub sums: Sums,
}

/// The group of a series: its values of the dimensions that rows are about.
type Group = Vec<i64>;

/// The groups of series, found as they are needed.
struct Groups<'db> {
    by: Vec<usize>,
    /// Numbers of the values that count, by their place.
    only: Vec<(usize, HashSet<i64>)>,
    /// The group of each series, or `None` for one that does not count.
    of: HashMap<i64, Option<usize>>,
    groups: Vec<Group>,
    numbers: HashMap<Group, usize>,
    one: CachedStatement<'db>,
}

// === impl Sort ===

impl Sort {
    /// The orders with their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("cost", Self::Cost),
        ("requests", Self::Requests),
        ("tokens", Self::Tokens),
        ("errors", Self::Errors),
        ("name", Self::Name),
    ];

    /// Returns what the largest comes first of.
    fn weight(self, sums: &Sums) -> u128 {
        match self {
            Self::Cost => sums.picousd,
            Self::Requests => u128::from(sums.requests),
            Self::Tokens => u128::from(sums.tokens()),
            Self::Errors => u128::from(sums.errors) + u128::from(sums.refused),
            Self::Name => 0,
        }
    }
}

// === impl Query ===

impl Query {
    /// Returns the answer from a database that keeps its sums as `keep` says.
    ///
    /// # Errors
    ///
    /// The database can't be read, or [`UsageError::TooMuch`].
    pub fn ask(
        &self,
        db: &Connection,
        keep: &Keep,
        now_unix_ms: i64,
    ) -> Result<Report, UsageError> {
        let only = self.only.iter().map(|(dimension, _)| *dimension);
        let detail = match self
            .by
            .iter()
            .copied()
            .chain(only)
            .any(Dimension::is_detail)
        {
            true => Detail::With,
            false => Detail::Without,
        };
        let cover = range::cover(self, detail, keep, now_unix_ms);
        let mut groups = Groups::new(db, self)?;
        if detail == Detail::Without {
            groups.read_all(db)?;
        }
        let mut sums: HashMap<(Option<i64>, usize), Sums> = HashMap::new();
        let mut room = self.most_read;
        for part in &cover.parts {
            self.add(part, detail, db, &mut groups, &mut sums, &mut room)?;
        }
        let mut total = Sums::default();
        let mut rows = Vec::with_capacity(sums.len());
        for ((at_unix_ms, group), sums) in sums {
            total.add(&sums);
            let values = groups.texts(db, group)?;
            rows.push(Row {
                at_unix_ms,
                values,
                sums,
            });
        }
        rows.sort_by(|one, other| {
            let weight = |row: &Row| std::cmp::Reverse(self.sort.weight(&row.sums));
            one.at_unix_ms
                .cmp(&other.at_unix_ms)
                .then_with(|| weight(one).cmp(&weight(other)))
                .then_with(|| one.values.cmp(&other.values))
        });
        let left_out = rows.len().saturating_sub(self.limit);
        rows.truncate(self.limit);
        Ok(Report {
            from_unix_ms: cover.from_unix_ms,
            to_unix_ms: cover.to_unix_ms,
            rows,
            left_out,
            total,
        })
    }

    /// Adds a part of the range.
    fn add(
        &self,
        part: &Part,
        detail: Detail,
        db: &Connection,
        groups: &mut Groups<'_>,
        sums: &mut HashMap<(Option<i64>, usize), Sums>,
        room: &mut usize,
    ) -> Result<(), UsageError> {
        let latencies = if self.latencies { ", latencies" } else { "" };
        let mut select = db.prepare_cached(&format!(
            "SELECT series, bucket, requests, messages, errors, refused, client_gone, input, output, cache_read, \
             cache_write, crash_tokens, unpriced, microusd, picousd{latencies} FROM rollups \
             WHERE grain = ?1 AND detail = ?2 AND bucket >= ?3 AND bucket < ?4"
        ))?;
        let mut rows = select.query(params![
            part.grain.code(),
            detail.code(),
            part.buckets.start,
            part.buckets.end
        ])?;
        // Rows come by their buckets.
        let mut last = None;
        while let Some(row) = rows.next()? {
            *room = room.checked_sub(1).ok_or(UsageError::TooMuch)?;
            let Some(group) = groups.of(row.get(0)?)? else {
                continue;
            };
            let mut more = read_sums(row, 2)?;
            if self.latencies {
                more.read_latencies(row.get_ref(15)?.as_blob().unwrap_or_default());
            }
            let at = match self.per {
                None => None,
                Some(per) => {
                    let bucket = row.get(1)?;
                    let at = match last {
                        Some((known, at)) if known == bucket => at,
                        _ => per.floor(self.zone, part.grain.start(self.zone, bucket)),
                    };
                    last = Some((bucket, at));
                    Some(at)
                }
            };
            sums.entry((at, group)).or_default().add(&more);
        }
        Ok(())
    }
}

// === impl Groups ===

const COLUMNS: &str =
    "tenant, key, user, model, upstream, session, agent, m1, m2, m3, m4, m5, m6, m7, m8";

impl<'db> Groups<'db> {
    fn new(db: &'db Connection, query: &Query) -> rusqlite::Result<Self> {
        let mut only = Vec::new();
        for (dimension, texts) in &query.only {
            let mut numbers = HashSet::new();
            for text in texts {
                let number = match text.as_str() {
                    "" => Some(0),
                    text => names::number(db, text)?,
                };
                numbers.extend(number);
            }
            only.push((dimension.place(), numbers));
        }
        Ok(Self {
            by: query.by.iter().map(|dimension| dimension.place()).collect(),
            only,
            of: HashMap::new(),
            groups: Vec::new(),
            numbers: HashMap::new(),
            one: db.prepare_cached(&format!("SELECT {COLUMNS} FROM series WHERE id = ?1"))?,
        })
    }

    /// Finds the groups of all series without sessions at once, of which there are few.
    fn read_all(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let mut select = db.prepare_cached(&format!(
            "SELECT {COLUMNS}, id FROM series WHERE detail = 0"
        ))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let values = values(row)?;
            self.note(row.get(7 + METADATA)?, &values);
        }
        Ok(())
    }

    /// Returns the group of a series, or `None` if the series does not count.
    fn of(&mut self, series: i64) -> rusqlite::Result<Option<usize>> {
        if let Some(group) = self.of.get(&series) {
            return Ok(*group);
        }
        let values = self.one.query_row([series], values)?;
        Ok(self.note(series, &values))
    }

    fn note(&mut self, series: i64, values: &Values) -> Option<usize> {
        let counts = self.only.iter().all(|(place, numbers)| {
            let value = values.get(*place);
            value.is_some_and(|value| numbers.contains(value))
        });
        let group = counts.then(|| {
            let group: Group = self
                .by
                .iter()
                .filter_map(|place| values.get(*place).copied())
                .collect();
            let next = self.groups.len();
            let number = *self.numbers.entry(group.clone()).or_insert(next);
            if number == next {
                self.groups.push(group);
            }
            number
        });
        self.of.insert(series, group);
        group
    }

    /// Returns the values of a group as texts.
    fn texts(&self, db: &Connection, group: usize) -> rusqlite::Result<Vec<Option<String>>> {
        let numbers = self.groups.get(group).into_iter().flatten();
        numbers.map(|number| names::text(db, *number)).collect()
    }
}

fn values(row: &rusqlite::Row<'_>) -> rusqlite::Result<Values> {
    let mut values = Values::default();
    for (column, value) in values.iter_mut().enumerate() {
        *value = row.get(column)?;
    }
    Ok(values)
}
