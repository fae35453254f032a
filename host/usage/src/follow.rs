//! The reader of receipts files: adds what is new to the sums.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use witgate_audit::segments::{Footprint, Segment, Stamp, list};
use witgate_ledger::Zone;

use crate::damage::{self, Damage};
use crate::database::UsageError;
use crate::record::{self, Record};
use crate::series::{Metadata, Room};
use crate::source::Source;
use crate::tally::Tally;

/// Receipts that are added in one transaction.
const MAX_LINES: usize = 4_096;

/// Time after which a damaged file is tried again although it is the same: the disk may have refused.
const AGAIN_MS: i64 = 3_600_000;

/// A reader of receipts files. Any number of them, in any processes, may add to one database: each receipt counts once.
pub struct Follower {
    sources: Vec<Source>,
    metadata: Vec<String>,
    zone: Zone,
    room: Room,
    /// What is known of each source.
    known: Vec<Known>,
    /// The damaged files that the database tells of, or `None` before the first step.
    told: Option<Vec<Damage>>,
    /// The footprints of all sources before the last step, or `None` if that left something to do.
    done: Option<Vec<Footprint>>,
}

/// The state of a log in memory, which saves looks at files. How far it was read is in the database.
#[derive(Debug, Default)]
struct Known {
    /// The open segment as it was last seen. If it was moved away, its rest is read from here.
    open: Option<Arc<Segment>>,
    /// Settled segments that were read to their ends.
    read: BTreeSet<PathBuf>,
    /// Closed segments that can't be read.
    damaged: BTreeMap<PathBuf, Tried>,
}

/// An attempt to read a damaged segment.
#[derive(Debug, Clone)]
struct Tried {
    stamp: Option<Stamp>,
    at_unix_ms: i64,
    error: Arc<str>,
}

/// The result of a step of a follower.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Followed {
    /// Receipts.
    pub receipts: usize,
    /// Lines that were no receipts, for example because a crash cut them.
    pub unreadable: usize,
    /// Set if there may be more.
    pub is_behind: bool,
}

/// A step of a follower.
struct Step<'a> {
    db: &'a Connection,
    tally: Tally<'a>,
    followed: Followed,
    /// The parts of receipts that are known from those before.
    parts: record::Known,
    now_unix_ms: i64,
}

// === impl Follower ===

impl Follower {
    /// Returns a follower of these files that keeps sums by these metadata values, and by the days and months of a zone.
    #[must_use]
    pub fn new(sources: Vec<Source>, metadata: Vec<String>, zone: Zone, room: Room) -> Self {
        Self {
            known: sources.iter().map(|_| Known::default()).collect(),
            sources,
            metadata,
            zone,
            room,
            told: None,
            done: None,
        }
    }

    /// Adds receipts that are not in the sums yet, up to a few thousand. A closed segment that can't be read is left out, as
    /// [`damaged`](crate::damaged) tells, and is read again once it was changed. Does not touch the database if nothing has happened
    /// to the files.
    ///
    /// # Errors
    ///
    /// An open file can't be read, or the database can't be written. Then nothing was added.
    pub fn step(&mut self, db: &mut Connection, now_unix_ms: i64) -> Result<Followed, UsageError> {
        let of = |source: &Source| Footprint::of(&source.path);
        let footprints: Option<Vec<_>> = self.sources.iter().map(of).collect();
        if footprints.is_some() && footprints == self.done {
            return Ok(Followed::default());
        }
        self.done = None;
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let left_out = Metadata::extend(&transaction, &self.metadata)?;
        if !left_out.is_empty() {
            tracing::warn!(
                ?left_out,
                "no more metadata values have a place in the usage database; these are left out"
            );
            self.metadata.retain(|name| !left_out.contains(name));
        }
        let metadata = Metadata::read(&transaction)?;
        if self.told.is_none() {
            note_zone(&transaction, self.zone)?;
        }
        let mut step = Step {
            db: &transaction,
            tally: Tally::new(&transaction, &metadata, self.zone),
            followed: Followed::default(),
            parts: record::Known::default(),
            now_unix_ms,
        };
        let mut known = Vec::with_capacity(self.known.len());
        for (source, before) in self.sources.iter().zip(&self.known) {
            known.push(step.add(source, before)?);
        }
        let Step {
            tally, followed, ..
        } = step;
        tally.write(self.room)?;
        let damaged = known.iter().flat_map(Known::damages).collect();
        if self.told.as_ref() != Some(&damaged) {
            damage::write(&transaction, &damaged)?;
        }
        transaction.commit()?;
        // Only now, because what was added before a failure is added again.
        self.known = known;
        if damaged.is_empty() && !followed.is_behind {
            // Lines may still go to a segment that was moved away.
            let is_there = |(footprint, known): (&Footprint, &Known)| {
                footprint.has_open() || known.open.is_none()
            };
            self.done = footprints.filter(|all| all.iter().zip(&self.known).all(is_there));
        }
        self.told = Some(damaged);
        Ok(followed)
    }

