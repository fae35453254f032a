//! `[capture]`, as written.

use std::path::PathBuf;

use serde::Deserialize;

/// `[capture]`
#[derive(Debug, Deserialize)]
pub struct CaptureFile {
    /// The directory for the recorded requests.
    pub dir: PathBuf,
    /// One request in so many is recorded.
    pub sample: Option<u64>,
    /// Most bytes in the directory.
    pub max_bytes: Option<u64>,
    /// Further headers whose values are recorded.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Keeps what people wrote.
    #[serde(default)]
    pub insecure_content: bool,
}
