//! `[receipts]`, checked.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};

use super::Check;
use crate::config::Receipts;
use crate::config::file::ReceiptsFile;

/// Bytes of receipts of refused requests on disk.
const REFUSED_BYTES: u64 = 64 * 1024 * 1024;

/// How many of them are written a second, of each key.
const REFUSED_PER_SECOND: u32 = 100;

/// Bytes of receipts that wait to be written.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;

// === impl Check ===

impl Check<'_> {
    pub(super) fn receipts(&mut self, file: ReceiptsFile) -> Receipts {
        let rotate = file.rotate_bytes.unwrap_or(256 * 1024 * 1024);
        if rotate < 64 * 1024 {
            self.problem(
                "receipts.rotate_bytes",
                "at least 65536: a receipt has to fit",
            );
        }
        let keep = file.keep.unwrap_or(8);
        if keep == 0 {
            self.problem("receipts.keep", "at least 1");
        }
        let refused_bytes = self.bytes(
            "receipts.refused_bytes",
            file.refused_bytes,
            REFUSED_BYTES,
            u64::MAX,
        );
        if refused_bytes < 128 * 1024 {
            self.problem(
                "receipts.refused_bytes",
                "at least 131072: it is divided between two files",
            );
        }
        let per_second = file.refused_per_second.unwrap_or(REFUSED_PER_SECOND);
        if per_second == 0 {
            self.problem("receipts.refused_per_second", "at least 1");
        }
        let queue_bytes = self.within(
            "receipts.queue_bytes",
            file.queue_bytes,
            QUEUE_BYTES,
            1024 * 1024..=1 << 30,
        );
        let refused = file.refused_file.as_ref();
        if refused.is_some() && file.file.is_none() {
            self.problem(
                "receipts.refused_file",
                "stands beside `file`, which is not there",
            );
        }
        if refused.is_some() && refused == file.file.as_ref() {
            self.problem(
                "receipts.refused_file",
                "another file than `file`: what is refused would have other receipts rotated away",
            );
        }
        let refused_file = match (&file.file, file.refused_file) {
            (Some(_), Some(refused)) => Some(refused),
            // A pipe or a terminal takes both: there is nothing that could be rotated away.
            (Some(file), None) if is_special(&self.folder.join(file)) => Some(file.clone()),
            (Some(file), None) => Some(beside(file)),
            (None, _) => None,
        };
        Receipts {
            file: file.file.map(|file| self.folder.join(file)),
            rotate_bytes: NonZeroU64::new(rotate).unwrap_or(NonZeroU64::MIN),
            keep: NonZeroU32::new(keep).unwrap_or(NonZeroU32::MIN),
            refused_file: refused_file.map(|file| self.folder.join(file)),
            refused_bytes: NonZeroU64::new(refused_bytes).unwrap_or(NonZeroU64::MIN),
            refused_per_second: NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN),
            queue_bytes: NonZeroUsize::new(queue_bytes).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Returns whether something else than a file is there, such as a pipe.
fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir())
}

/// The name of the file for refusals where the configuration has none: `receipts-refused.jsonl` for `receipts.jsonl`.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push("-refused");
    if let Some(extension) = file.extension() {
        name.push(".");
        name.push(extension);
    }
    file.with_file_name(name)
}
