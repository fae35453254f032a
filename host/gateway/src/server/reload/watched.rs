//! The files that a configuration is read from: whether they have changed, and whether it is time to read them.
//!
//! A file that is written in place is whole only when its writer has finished, which nothing tells. So a change is read
//! once the file has been quiet for a while: longer if it has become shorter, since a file that is about to be written
//! anew is empty first. A file that was renamed into its place was finished before, and is read at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use witgate_runtime::file::{Look, Print};

use crate::config::Config;

/// How long a file that is written in place has to be quiet.
const QUIET: Duration = Duration::from_millis(1500);

/// How long it has to be quiet if it has become shorter than it was, or is gone.
const QUIET_WHEN_SHORTER: Duration = Duration::from_secs(5);

/// A file that is never quiet is read all the same after this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// One look in so many reads the bytes, whatever the file system says.
const THOROUGH: u64 = 5;

/// Files as they were at some moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prints(BTreeMap<PathBuf, Print>);

/// The files of the configuration in use.
#[derive(Debug)]
pub(crate) struct Watched {
    /// As they were just before they were read.
    read: Prints,
    /// As the last look found them.
    seen: Prints,
    unrest: Option<Unrest>,
    looks: u64,
}

/// Changes that have not been read yet.
#[derive(Debug, Clone, Copy)]
struct Unrest {
    first: Instant,
    last: Instant,
}

/// What a look comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The files are those that were read.
    Same,
    /// Files have changed and may still be written.
    Unsettled,
    /// Files have changed and are to be read.
    Changed,
}

// === impl Prints ===

impl Prints {
    /// Takes the prints of the files of a configuration that was just read: its own is the one from before.
    pub(crate) fn of(config: &Config) -> Self {
        let own = config.print.iter();
        let mut prints = Self(
            own.map(|print| (config.path.clone(), print.clone()))
                .collect(),
        );
        prints.add(config);
        prints
    }

    /// Takes the prints of the files of a configuration, its own included, as they are now.
    pub(crate) fn now(config: &Config) -> Self {
        let mut prints = Self::default();
        prints.add(config);
        prints
    }

    /// Adds the files of a further configuration. A file that is here already keeps its older print.
    pub(crate) fn add(&mut self, config: &Config) {
        for path in config.files() {
            if !self.0.contains_key(path) {
                self.0.insert(path.to_owned(), Print::of(path));
            }
        }
    }

    /// Forgets the files that a configuration does not name.
    pub(crate) fn keep(&mut self, config: &Config) {
        self.0
            .retain(|path, _| config.files().any(|named| named == path));
    }

    fn again(&self, look: Look) -> Self {
        let again = |(path, print): (&PathBuf, &Print)| (path.clone(), print.again(path, look));
        Self(self.0.iter().map(again).collect())
    }

    /// The files whose content is not that of `earlier`, each as it was and as it is.
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
    /// Watches files that are about to be read, or were read since `prints` were taken.
    pub(crate) fn new(prints: Prints) -> Self {
        Self {
            read: prints.clone(),
            seen: prints,
            unrest: None,
            looks: 0,
        }
    }

    /// Looks at the files.
    pub(crate) fn look(&mut self, now: Instant) -> Found {
        self.looks += 1;
        let look = match self.looks % THOROUGH {
            0 => Look::Bytes,
            _ => Look::Stamp,
        };
        let seen = self.seen.again(look);
        self.found(seen, now)
    }

    /// Decides what a look comes to.
    fn found(&mut self, seen: Prints, now: Instant) -> Found {
        let moved = seen.changed_since(&self.seen).next().is_some();
        self.seen = seen;
        let Some(quiet) = self
            .seen
            .changed_since(&self.read)
            .map(|(_, then, now)| quiet_time(then, now))
            .max()
        else {
            self.unrest = None;
            return Found::Same;
        };
        let unrest = self.unrest.get_or_insert(Unrest {
            first: now,
            last: now,
        });
        if moved {
            unrest.last = now;
        }
        let is_quiet = now.duration_since(unrest.last) >= quiet;
        if is_quiet || now.duration_since(unrest.first) >= PATIENCE {
            Found::Changed
        } else {
            Found::Unsettled
        }
    }
}

/// Returns how long a file that has changed has to be left alone before it is taken for whole.
fn quiet_time(then: &Print, now: &Print) -> Duration {
    let Some(stamp) = now.stamp() else {
        return QUIET_WHEN_SHORTER;
    };
    let in_place = then
        .stamp()
        .is_some_and(|before| before.is_same_file(stamp));
    // An empty file is what a careful writer begins with: made with its permissions, then filled.
    if !in_place && !stamp.is_empty() && (stamp.is_renamed() || !now.is_fresh()) {
        return Duration::ZERO;
    }
    match then.stamp() {
        Some(before) if stamp.len() < before.len() => QUIET_WHEN_SHORTER,
        Some(_) | None => QUIET,
    }
}

#[cfg(test)]
mod tests;
