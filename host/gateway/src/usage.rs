//! Roll-ups of the receipts: added up by a thread of its own once they are written, and asked by operators and callers.
//!
//! The receipts files are the queue between the two, so that no request waits for the sums, and a kill loses none.

pub(crate) mod asked;
pub(crate) mod ended;

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use witgate_usage::query::{Report, Wording};
use witgate_usage::{
    Dimension, Follower, Metadata, UsageError, clean, last_use, open_reader, open_writer,
};

use crate::clock::now;
use crate::config::Usage as Config;
use crate::listen::stopped;

/// Least time between two looks at the receipts files, and the time until another attempt after a failed one.
const PAUSE: Duration = Duration::from_secs(1);

/// Time between two looks at files that this process does not write to. Another process may: one that drains, for example.
const RARE_LOOK: Duration = Duration::from_secs(30);

const HOUR_MS: i64 = 3_600_000;

/// Most rows of sums that are read for a caller: a fraction of a second's worth.
const MOST_READ_FOR_CALLERS: usize = 500_000;

/// Questions of callers that are answered at a time.
const CALLERS_AT_ONCE: usize = 4;

/// The roll-ups of a gateway.
pub(crate) struct Usage {
    kept: Option<Kept>,
    /// Places for the questions of callers.
    callers: Semaphore,
    /// Notified when there may be receipts to add up.
    news: Arc<Notify>,
}

struct Kept {
    config: Config,
    /// The database while it is open for writing, or `None` until it could be opened.
    writer: Mutex<Option<Writer>>,
    /// Connections for reading that are not in use, each with its file.
    readers: Mutex<Vec<(File, Connection)>>,
    /// The error of the last look at the receipts, or `None` if it succeeded.
    failing: Mutex<Option<Arc<str>>>,
    /// The number of receipts files that can't be read.
    damaged: AtomicUsize,
}

/// The database that is written to.
struct Writer {
    db: Connection,
    follower: Follower,
    file: File,
    /// The hour of the last deletion of what is too old.
    cleaned: Option<i64>,
}

/// The device and the inode of a file.
type File = (u64, u64);

/// The reason why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// The question is wrong, which the text explains.
    #[error("{0}")]
    Question(String),
    /// There are no roll-ups.
    #[error(
        "usage is not kept: this gateway has no state directory or no receipts file; its operator can set `directory` in [state] and `file` in [receipts]"
    )]
    NotKept,
    /// The database refuses.
    #[error(transparent)]
    Refused(#[from] UsageError),
    /// Many callers are being answered.
    #[error("many callers ask at once: try again")]
    Busy,
    /// The call panicked.
    #[error("a call to the usage database panicked")]
    Stopped,
}

/// Access to the sums while a question is answered.
pub(crate) struct Asking<'a> {
    pub(crate) db: &'a Connection,
    config: &'a Config,
    pub(crate) metadata: Metadata,
}

// === impl Usage ===

impl Usage {
    /// Returns the roll-ups of receipts whose writers notify `news`.
    pub(crate) fn new(config: Option<Config>, news: Arc<Notify>) -> Self {
        let kept = |config| Kept {
            config,
            writer: Mutex::new(None),
            readers: Mutex::new(Vec::new()),
            failing: Mutex::new(None),
            damaged: AtomicUsize::new(0),
        };
        Self {
            kept: config.map(kept),
            callers: Semaphore::new(CALLERS_AT_ONCE),
            news,
        }
    }

    /// Returns the reason why receipts are not added up at the moment, or `None` if they are or need not be.
    pub(crate) fn failing(&self) -> Option<Arc<str>> {
        self.kept.as_ref()?.failing.lock().clone()
    }

    /// Returns the number of closed receipts files that can't be read, and so are missing in the sums.
    pub(crate) fn damaged(&self) -> usize {
        self.kept
            .as_ref()
            .map_or(0, |kept| kept.damaged.load(Ordering::Relaxed))
    }

    /// Adds up receipts as they are written, until the gateway stops.
    pub(crate) async fn run(self: Arc<Self>, stop: watch::Receiver<bool>) {
        self.follow(RARE_LOOK, stop).await;
    }

