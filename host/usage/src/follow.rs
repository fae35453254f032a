//! The reader of receipts files: adds what is new to the sums.

use std::fs::File;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::database::UsageError;
use crate::record::Record;
use crate::segments::{Coding, Identity, Reader, Source};
use crate::series::{Metadata, Room};
use crate::tally::Tally;

/// Receipts that are added in one transaction.
const MAX_LINES: usize = 4_096;

/// A reader of receipts files. Any number of them, in any processes, may add to one database: each receipt counts once.
pub struct Follower {
    sources: Vec<Source>,
    metadata: Vec<String>,
    room: Room,
    /// The open file of each source as it was last seen. If it was moved away, its rest is read from here.
    open: Vec<Option<(Identity, File)>>,
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
    now_unix_ms: i64,
}

// === impl Follower ===

impl Follower {
    /// Returns a follower of these files that keeps sums by these metadata values.
    #[must_use]
    pub fn new(sources: Vec<Source>, metadata: Vec<String>, room: Room) -> Self {
        Self {
            open: sources.iter().map(|_| None).collect(),
            sources,
            metadata,
            room,
        }
    }

    /// Adds receipts that are not in the sums yet, up to a few thousand.
    ///
    /// # Errors
    ///
    /// A file can't be read, or the database can't be written. Then nothing was added.
    pub fn step(&mut self, db: &mut Connection, now_unix_ms: i64) -> Result<Followed, UsageError> {
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
        let mut step = Step {
            db: &transaction,
            tally: Tally::new(&transaction, &metadata),
            followed: Followed::default(),
            now_unix_ms,
        };
        for (source, open) in self.sources.iter().zip(&mut self.open) {
            *open = step.add(source, open.take())?;
        }
        let Step {
            tally, followed, ..
        } = step;
        tally.write(self.room)?;
        transaction.commit()?;
        Ok(followed)
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

// === impl Step ===

impl Step<'_> {
    /// Adds what is new in a log, and the rest of its file that was open before if that was moved away. Returns the file that
    /// is open now.
    fn add(
        &mut self,
        source: &Source,
        before: Option<(Identity, File)>,
    ) -> Result<Option<(Identity, File)>, UsageError> {
        let failed = |error| UsageError::Receipts {
            path: source.path.clone(),
            source: error,
        };
        let (mut open, mut seen) = (None, Vec::new());
        for segment in source.segments().map_err(failed)? {
            let Some(reader) = segment.open().map_err(failed)? else {
                continue;
            };
            let identity = reader.identity();
            seen.push(identity);
            if segment.path == source.path {
                open = reader.handle().map(|file| (identity, file));
            }
            self.add_segment(source, reader)?;
        }
        if let Some((identity, file)) = before
            && !seen.contains(&identity)
            && let Some(reader) = Reader::new(file, Coding::Plain).map_err(failed)?
        {
            self.add_segment(source, reader)?;
        }
        Ok(open)
    }

    /// Adds what follows the place up to which a segment has been read, and notes the new place.
    fn add_segment(&mut self, source: &Source, mut reader: Reader) -> Result<(), UsageError> {
        let failed = |error| UsageError::Receipts {
            path: source.path.clone(),
            source: error,
        };
        let identity = reader.identity();
        let before: Option<u64> = self
            .db
            .prepare_cached("SELECT place FROM segments WHERE identity = ?1")?
            .query_row([identity], |row| row.get(0))
            .optional()?;
        let (mut place, mut line) = (before.unwrap_or(0), Vec::new());
        reader.skip_to(place).map_err(failed)?;
        while !self.is_full() && reader.line(&mut line).map_err(failed)? {
            place += line.len() as u64;
            match Record::parse(&line) {
                Some(record) => {
                    self.tally.add(&record, source.kind, self.now_unix_ms)?;
                    self.followed.receipts += 1;
                }
                // A cut line is ended before the next one is written.
                None => self.followed.unreadable += 1,
            }
        }
        self.followed.is_behind = self.is_full();
        if before != Some(place) {
            let stored = i64::try_from(place).unwrap_or(i64::MAX);
            self.db
                .prepare_cached("INSERT OR REPLACE INTO segments VALUES (?1, ?2)")?
                .execute((identity, stored))?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.followed.receipts + self.followed.unreadable >= MAX_LINES
    }
}
