//! The keeper of closed segments: a thread that compresses them and deletes old ones.

use std::fs;
use std::io;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use super::open::Rotation;
use super::rewrite::{self, Anchors, Rule};
use super::{Closed, Form, closed, path_of, seal};

/// The longest time between two looks at the age of segments.
const LOOK: Duration = Duration::from_secs(600);

/// The closed segments that are kept. The oldest go first, and whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Their number, or `None` for any.
    pub count: Option<NonZeroU32>,
    /// Their bytes on disk, or `None` for any.
    pub bytes: Option<NonZeroU64>,
    /// The time since they were closed, or `None` for any.
    pub age: Option<Duration>,
}

/// The keeper of a file's closed segments.
#[derive(Debug)]
pub(super) struct Keeper {
    base: PathBuf,
    retention: Retention,
    rule: Option<Rule>,
    /// Rewritten segments of which records have to tell.
    anchors: Arc<Anchors>,
    /// Wakes the thread, which ends with this. `None` before the first call.
    thread: Option<SyncSender<()>>,
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn new(base: &Path, rotation: &Rotation) -> Self {
        Self {
            base: base.to_owned(),
            retention: rotation.retention.clone(),
            rule: rotation.rule.clone(),
            anchors: Arc::default(),
            thread: None,
        }
    }

    /// Returns the rewritten segments of which records have to tell.
    pub(super) fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// Has the closed segments looked at soon.
    pub(super) fn wake(&mut self) {
        if self.thread.is_none() {
            let (wake, woken) = sync_channel(1);
            let (base, retention) = (self.base.clone(), self.retention.clone());
            let (rule, anchors) = (self.rule.clone(), Arc::clone(&self.anchors));
            let look = move || look(&base, &retention, rule.as_ref(), &anchors);
            let run = move || {
                loop {
                    match woken.recv_timeout(LOOK) {
                        Ok(()) | Err(RecvTimeoutError::Timeout) => look(),
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
            let spawned = thread::Builder::new()
                .name("segments".to_owned())
                .spawn(run);
            match spawned {
                Ok(_) => self.thread = Some(wake),
                Err(error) => {
                    tracing::error!(%error, "no thread for the segments of receipts; they stay as they are");
                    return;
                }
            }
        }
        if let Some(thread) = &self.thread {
            // It has been woken already.
            let _full = thread.try_send(());
        }
    }
}

fn look(base: &Path, retention: &Retention, rule: Option<&Rule>, anchors: &Anchors) {
    let now = SystemTime::now();
    if let Err(error) = tidy(base, retention, now) {
        tracing::error!(path = %base.display(), %error, "the closed segments of receipts can't be compressed or deleted");
    }
    if let Some(rule) = rule {
        rewrite::apply(base, rule, anchors, now);
    }
}

/// Compresses the closed segments of a file, and deletes those that are not kept.
///
/// # Errors
///
/// The system's error. What is left is done at the next time.
pub fn tidy(base: &Path, retention: &Retention, now: SystemTime) -> io::Result<()> {
    for Closed { number, form, path } in closed(base)? {
        let plain = path_of(base, number, Form::Plain);
        match form {
            Form::Plain => seal::seal(&path, &path_of(base, number, Form::Compressed))?,
            // The process ended between the two.
            Form::Compressed => seal::remove(&plain)?,
        }
    }
    let mut kept = (0_u32, 0_u64);
    for Closed { path, form, .. } in closed(base)?.into_iter().rev() {
        let Ok(metadata) = fs::metadata(&path) else {
            // Another process has deleted it.
            continue;
        };
        kept = (
            kept.0.saturating_add(1),
            kept.1.saturating_add(metadata.len()),
        );
        let age = now.duration_since(metadata.modified()?).unwrap_or_default();
        let goes = retention.count.is_some_and(|count| kept.0 > count.get())
            || retention.bytes.is_some_and(|bytes| kept.1 > bytes.get())
            || retention.age.is_some_and(|most| age > most);
        if goes && form == Form::Compressed {
            tracing::info!(path = %path.display(), "deleting a segment of receipts, as [receipts] says");
            seal::remove(&rewrite::rewritten(&path))?;
            seal::remove(&path)?;
        }
    }
    Ok(())
}
