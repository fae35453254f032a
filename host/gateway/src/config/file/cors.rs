//! `[cors]`, as written.

use serde::Deserialize;

/// `[cors]`
#[derive(Debug, Deserialize)]
pub struct CorsFile {
    /// Origins, or `"*"` alone.
    pub origins: Vec<String>,
}
