//! The next try of a refused plugin whose own files stay the same.
//!
//! The sidecar refers to files of secrets and tables, which may appear later, and to URLs, which may answer later.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{AdmissionError, Source};
use crate::engine::Runtime;
use crate::file::{Look, Print};
use crate::sidecar::Sidecar;
use crate::tables::TableConfig;

/// The time until a URL is tried again at first, which doubles up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);

/// The maximum time until a URL is tried again.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The changes that a refused plugin waits for.
#[derive(Debug)]
pub(crate) struct Retry {
    /// The files that its sidecar refers to, as they were before it was refused.
    files: Vec<(PathBuf, Print)>,
    /// `true` if a table comes from a URL.
    remote: bool,
    /// The time of the next try and the pause after it, or `None` if only a change of a file helps.
    next: Option<(Instant, Duration)>,
}

// === impl Retry ===

impl Retry {
    /// Looks at what a plugin refers to, before it is admitted. `earlier` is that of an earlier try of the same files.
    pub(crate) fn before(runtime: &Runtime, source: &Source, earlier: Option<Self>) -> Self {
        let sidecar = source.sidecar.as_ref().and_then(|text| {
            let file = text.file.display().to_string();
            let draft = Sidecar::draft(&file, &text.text, Some(runtime.options()));
            draft.ok().map(|(sidecar, _)| sidecar)
        });
        let sidecar = sidecar.unwrap_or_default();
        let print = |file: PathBuf| {
            let print = Print::of(&file);
            (file, print)
        };
        Self {
            remote: sidecar.tables.iter().any(TableConfig::is_remote),
            files: sidecar.files.into_iter().map(print).collect(),
            next: earlier.and_then(|it| it.next),
        }
    }

    /// Decides about the next try after a refusal.
    pub(crate) fn after(mut self, error: &AdmissionError) -> Self {
        let waits = self.remote && error.cause.is_about_tables() || error.cause.is_about_another();
        self.next = waits.then(|| {
            let pause = self.next.map_or(PAUSE, |(_, pause)| pause);
            (Instant::now() + pause, (pause * 2).min(MAX_PAUSE))
        });
        self
    }

    /// Returns whether anything may make it time to try again.
    pub(crate) fn may_become_due(&self) -> bool {
        self.next.is_some() || !self.files.is_empty()
    }

    /// Returns whether it is time to try again.
    pub(crate) fn is_due(&self) -> bool {
        let changed = |(file, print): &(PathBuf, Print)| {
            !print.is_same_content(&print.again(file, Look::Stamp))
        };
        self.next.is_some_and(|(at, _)| at <= Instant::now()) || self.files.iter().any(changed)
    }
}
