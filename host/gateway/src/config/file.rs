//! The shape of `witgate.toml`, as written. Defaults are filled in by the check, where they are documented.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
pub struct ConfigFile {
    /// `[listen]`
    pub listen: ListenFile,
    /// `[admin]`
    pub admin: Option<AdminFile>,
    /// `[keys]`
    pub keys: KeysFile,
    /// `[plugins]`
    pub plugins: PluginsFile,
    /// `[upstreams.NAME]`
    pub upstreams: BTreeMap<String, UpstreamFile>,
    /// `default_upstream`
    pub default_upstream: Option<String>,
    /// `[limits]`
    #[serde(default)]
    pub limits: LimitsFile,
    /// `[receipts]`
    #[serde(default)]
    pub receipts: ReceiptsFile,
    /// `[prices]`
    #[serde(default)]
    pub prices: PricesFile,
    /// `drain_timeout_ms`
    pub drain_timeout_ms: Option<u64>,
}

/// `[listen]`
#[derive(Debug, Deserialize)]
pub struct ListenFile {
    /// Address and port.
    pub address: String,
    /// Worker threads; one per core when absent.
    pub threads: Option<usize>,
}

/// `[admin]`
#[derive(Debug, Deserialize)]
pub struct AdminFile {
    /// Address and port; loopback only, unless `insecure_public` is set.
    pub address: String,
    /// Allows an address that is not loopback.
    #[serde(default)]
    pub insecure_public: bool,
}

/// `[keys]`
#[derive(Debug, Deserialize)]
pub struct KeysFile {
    /// The keys file.
    pub file: Option<PathBuf>,
    /// Lets everybody in.
    #[serde(default)]
    pub insecure_open: bool,
}

/// `[plugins]`
#[derive(Debug, Deserialize)]
pub struct PluginsFile {
    /// The directory.
    pub directory: PathBuf,
    /// Required plugins.
    #[serde(default)]
    pub required: Vec<String>,
    /// Milliseconds between looks at the directory.
    pub poll_ms: Option<u64>,
}

/// `[upstreams.NAME]`
#[derive(Debug, Deserialize)]
pub struct UpstreamFile {
    /// Scheme, host, port and path prefix.
    pub base_url: String,
    /// Where its credential comes from.
    pub credential: Option<CredentialFile>,
    /// Milliseconds to connect, TLS included.
    pub connect_timeout_ms: Option<u64>,
    /// Milliseconds until the head of the answer.
    pub head_timeout_ms: Option<u64>,
    /// Milliseconds between two reads of the answer.
    pub idle_timeout_ms: Option<u64>,
    /// A file with the CA certificates to trust, in PEM; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// The name to verify the certificate against; the host of the URL when absent.
    pub sni: Option<String>,
}

/// `credential = { … }`
#[derive(Debug, Deserialize)]
pub struct CredentialFile {
    /// Environment variable that holds it.
    pub env: Option<String>,
    /// File that holds it.
    pub file: Option<PathBuf>,
    /// `x-api-key` or `bearer`.
    pub header: Option<String>,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
pub struct LimitsFile {
    /// Bytes of a request body.
    pub body_bytes: Option<u64>,
    /// Milliseconds until the end of a request head, from the end of the last answer.
    pub head_timeout_ms: Option<u64>,
    /// Milliseconds for the whole request body.
    pub body_timeout_ms: Option<u64>,
    /// Milliseconds that a write to the client may stand still.
    pub write_timeout_ms: Option<u64>,
    /// Open client connections.
    pub connections: Option<usize>,
}

/// `[receipts]`
#[derive(Debug, Default, Deserialize)]
pub struct ReceiptsFile {
    /// The file.
    pub file: Option<PathBuf>,
    /// Bytes after which it is rotated.
    pub rotate_bytes: Option<u64>,
    /// Rotated files kept.
    pub keep: Option<u32>,
}

/// `[prices]`
#[derive(Debug, Default, Deserialize)]
pub struct PricesFile {
    /// The price file.
    pub file: Option<PathBuf>,
}
