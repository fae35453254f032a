//! `[receipts.sinks.NAME]`: further destinations of receipts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use witgate_audit::outlet::WhenFull;
use witgate_config_file::Check;

use crate::outgoing::{Place, check_headers};

/// Bytes of receipts that wait for a sink, by default.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// Time for a request to a sink, by default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of sinks.
const MAX_SINKS: usize = 8;

/// A further destination of receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    /// The name.
    pub name: Arc<str>,
    /// The destination.
    pub target: Target,
    /// Maximum bytes of receipts that wait for it.
    pub queue_bytes: usize,
    /// The policy for further ones.
    pub when_full: WhenFull,
    /// The receipts that it gets.
    pub refusals: Refusals,
}

/// The destination of receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The standard output.
    Stdout,
    /// A URL that gets lines of JSON.
    Webhook(Endpoint),
    /// A URL that gets records of OpenTelemetry logs as JSON.
    Otlp(Endpoint),
}

/// A URL and the way to ask it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL.
    pub url: String,
    /// Headers, whose values may be secrets.
    pub headers: Vec<(String, String)>,
    /// File with the only authorities that are trusted.
    pub ca_file: Option<PathBuf>,
    /// Time for a request.
    pub timeout: Duration,
}

/// Whether a sink gets the receipts of refused requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusals {
    /// It gets them.
    Sent,
    /// They stay in their file.
    Kept,
}

#[derive(Debug, Deserialize)]
pub(super) struct SinkFile {
    r#type: Kind,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, HeaderFile>,
    ca_file: Option<PathBuf>,
    timeout_ms: Option<u64>,
    queue_bytes: Option<usize>,
    when_full: Option<WhenFullFile>,
    refusals: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Stdout,
    Webhook,
    Otlp,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WhenFullFile {
    Drop,
    Block,
}

/// The source of a header's value.
#[derive(Debug, Deserialize)]
struct HeaderFile {
    value: Option<String>,
    env: Option<String>,
    file: Option<PathBuf>,
}

/// Checks the sinks.
pub(super) fn check(sinks: BTreeMap<String, SinkFile>, check: &mut Check<'_>) -> Vec<Sink> {
    if sinks.len() > MAX_SINKS {
        check.problem("", format!("must be at most {MAX_SINKS}"));
    }
    let mut checked = Vec::with_capacity(sinks.len());
    for (name, sink) in sinks {
        let mut check = check.table(&name);
        checked.extend(sink.check(&name, &mut check));
    }
    checked
}

// === impl SinkFile ===

impl SinkFile {
    fn check(self, name: &str, check: &mut Check<'_>) -> Option<Sink> {
        let range = 64 * 1024..=1 << 30;
        let queue_bytes = check.number("queue_bytes", self.queue_bytes, QUEUE_BYTES, range);
        let when_full = match self.when_full {
            Some(WhenFullFile::Block) => WhenFull::Block,
            Some(WhenFullFile::Drop) | None => WhenFull::Drop,
        };
        let refusals = match self.refusals {
            Some(true) => Refusals::Sent,
            Some(false) | None => Refusals::Kept,
        };
        let target = match self.r#type {
            Kind::Stdout => {
                let url = self.url.is_some() || self.ca_file.is_some() || self.timeout_ms.is_some();
                if url || !self.headers.is_empty() {
                    check.problem(
                        "type",
                        "\"stdout\" has no `url`, `headers`, `ca_file` or `timeout_ms`",
                    );
                }
                Target::Stdout
            }
            Kind::Webhook => Target::Webhook(self.endpoint(check)?),
            Kind::Otlp => Target::Otlp(self.endpoint(check)?),
        };
        Some(Sink {
            name: name.into(),
            target,
            queue_bytes,
            when_full,
            refusals,
        })
    }

    fn endpoint(self, check: &mut Check<'_>) -> Option<Endpoint> {
        let timeout = check.millis("timeout_ms", self.timeout_ms, TIMEOUT);
        let ca_file = self.ca_file.map(|file| check.file("ca_file", file));
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, header) in self.headers {
            let key = format!("headers.{name}");
            match header.read(check) {
                Ok(value) => {
                    let header = (name, value);
                    if let Err(problem) = check_headers(std::slice::from_ref(&header)) {
                        check.problem(&key, problem);
                    }
                    headers.push(header);
                }
                Err(problem) => check.problem(&key, problem),
            }
        }
        let Some(url) = self.url else {
            check.problem("url", "is missing: the URL that receipts are sent to");
            return None;
        };
        if let Err(problem) = Place::parse(&url) {
            check.problem("url", problem);
            return None;
        }
        Some(Endpoint {
            url,
            headers,
            ca_file,
            timeout,
        })
    }
}

// === impl HeaderFile ===

impl HeaderFile {
    /// Returns the value, which no error has in it.
    fn read(self, check: &Check<'_>) -> Result<String, String> {
        match (self.value, self.env, self.file) {
            (Some(value), None, None) => Ok(value),
            (None, Some(name), None) => std::env::var(&name)
                .map_err(|_| format!("the environment variable {name} is not set")),
            (None, None, Some(file)) => {
                let file = check.resolve(file);
                match std::fs::read_to_string(&file) {
                    Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
                    Err(error) => Err(format!("{} cannot be read: {error}", file.display())),
                }
            }
            _ => Err("must have one of `value`, `env` and `file`".to_owned()),
        }
    }
}

// === impl Endpoint ===

// Written by hand because headers and queries have secrets.
impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.headers.iter().map(|(name, _)| name);
        f.debug_struct("Endpoint")
            .field("headers", &names.collect::<Vec<_>>())
            .field("ca_file", &self.ca_file)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
