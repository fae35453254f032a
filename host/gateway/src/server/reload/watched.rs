//! Detection of changes to the files of a configuration, and of the moment to read them.
//!
//! A file that is written in place is complete only when its writer has finished, which nothing reports. A change is
//! therefore read once the file has stayed unchanged for a while: longer if it has become shorter, because a file that is
//! rewritten is empty first. A file that was renamed into place was complete before, and is read at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use witgate_runtime::file::{Look, Print};

use crate::config::Config;

/// Time for which a file that is written in place must stay unchanged.
const SETTLE_TIME: Duration = Duration::from_millis(1500);

/// Time for which a file must stay unchanged if it has become shorter, or was removed.
const SETTLE_TIME_WHEN_SHORTER: Duration = Duration::from_secs(5);

/// Time after which a file that keeps changing is read all the same.
const MAX_SETTLE_TIME: Duration = Duration::from_secs(30);

/// Number of polls of which one compares the bytes, whatever the time stamps say.
const POLLS_PER_COMPARISON: u64 = 5;

/// The states of files at some moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prints(BTreeMap<PathBuf, Print>);

/// The files of the configuration in use.
#[derive(Debug)]
pub(crate) struct Watched {
    /// States just before the files were read.
    read: Prints,
    /// States at the last poll.
    seen: Prints,
    pending: Option<Pending>,
    polls: u64,
}

/// The times of the first and the last change that have not been read yet.
#[derive(Debug, Clone, Copy)]
struct Pending {
    first: Instant,
    last: Instant,
}

/// The result of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// No file has changed since it was read.
    Same,
    /// Files have changed, and may still be being written.
    Unsettled,
    /// Files have changed, and should be read now.
    Changed,
}

// === impl Prints ===

impl Prints {
    /// Takes the prints of the files of a configuration that was just read. The print of its own file is from before that.
    pub(crate) fn of(config: &Config) -> Self {
        let own = config.print.iter();
        let mut prints = Self(
            own.map(|print| (config.path.clone(), print.clone()))
                .collect(),
        );
        prints.add(config);
        prints
    }

    /// Takes the current prints of the files of a configuration, its own file included.
    pub(crate) fn now(config: &Config) -> Self {
        let mut prints = Self::default();
        prints.add(config);
        prints
    }

    /// Adds the files of another configuration. A file that has a print keeps it.
    pub(crate) fn add(&mut self, config: &Config) {
        for path in config.files() {
            if !self.0.contains_key(path) {
                self.0.insert(path.to_owned(), Print::of(path));
            }
        }
    }

    /// Removes the files that a configuration does not name.
    pub(crate) fn keep(&mut self, config: &Config) {
        self.0
            .retain(|path, _| config.files().any(|named| named == path));
    }

    /// Returns whether the stamps of all files prove that nothing changed.
    fn are_proven(&self) -> bool {
        self.0.iter().all(|(path, print)| print.is_proven(path))
    }

    fn again(&self, look: Look) -> Self {
        let again = |(path, print): (&PathBuf, &Print)| (path.clone(), print.again(path, look));
        Self(self.0.iter().map(again).collect())
    }

    /// Returns the files whose content differs from `earlier`, each with its earlier and its current print.
    fn changed_since<'a>(
        &'a self,
        earlier: &'a Self,
    ) -> impl Iterator<Item = (&'a Path, &'a Print, &'a Print)> {
        self.0.iter().filter_map(|(path, now)| {
            let then = earlier.0.get(path)?;
            (!then.is_same_content(now)).then_some((path.as_path(), then, now))
        })
    }
}

// === impl Watched ===

impl Watched {
    /// Watches files that were read after `prints` were taken, or are about to be.
    pub(crate) fn new(prints: Prints) -> Self {
        Self {
            read: prints.clone(),
            seen: prints,
            pending: None,
            polls: 0,
        }
    }

    /// Returns the files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.seen.0.keys().map(PathBuf::as_path)
    }

    /// Returns whether the stamps of all files can prove that nothing changed.
    pub(crate) fn is_conclusive(&self) -> bool {
        !self.seen.0.values().any(Print::is_fresh)
    }

    /// Polls the files.
    pub(crate) fn look(&mut self, now: Instant) -> Found {
        self.polls += 1;
        let look = match self.polls % POLLS_PER_COMPARISON {
            0 => Look::Bytes,
            _ => Look::Stamp,
        };
        if look == Look::Stamp && self.pending.is_none() && self.seen.are_proven() {
            return Found::Same;
        }
        let seen = self.seen.again(look);
        self.found(seen, now)
    }

    /// Decides about the states that a poll has found.
    fn found(&mut self, seen: Prints, now: Instant) -> Found {
        let moved = seen.changed_since(&self.seen).next().is_some();
        self.seen = seen;
        let Some(settle_time) = self
            .seen
            .changed_since(&self.read)
            .map(|(_, then, now)| settle_time(then, now))
            .max()
        else {
            self.pending = None;
            return Found::Same;
        };
        let pending = self.pending.get_or_insert(Pending {
            first: now,
            last: now,
        });
        if moved {
            pending.last = now;
        }
        let is_settled = now.duration_since(pending.last) >= settle_time;
        if is_settled || now.duration_since(pending.first) >= MAX_SETTLE_TIME {
            Found::Changed
        } else {
            Found::Unsettled
        }
    }
}

/// Returns the time for which a changed file must stay unchanged before it counts as complete.
fn settle_time(then: &Print, now: &Print) -> Duration {
    let Some(stamp) = now.stamp() else {
        return SETTLE_TIME_WHEN_SHORTER;
    };
    let in_place = then
        .stamp()
        .is_some_and(|before| before.is_same_file(stamp));
    // An empty file may be the start of a careful writer, which creates it with its permissions and then fills it.
    if !in_place && !stamp.is_empty() && (stamp.is_renamed() || !now.is_fresh()) {
        return Duration::ZERO;
    }
    match then.stamp() {
        Some(before) if stamp.len() < before.len() => SETTLE_TIME_WHEN_SHORTER,
        Some(_) | None => SETTLE_TIME,
    }
}

#[cfg(test)]
mod tests;
