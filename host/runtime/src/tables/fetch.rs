//! The embedder's part of tables that come from a URL.

use std::fmt;
use std::path::Path;
use std::time::Duration;

/// The embedder's way to fetch the tables of plugins from URLs. The operator writes each URL into a sidecar, which is the
/// permission to fetch it.
///
/// Texts of errors reach the log and the admin page. They must not contain values of headers or credentials in URLs.
pub trait Fetch: fmt::Debug + Send + Sync {
    /// Checks a request without sending it.
    ///
    /// # Errors
    ///
    /// A description of what is wrong, for the operator: it follows the name of the key `url` in a sidecar.
    fn check(&self, request: &FetchRequest<'_>) -> Result<(), String>;

    /// Fetches the content. The host calls this on a thread of the table's own, which may block for the request's `timeout`.
    ///
    /// # Errors
    ///
    /// A description of the failure, for the operator.
    fn fetch(&self, request: &FetchRequest<'_>) -> Result<Fetched, String>;
}

/// A request for the content of a table.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct FetchRequest<'a> {
    /// The URL.
    pub url: &'a str,
    /// Names and values of headers to send. The values may be secret.
    pub headers: &'a [(String, String)],
    /// A PEM file of the CA certificates to trust, or `None` for the system's.
    pub ca_file: Option<&'a Path>,
    /// The version of the content that the host has, as an earlier [`Fetched::Content`] named it.
    pub version: Option<&'a str>,
    /// The maximum size of the content in bytes.
    pub max_bytes: usize,
    /// The maximum time until all of the content is there.
    pub timeout: Duration,
}

/// The result of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The host's content is current.
    Unchanged,
    /// New content.
    Content {
        /// The bytes, at most `max_bytes`.
        bytes: Vec<u8>,
        /// The version, if there is one, in any form that the fetcher understands.
        version: Option<String>,
    },
}

// === impl FetchRequest ===

impl fmt::Debug for FetchRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("headers", &self.headers.len())
            .field("max_bytes", &self.max_bytes)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
