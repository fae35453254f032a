//! `[capture]`, checked.

use std::num::NonZeroU64;

use super::Check;
use crate::capture::Content;
use crate::config::CaptureConfig;
use crate::config::file::capture::CaptureFile;

/// Most bytes of recorded requests, where the file does not say.
const MAX_BYTES: u64 = 256 << 20;

// === impl Check ===

impl Check<'_> {
    pub(super) fn capture(&mut self, file: &CaptureFile) -> CaptureConfig {
        for (index, name) in file.headers.iter().enumerate() {
            let name = name.strip_suffix('*').unwrap_or(name);
            if name.is_empty() || http::HeaderName::try_from(name).is_err() {
                self.problem(
                    &format!("capture.headers[{index}]"),
                    "a header's name, or the beginning of several with `*` behind it",
                );
            }
        }
        let mut at_least_one = |key: &str, value: Option<u64>, default: u64| {
            NonZeroU64::new(value.unwrap_or(default)).unwrap_or_else(|| {
                self.problem(&format!("capture.{key}"), "at least 1");
                NonZeroU64::MIN
            })
        };
        CaptureConfig {
            sample: at_least_one("sample", file.sample, 1),
            max_bytes: at_least_one("max_bytes", file.max_bytes, MAX_BYTES),
            directory: self.folder.join(&file.dir),
            headers: file.headers.clone(),
            content: if file.insecure_content {
                Content::Kept
            } else {
                Content::Masked
            },
        }
    }
}
