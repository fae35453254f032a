//! `[capture]`: recorded requests.

use std::num::NonZeroU64;
use std::path::PathBuf;

use http::HeaderName;
use serde::Deserialize;
use witgate_config_file::Check;

/// Bytes of recorded requests, by default.
const MAX_BYTES: u64 = 256 << 20;

/// The requests that are recorded, and what is recorded of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureConfig {
    /// Directory of the recorded requests.
    pub directory: PathBuf,
    /// Number of requests of which one is recorded.
    pub sample: NonZeroU64,
    /// Maximum bytes of all files in the directory.
    pub max_bytes: NonZeroU64,
    /// Treatment of the text in bodies.
    pub content: Content,
    /// Further headers whose values are recorded: names, or prefixes of names followed by `*`.
    pub headers: Vec<String>,
}

/// The treatment of the text in recorded bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Masked, byte for byte.
    Masked,
    /// Kept: `insecure_content = true`.
    Kept,
}

#[derive(Debug, Deserialize)]
pub(super) struct CaptureFile {
    dir: PathBuf,
    sample: Option<NonZeroU64>,
    max_bytes: Option<NonZeroU64>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    insecure_content: bool,
}

// === impl CaptureFile ===

impl CaptureFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> CaptureConfig {
        let headers = check.each(
            "headers",
            self.headers,
            "must be a header name, or the beginning of header names followed by `*`, such as \"x-team-*\"",
            |pattern: String| {
                let name = pattern.strip_suffix('*').unwrap_or(&pattern);
                HeaderName::try_from(name).is_ok().then_some(pattern)
            },
        );
        let max_bytes = NonZeroU64::new(MAX_BYTES).unwrap_or(NonZeroU64::MAX);
        CaptureConfig {
            directory: check.resolve(self.dir),
            sample: self.sample.unwrap_or(NonZeroU64::MIN),
            max_bytes: self.max_bytes.unwrap_or(max_bytes),
            headers,
            content: if self.insecure_content {
                Content::Kept
            } else {
                Content::Masked
            },
        }
    }
}