    /// Returns the number of closed segments that can't be read.
    #[must_use]
    pub fn damaged(&self) -> usize {
        self.known.iter().map(|known| known.damaged.len()).sum()
    }

    /// Adds all receipts that are not in the sums yet.
    ///
    /// # Errors
    ///
    /// As [`Follower::step`]; what was added before stays.
    pub fn catch_up(
        &mut self,
        db: &mut Connection,
        now_unix_ms: i64,
    ) -> Result<Followed, UsageError> {
        let mut all = Followed::default();
        loop {
            let step = self.step(db, now_unix_ms)?;
            all.receipts += step.receipts;
            all.unreadable += step.unreadable;
            if !step.is_behind {
                return Ok(all);
            }
        }
    }
}

/// Notes the zone of the sums, and warns if earlier ones have another.
fn note_zone(db: &Connection, zone: Zone) -> rusqlite::Result<()> {
    let before: Option<String> = db
        .query_row("SELECT name FROM zone", [], |row| row.get(0))
        .optional()?;
    let before = before.filter(|before| before != zone.name());
    if let Some(before) = before {
        tracing::warn!(
            before,
            now = zone.name(),
            "days and months of usage are those of another time zone from now on; those that are summed up already stay as they are"
        );
    }
    db.execute(
        "INSERT INTO zone VALUES (0, ?1) ON CONFLICT DO UPDATE SET name = excluded.name",
        [zone.name()],
    )?;
    Ok(())
}

// === impl Known ===

impl Known {
    fn damages(&self) -> impl Iterator<Item = Damage> {
        self.damaged.iter().map(|(path, tried)| Damage {
            path: path.display().to_string(),
            error: tried.error.to_string(),
        })
    }

    /// Returns the last attempt to read a segment, unless it is time for another.
    fn tried(&self, segment: &Segment, now_unix_ms: i64) -> Option<&Tried> {
        let tried = self.damaged.get(segment.path())?;
        let is_recent = (0..AGAIN_MS).contains(&(now_unix_ms - tried.at_unix_ms));
        (is_recent && segment.stamp().ok() == Some(tried.stamp.clone())).then_some(tried)
    }
}

// === impl Step ===