    /// Adds up receipts, and looks for those that nobody tells of at this interval.
    async fn follow(self: Arc<Self>, rare_look: Duration, mut stop: watch::Receiver<bool>) {
        if self.kept.is_none() {
            return;
        }
        loop {
            let begun = Instant::now();
            let usage = Arc::clone(&self);
            let followed = spawn_blocking(move || usage.catch_up());
            if let Err(error) = followed.await {
                tracing::error!(%error, "adding up receipts panicked");
            }
            let until = match self.failing() {
                Some(_) => begun + PAUSE,
                None => begun + rare_look,
            };
            let told = async {
                self.news.notified().await;
                // What is written meanwhile is added up together.
                sleep_until(begun + PAUSE).await;
            };
            tokio::select! {
                () = told => {}
                () = sleep_until(until) => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Adds up what is written by now. Blocks. An error is noted, and the next call tries again.
    pub(crate) fn catch_up(&self) {
        let Some(kept) = &self.kept else {
            return;
        };
        let failed = kept
            .catch_up()
            .err()
            .map(|error| Arc::from(error.to_string()));
        let mut failing = kept.failing.lock();
        if let Some(error) = failed
            .as_ref()
            .filter(|error| Some(*error) != failing.as_ref())
        {
            tracing::error!(
                error = &**error,
                "receipts can't be added up; it is tried again"
            );
        }
        *failing = failed;
    }

    /// Returns the last uses of keys by what was added up by now, those without one left out. Returns none if usage is not kept or
    /// can't be read.
    pub(crate) async fn last_uses(self: &Arc<Self>, keys: Vec<Arc<str>>) -> HashMap<Arc<str>, u64> {
        let asked = self.ask(move |asking| {
            let mut uses = HashMap::new();
            for key in keys {
                let at = last_use(asking.db, &key).map_err(UsageError::Refused)?;
                if let Some(at) = at.and_then(|at| u64::try_from(at).ok()) {
                    uses.insert(key, at);
                }
            }
            Ok(uses)
        });
        asked.await.unwrap_or_default()
    }

    /// Answers from what was added up by now, on a blocking thread.
    ///
    /// # Errors
    ///
    /// There are no sums, or they can't be read.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        answer: impl FnOnce(&Asking<'_>) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let usage = Arc::clone(self);
        let asked = spawn_blocking(move || match &usage.kept {
            Some(kept) => kept.ask(answer),
            None => Err(NoAnswer::NotKept),
        });
        let answered = asked.await.unwrap_or(Err(NoAnswer::Stopped));
        if matches!(answered, Err(NoAnswer::Refused(_))) {
            // The database may have been deleted, and is made anew.
            self.news.notify_one();
        }
        answered
    }

    /// Answers a caller in the same way, unless many are being answered.
    ///
    /// # Errors
    ///
    /// As [`Usage::ask`], and [`NoAnswer::Busy`].
    pub(crate) async fn ask_for_caller<T: Send + 'static>(
        self: &Arc<Self>,
        answer: impl FnOnce(&Asking<'_>) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let _place = self.callers.try_acquire().map_err(|_| NoAnswer::Busy)?;
        self.ask(answer).await
    }

    /// Answers as [`Usage::ask`], after everything that is written by now was added up.
    ///
    /// # Errors
    ///
    /// As [`Usage::ask`].
    pub(crate) async fn ask_now<T: Send + 'static>(
        self: &Arc<Self>,
        answer: impl FnOnce(&Asking<'_>) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let usage = Arc::clone(self);
        // An error is noted, and what was added up before still answers.
        let _ = spawn_blocking(move || usage.catch_up()).await;
        self.ask(answer).await
    }
}

// === impl Kept ===

impl Kept {
    fn catch_up(&self) -> Result<(), UsageError> {
        let mut writer = self.writer.lock();
        let now = unix_ms();
        let file = identity(&self.config.database);
        if writer
            .as_ref()
            .is_some_and(|writer| Some(writer.file) != file)
        {
            tracing::warn!(path = %self.config.database.display(), "the usage database was deleted or replaced; it is opened anew");
            *writer = None;
        }
        let Writer {
            db,
            follower,
            cleaned,
            ..
        } = match &mut *writer {
            Some(open) => open,
            None => {
                let db = open_writer(&self.config.database)?;
                let follower = Follower::new(
                    self.config.sources.clone(),
                    self.config.metadata.clone(),
                    self.config.zone,
                    self.config.keep.room,
                );
                let file = identity(&self.config.database).unwrap_or_default();
                writer.insert(Writer {
                    db,
                    follower,
                    file,
                    cleaned: None,
                })
            }
        };
        let followed = follower.catch_up(db, now)?;
        self.damaged.store(follower.damaged(), Ordering::Relaxed);
        if followed.unreadable > 0 {
            tracing::warn!(
                lines = followed.unreadable,
                "lines of a receipts file are no receipts and were not added up"
            );
        }
        let hour = Some(now.div_euclid(HOUR_MS));
        if *cleaned != hour {
            clean(db, &self.config.keep, self.config.zone, now)?;
            *cleaned = hour;
        }
        Ok(())
    }

    fn ask<T>(
        &self,
        answer: impl FnOnce(&Asking<'_>) -> Result<T, NoAnswer>,
    ) -> Result<T, NoAnswer> {
        let file = identity(&self.config.database).unwrap_or_default();
        let idle = self.readers.lock().pop();
        // A database that was deleted or replaced is not asked any more.
        let db = match idle.filter(|(of, _)| *of == file) {
            Some((_, db)) => db,
            None => open_reader(&self.config.database)?,
        };
        let asking = Asking {
            metadata: Metadata::read(&db).map_err(UsageError::Refused)?,
            db: &db,
            config: &self.config,
        };
        let answered = answer(&asking)?;
        self.readers.lock().push((file, db));
        Ok(answered)
    }
}

// === impl Asking ===

impl Asking<'_> {
    /// Returns the report of a question, and the question as it was understood. With a key, nothing else counts.
    ///
    /// # Errors
    ///
    /// The question is wrong, or the database can't be read.
    pub(crate) fn report(
        &self,
        wording: &Wording,
        key: Option<&str>,
    ) -> Result<(Report, witgate_usage::query::Query), NoAnswer> {
        let now = unix_ms();
        let mut query = wording
            .query(&self.metadata, self.config.zone, now)
            .map_err(NoAnswer::Question)?;
        query
            .only
            .extend(key.map(|key| (Dimension::Key, vec![key.to_owned()])));
        if key.is_some() {
            query.most_read = MOST_READ_FOR_CALLERS;
        }
        let report = query.ask(self.db, &self.config.keep, now)?;
        Ok((report, query))
    }
}

/// Returns the device and the inode of a file, or `None` if it is missing.
fn identity(path: &Path) -> Option<File> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn unix_ms() -> i64 {
    i64::try_from(now().0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
