//! The shape of `witgate.toml`, as written. Defaults are filled in by the check, where they are documented.

pub mod capture;
pub mod cors;
pub mod credential;
pub mod endpoints;
pub mod group;
pub mod ledger;
pub mod resilience;
pub mod streams;
pub mod tls;
pub mod upgrade;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use self::capture::CaptureFile;
use self::cors::CorsFile;
use self::credential::CredentialFile;
use self::endpoints::{ModelsFile, PassthroughFile, SkillsFile, StateFile};
use self::group::GroupFile;
use self::ledger::LedgerFile;
use self::resilience::{BreakerFile, HealthFile, RetryFile, Switch};
use self::tls::ListenTlsFile;
use self::upgrade::UpgradeFile;

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
    /// `[groups.NAME]`
    #[serde(default)]
    pub groups: BTreeMap<String, GroupFile>,
    /// `default_upstream`
    pub default_upstream: Option<String>,
    /// `[limits]`
    #[serde(default)]
    pub limits: LimitsFile,
    /// `[ledger]`
    #[serde(default)]
    pub ledger: LedgerFile,
    /// `[batches]`
    #[serde(default)]
    pub batches: BatchesFile,
    /// `[receipts]`
    #[serde(default)]
    pub receipts: ReceiptsFile,
    /// `[prices]`
    #[serde(default)]
    pub prices: PricesFile,
    /// `[streams]`
    #[serde(default)]
    pub streams: streams::StreamsFile,
    /// `[upgrade]`
    #[serde(default)]
    pub upgrade: UpgradeFile,
    /// `drain_timeout_ms`
    pub drain_timeout_ms: Option<u64>,
    /// `[state]`
    #[serde(default)]
    pub state: StateFile,
    /// `[skills]`
    #[serde(default)]
    pub skills: SkillsFile,
    /// `[passthrough]`
    #[serde(default)]
    pub passthrough: PassthroughFile,
    /// `[models]`
    #[serde(default)]
    pub models: ModelsFile,
    /// `[cors]`
    pub cors: Option<CorsFile>,
    /// `[capture]`
    pub capture: Option<CaptureFile>,
}

/// `[listen]`
#[derive(Debug, Deserialize)]
pub struct ListenFile {
    /// Address and port.
    pub address: String,
    /// Worker threads; one per core when absent.
    pub threads: Option<usize>,
    /// `[listen.tls]`
    pub tls: Option<ListenTlsFile>,
    /// Takes HTTP/2 in the clear.
    #[serde(default)]
    pub h2c: bool,
    /// Networks of proxies whose word on the client's address counts.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// The header in which they say it.
    pub forwarded_header: Option<String>,
    /// Whether they begin each connection with the PROXY protocol.
    #[serde(default)]
    pub proxy_protocol: bool,
}

/// `[admin]`
#[derive(Debug, Deserialize)]
pub struct AdminFile {
    /// Address and port; loopback only, unless `insecure_public` is set.
    pub address: String,
    /// Allows an address that is not loopback.
    #[serde(default)]
    pub insecure_public: bool,
    /// Names by which the pages may be asked for, besides addresses and `localhost`.
    #[serde(default)]
    pub hosts: Vec<String>,
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
    /// The directory for compiled plugins.
    pub cache: Option<PathBuf>,
    /// The keys that plugins have to be signed with.
    pub trusted_keys: Option<PathBuf>,
    /// Bytes of memory of all instances.
    pub memory_bytes: Option<u64>,
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
    /// `anthropic` or `messages`.
    pub kind: Option<String>,
    /// Who signs the thinking of its answers.
    pub provider: Option<String>,
    /// Lets requests with thinking of another provider go there.
    #[serde(default)]
    pub allow_provider_change: bool,
    /// When it is asked again.
    pub retry: Option<RetryFile>,
    /// When it is left alone.
    pub breaker: Option<Switch<BreakerFile>>,
    /// Most requests at it at a time.
    pub max_in_flight: Option<u32>,
    /// How it is looked after without traffic.
    pub health: Option<HealthFile>,
    /// `1.1`, `2` or `auto`.
    pub http: Option<String>,
    /// Sends it the callers' `x-vmx-*` headers.
    #[serde(default)]
    pub forward_vmx_headers: bool,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
pub struct LimitsFile {
    /// Bytes of a request body.
    pub body_bytes: Option<u64>,
    /// Bytes of the body that creates a batch.
    pub batch_bytes: Option<u64>,
    /// Bytes of an upload.
    pub upload_bytes: Option<u64>,
    /// Milliseconds until the end of a request head, from the end of the last answer.
    pub head_timeout_ms: Option<u64>,
    /// Milliseconds for the whole request body.
    pub body_timeout_ms: Option<u64>,
    /// Milliseconds that a write to the client may stand still.
    pub write_timeout_ms: Option<u64>,
    /// Bytes of a request head.
    pub head_bytes: Option<usize>,
    /// Header lines of a request.
    pub headers: Option<usize>,
    /// Requests at a time on one HTTP/2 connection.
    pub streams: Option<usize>,
    /// Open client connections.
    pub connections: Option<usize>,
    /// Bytes that a compressed request body may decode to.
    pub decoded_bytes: Option<u64>,
    /// Bytes of memory that exchanges hold.
    pub memory_bytes: Option<u64>,
    /// Bytes of memory that the exchanges of one key hold.
    pub memory_bytes_per_key: Option<u64>,
    /// Exchanges under way.
    pub in_flight: Option<usize>,
    /// Exchanges of one key under way.
    pub in_flight_per_key: Option<usize>,
}

/// `[batches]`
#[derive(Debug, Default, Deserialize)]
pub struct BatchesFile {
    /// Milliseconds between looks at open batches.
    pub poll_ms: Option<u64>,
    /// Milliseconds that plugins may take to decide about one batch.
    pub decide_ms: Option<u64>,
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
    /// The file for receipts of refused requests.
    pub refused_file: Option<PathBuf>,
    /// Bytes of that file and its rotated one.
    pub refused_bytes: Option<u64>,
    /// Receipts of refused requests a second, of each key.
    pub refused_per_second: Option<u32>,
    /// Bytes of receipts that wait.
    pub queue_bytes: Option<usize>,
}

/// `[prices]`
#[derive(Debug, Default, Deserialize)]
pub struct PricesFile {
    /// The price file.
    pub file: Option<PathBuf>,
}
