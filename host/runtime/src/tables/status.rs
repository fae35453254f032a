//! The status of a table, for the admin API and the metrics page.

use serde::Serialize;

/// The status of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TableStatus {
    /// The table's name in the sidecar.
    pub name: String,
    /// The file, or the URL without its query, which may hold a credential.
    pub source: String,
    /// The number of entries.
    pub entries: usize,
    /// The size of the content in bytes, as it was read.
    pub bytes: usize,
    /// The milliseconds since the source last had this content, or `None` if the table has never been read.
    pub age_ms: Option<u64>,
    /// `true` if the content is older than `max_age_ms`, so that look-ups are faults.
    pub stale: bool,
    /// The number of times that the source was read or confirmed.
    pub refreshes: u64,
    /// The number of times that reading the source failed.
    pub failures: u64,
    /// The failure of the last reading, or `None` if it succeeded.
    pub last_error: Option<String>,
}
