//! `google`: the way to tokens of Google's. Files are read when a token is needed.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use witgate_config_file::Check;
use witgate_vertex::credentials::environment::Environment;

/// The way to tokens of Google's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleConfig {
    /// Places to look into.
    pub source: GoogleSource,
    /// File of credentials, or `None` for none.
    pub file: Option<PathBuf>,
    /// File that gcloud writes, which need not exist.
    pub gcloud_file: Option<PathBuf>,
    /// Host of the metadata server, or `None` for the usual one.
    pub metadata_host: Option<String>,
    /// PEM file of the CA certificates to trust at Google's endpoints, or `None` for the system's.
    pub ca_file: Option<PathBuf>,
}

/// The places in which credentials of Google's are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GoogleSource {
    /// All of them, in Google's own order.
    Chain,
    /// A file: the key of a service account, a user's refresh token, or the description of a federated workload.
    File,
    /// The machine's service account, by its metadata server.
    Machine,
}

/// `[upstreams.NAME.google]` as it is written.
#[derive(Debug, Default, Deserialize)]
pub(super) struct GoogleFile {
    source: Option<GoogleSource>,
    file: Option<PathBuf>,
    metadata_host: Option<String>,
    ca_file: Option<PathBuf>,
}

/// Returns the settings of the environment.
pub(super) fn environment() -> Environment {
    Environment::read(|name| std::env::var(name).ok())
}

// === impl GoogleFile ===

impl GoogleFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> GoogleConfig {
        let source = match (self.source, &self.file) {
            (Some(source), _) => source,
            (None, Some(_)) => GoogleSource::File,
            (None, None) => GoogleSource::Chain,
        };
        for (key, is_set, other) in [
            ("file", self.file.is_some(), GoogleSource::Machine),
            (
                "metadata_host",
                self.metadata_host.is_some(),
                GoogleSource::File,
            ),
        ] {
            if is_set && source == other {
                check.problem(key, format!("is not read with `source = \"{source}\"`"));
            }
        }
        let environment = environment();
        let file = self.file.map(|file| check.file("file", file));
        GoogleConfig {
            source,
            file: file.or_else(|| environment.file.map(PathBuf::from)),
            gcloud_file: environment.gcloud_file.map(PathBuf::from),
            metadata_host: self.metadata_host.or(environment.metadata_host),
            ca_file: self.ca_file.map(|file| check.file("ca_file", file)),
        }
    }
}

// === impl GoogleSource ===

impl fmt::Display for GoogleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "chain",
            Self::File => "file",
            Self::Machine => "machine",
        })
    }
}
