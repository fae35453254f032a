//! `[receipts]`: the receipts files.

pub mod forget;
pub mod sinks;

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use witgate_audit::segments::{Retention, Rotation};
use witgate_config_file::Check;
use witgate_usage::{Kind, Source};

/// Minimum of `rotate_bytes`: a receipt must fit.
const MIN_ROTATE_BYTES: u64 = 64 * 1024;

/// Minimum of `refused_bytes`: it is divided between three files.
const MIN_REFUSED_BYTES: u64 = 192 * 1024;

/// Files that share `refused_bytes`: the open segment, one that is being compressed, and those that were.
const REFUSED_SHARES: u64 = 3;

/// Closed files that are kept by default.
const KEEP: u32 = 8;

/// Bytes of receipts of refused requests on disk, by default.
const REFUSED_BYTES: u64 = 64 * 1024 * 1024;

/// Receipts of refused requests a second, by default.
const REFUSED_PER_SECOND: u32 = 100;

/// Bytes of receipts that wait to be written, by default.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;

/// The receipts files and their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipts {
    /// File with one JSON line for each exchange, or `None` to write no receipts.
    pub file: Option<PathBuf>,
    /// Bytes after which the file is closed and compressed.
    pub rotate_bytes: NonZeroU64,
    /// The closed files that are kept.
    pub retention: Retention,
    /// File for receipts of requests that were refused before anything was sent, or `None` without `file`.
    pub refused_file: Option<PathBuf>,
    /// Maximum bytes of that file and its closed ones, together.
    pub refused_bytes: NonZeroU64,
    /// Maximum number of such receipts a second: of each key, and of all callers without a key together.
    pub refused_per_second: NonZeroU32,
    /// Maximum bytes of receipts that wait to be written.
    pub queue_bytes: NonZeroUsize,
    /// Fields that are removed from old receipts, or `None` to keep all.
    pub forget: Option<forget::Forget>,
    /// Further destinations.
    pub sinks: Vec<sinks::Sink>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ReceiptsFile {
    file: Option<PathBuf>,
    rotate_bytes: Option<u64>,
    keep: Option<NonZeroU32>,
    keep_bytes: Option<NonZeroU64>,
    keep_days: Option<NonZeroU32>,
    refused_file: Option<PathBuf>,
    refused_bytes: Option<u64>,
    refused_per_second: Option<NonZeroU32>,
    queue_bytes: Option<usize>,
    forget: Option<forget::ForgetFile>,
    #[serde(default)]
    sinks: BTreeMap<String, sinks::SinkFile>,
}

// === impl ReceiptsFile ===

impl ReceiptsFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> Receipts {
        let rotate = self.rotate_bytes.unwrap_or(256 * 1024 * 1024);
        if rotate < MIN_ROTATE_BYTES {
            check.problem(
                "rotate_bytes",
                "must be at least 65536, so that a receipt fits",
            );
        }
        let refused_bytes = self.refused_bytes.unwrap_or(REFUSED_BYTES);
        if refused_bytes < MIN_REFUSED_BYTES {
            check.problem(
                "refused_bytes",
                "must be at least 196608, because three files share it",
            );
        }
        let queue = 1024 * 1024..=1 << 30;
        let queue_bytes = check.number("queue_bytes", self.queue_bytes, QUEUE_BYTES, queue);
        let refused = self.refused_file.as_ref();
        if refused.is_some() && self.file.is_none() {
            check.problem(
                "refused_file",
                "needs `file`, the file for all other receipts",
            );
        }
        if refused.is_some() && refused == self.file.as_ref() {
            check.problem(
                "refused_file",
                "must not be the same as `file`, because refused requests would have other receipts rotated away",
            );
        }
        let refused_file = match (&self.file, self.refused_file) {
            (Some(_), Some(refused)) => Some(refused),
            // A pipe or a terminal takes both, because it is never rotated.
            (Some(file), None) if is_special(&check.resolve(file)) => Some(file.clone()),
            (Some(file), None) => Some(beside(file)),
            (None, _) => None,
        };
        // With a limit of another kind, their number has none unless it says so.
        let other = self.keep_bytes.is_some() || self.keep_days.is_some();
        let sinks = sinks::check(self.sinks, &mut check.table("sinks"));
        let forget = self
            .forget
            .map(|forget| forget.check(&mut check.table("forget")));
        Receipts {
            sinks,
            forget,
            file: self.file.map(|file| check.resolve(file)),
            rotate_bytes: NonZeroU64::new(rotate).unwrap_or(NonZeroU64::MIN),
            retention: Retention {
                count: self
                    .keep
                    .or_else(|| NonZeroU32::new(KEEP).filter(|_| !other)),
                bytes: self.keep_bytes,
                age: self.keep_days.map(days),
            },
            refused_file: refused_file.map(|file| check.resolve(file)),
            refused_bytes: NonZeroU64::new(refused_bytes).unwrap_or(NonZeroU64::MIN),
            refused_per_second: self
                .refused_per_second
                .or(NonZeroU32::new(REFUSED_PER_SECOND))
                .unwrap_or(NonZeroU32::MIN),
            queue_bytes: NonZeroUsize::new(queue_bytes).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

// === impl Receipts ===

impl Receipts {
    /// Returns the receipts files, that of refusals last.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let evidence = self.file.iter().map(|file| (file, Kind::Evidence));
        let refused = self.refused_file.iter();
        // A pipe takes both kinds.
        let refused = refused.filter(|refused| Some(*refused) != self.file.as_ref());
        let refusals = refused.map(|file| (file, Kind::Refusals));
        let source = |(path, kind): (&PathBuf, Kind)| Source {
            path: path.clone(),
            kind,
        };
        evidence.chain(refusals).map(source).collect()
    }

    /// Returns the rotation of the file of evidence.
    pub(crate) fn rotation(&self) -> Rotation {
        Rotation {
            rule: None,
            max_bytes: self.rotate_bytes,
            retention: self.retention.clone(),
        }
    }

    /// Returns the rotation of the file of refusals.
    pub(crate) fn refused_rotation(&self) -> Rotation {
        let share = NonZeroU64::new(self.refused_bytes.get() / REFUSED_SHARES);
        let share = share.unwrap_or(NonZeroU64::MIN);
        Rotation {
            rule: None,
            max_bytes: share,
            retention: Retention {
                bytes: Some(share),
                ..Retention::default()
            },
        }
    }
}

fn days(days: NonZeroU32) -> Duration {
    Duration::from_secs(u64::from(days.get()) * 24 * 60 * 60)
}

/// Returns whether a path is neither a regular file nor a directory, but for example a pipe.
pub(crate) fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Returns the default path of the file of refusals: `receipts-refused.jsonl` for `receipts.jsonl`.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push("-refused");
    if let Some(extension) = file.extension() {
        name.push(".");
        name.push(extension);
    }
    file.with_file_name(name)
}