impl Step<'_> {
    /// Adds what is new in a log. Returns what is known of it then.
    fn add(&mut self, source: &Source, known: &Known) -> Result<Known, UsageError> {
        let failed = |error| source.failed(error);
        let mut next = Known::default();
        for segment in list(&source.path).map_err(failed)? {
            if segment.is_open() {
                next.open = Some(Arc::new(segment));
                continue;
            }
            self.add_closed(source, &segment, known, &mut next)?;
        }
        if let Some(before) = &known.open {
            let is_there = match &next.open {
                Some(open) => open.is_same_file(before).map_err(failed)?,
                None => false,
            };
            // Its end is in a closed segment, or nowhere else if it was moved away.
            if !is_there && !self.add_segment(source, before)? {
                next.open = Some(Arc::clone(before));
                return Ok(next);
            }
        }
        match &next.open {
            Some(open) => drop(self.add_segment(source, open)?),
            None => next.open.clone_from(&known.open),
        }
        Ok(next)
    }

    /// Adds what is new in a closed segment, or notes that it is damaged.
    fn add_closed(
        &mut self,
        source: &Source,
        segment: &Segment,
        known: &Known,
        next: &mut Known,
    ) -> Result<(), UsageError> {
        let path = segment.path();
        if segment.is_settled() && known.read.contains(path) {
            next.read.insert(path.to_owned());
            return Ok(());
        }
        if let Some(tried) = known.tried(segment, self.now_unix_ms) {
            next.damaged.insert(path.to_owned(), tried.clone());
            return Ok(());
        }
        let stamp = segment.stamp().ok().flatten();
        match self.add_segment(source, segment) {
            Ok(is_read) => {
                if is_read && segment.is_settled() {
                    next.read.insert(path.to_owned());
                }
                Ok(())
            }
            Err(UsageError::Receipts { source: error, .. }) => {
                tracing::error!(path = %path.display(), %error, "a closed segment of receipts can't be read, and what it has beyond the damage is missing in the sums; put back a good copy of the file, which is read then");
                let tried = Tried {
                    stamp,
                    at_unix_ms: self.now_unix_ms,
                    error: error.to_string().into(),
                };
                next.damaged.insert(path.to_owned(), tried);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Adds what follows the place up to which a segment has been read, and notes the new place. Returns whether all of it has
    /// been read.
    fn add_segment(&mut self, source: &Source, segment: &Segment) -> Result<bool, UsageError> {
        let failed = |error| source.failed(error);
        if self.is_full() {
            return Ok(false);
        }
        if let Some(last) = segment.seal().map_err(failed)?
            && self.has_read_to(&last)?
        {
            return Ok(true);
        }
        let Some(identity) = segment.identity().map_err(failed)? else {
            return Ok(true);
        };
        let before: Option<(u64, Option<u64>)> = self
            .db
            .prepare_cached("SELECT place, record FROM segments WHERE identity = ?1")?
            .query_row([identity], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (before, mut counted) = before.unwrap_or_default();
        // A compressed segment may have been written anew, so that its lines are at other places.
        let from = match counted.is_some() && segment.is_settled() {
            true => 0,
            false => {
                counted = None;
                before
            }
        };
        let Some(mut lines) = segment.lines(from).map_err(failed)? else {
            return Ok(true);
        };
        let damaged = loop {
            if self.is_full() {
                break None;
            }
            let (line, record) = match lines.advance() {
                Ok(Some(next)) => next,
                Ok(None) => break None,
                Err(error) => break Some(error),
            };
            if counted.is_some() && record <= counted {
                continue;
            }
            match Record::parse(line, &mut self.parts) {
                Some(record) => {
                    self.tally.add(&record, source.kind, self.now_unix_ms)?;
                    self.followed.receipts += 1;
                }
                // A cut line is ended before the next one is written.
                None => self.followed.unreadable += 1,
            }
        };
        self.followed.is_behind = self.is_full();
        if lines.place() != before {
            let place = i64::try_from(lines.place()).unwrap_or(i64::MAX);
            self.db
                .prepare_cached(
                    "INSERT INTO segments (identity, place, last, record) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (identity) DO UPDATE SET place = excluded.place, last = coalesce(excluded.last, last), \
                     record = coalesce(excluded.record, record)",
                )?
                .execute((identity, place, lines.hash(), lines.record()))?;
        }
        match damaged {
            Some(error) => Err(failed(error)),
            None => Ok(!self.is_full()),
        }
    }

    /// Returns whether the record with this hash has been read, and so all before it in its segment.
    fn has_read_to(&self, hash: &str) -> Result<bool, UsageError> {
        let known = self
            .db
            .prepare_cached("SELECT 1 FROM segments WHERE last = ?1")?
            .exists([hash])?;
        Ok(known)
    }

    fn is_full(&self) -> bool {
        self.followed.receipts + self.followed.unreadable >= MAX_LINES
    }
}
