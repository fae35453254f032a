//! `[receipts]`, checked.

use std::num::{NonZeroU32, NonZeroU64};

use super::Check;
use crate::config::Receipts;
use crate::config::file::ReceiptsFile;

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
        Receipts {
            file: file.file.map(|file| self.folder.join(file)),
            rotate_bytes: NonZeroU64::new(rotate).unwrap_or(NonZeroU64::MIN),
            keep: NonZeroU32::new(keep).unwrap_or(NonZeroU32::MIN),
        }
    }
}
