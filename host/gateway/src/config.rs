//! `witgate.toml`: what an operator says, checked once, typed from then on.
//!
//! A file is read into raw `*File` structs, and every problem in it is reported together, each with its line: unknown
//! keys, wrong values, files that are not there. Inside the gateway there are only the typed structs of this module.

pub mod cors;
pub mod credential;
pub mod endpoints;
pub mod file;
pub mod group;
pub mod limits;
pub mod memory;
pub mod proxies;
pub mod resilience;
pub mod streams;
pub mod tls;
pub mod upstream;

mod check;
mod warnings;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use witgate_audit::sink::Rotation;
use witgate_runtime::TrustedKeys;
use witgate_runtime::file::Print;

pub use witgate_config_file::Problems;

pub use witgate_ledger::Bounds;

pub use crate::capture::Content;

pub use self::cors::Cors;
pub use self::credential::{
    Credential, CredentialCommand, CredentialHeader, CredentialSource, OwnCredential,
};
pub use self::endpoints::{Endpoints, Resource};
pub use self::group::{Choice, GroupConfig, Member, ProviderChange};
pub use self::limits::Limits;
pub use self::proxies::{ForwardedHeader, Network, Proxies, ProxyProtocol};
pub use self::resilience::{BreakerPolicy, HealthPolicy, Resilience, RetryPolicy};
pub use self::streams::{ClientGone, Streams};
pub use self::upstream::{BaseUrl, Kind, UpstreamConfig};

/// Where operators look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where the pages are.
    pub address: SocketAddr,
    /// Names by which they may be asked for, besides addresses and `localhost`.
    pub hosts: Vec<String>,
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it was read from.
    pub path: PathBuf,
    /// That file as it was just before it was read; `None` if the text came from elsewhere.
    pub(crate) print: Option<Print>,
    /// Where clients connect.
    pub listen: Listen,
    /// Where operators look.
    pub admin: Option<Admin>,
    /// Who may come in.
    pub keys: Keys,
    /// Which plugins decide.
    pub plugins: Plugins,
    /// Where requests go, by name, in the order of the file.
    pub upstreams: Vec<UpstreamConfig>,
    /// Upstreams that stand in for each other, by name.
    pub groups: Vec<GroupConfig>,
    /// The upstream or group that is asked when no plugin plans a route.
    pub default_upstream: String,
    /// What one client may ask of the gateway.
    pub limits: Limits,
    /// How answers are waited for and delivered.
    pub streams: Streams,
    /// How many accounts budgets keep.
    pub ledger: Bounds,
    /// How batches are settled.
    pub batches: Batches,
    /// Where receipts are written.
    pub receipts: Receipts,
    /// A price file that takes the place of the built-in one.
    pub prices: Option<PathBuf>,
    /// The Unix socket on which a new process asks to take over; none, and nobody can.
    pub upgrade: Option<PathBuf>,
    /// How long running exchanges may go on after SIGTERM.
    pub drain_timeout: Duration,
    /// Where the state is kept that outlives the process; none keeps none, and serves no files and no batches.
    pub state: Option<PathBuf>,
    /// What is served besides the API's own endpoints.
    pub endpoints: Endpoints,
    /// Which apps may ask from a browser.
    pub cors: Cors,
    /// Which requests are recorded; none are without.
    pub capture: Option<CaptureConfig>,
}

/// A configuration that may have problems, for looking further at what it names. Where one is, its value is a default or
/// stands for nothing, so it is no configuration to serve with.
#[derive(Debug)]
pub struct Draft {
    /// As far as it could be read.
    pub config: Config,
    /// Everything that is wrong in the file.
    pub problems: Problems,
}

/// The client-facing listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// TLS; none listens in the clear.
    pub tls: Option<tls::ListenTls>,
    /// Whether HTTP/2 in the clear is taken from clients that start with it.
    pub h2c: bool,
    /// Proxies in front of it.
    pub proxies: Proxies,
}

/// Who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Callers whose virtual key is in this file.
    File(PathBuf),
    /// Everybody, with any key or none: `insecure_open = true`.
    Open,
}

/// The plugin directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// The directory that is watched.
    pub directory: PathBuf,
    /// Plugins without which no traffic is served.
    pub required: Vec<String>,
    /// How often the directory is looked at, besides the hints of the file system.
    pub poll: Duration,
    /// Where compiled plugins are kept; none compiles them at each start.
    pub cache: Option<PathBuf>,
    /// The keys that plugins have to be signed with; none are needed without any.
    pub trusted_keys: TrustedKeys,
    /// Most bytes of memory of all plugins' instances together.
    pub memory_bytes: u64,
}

/// How batches are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches {
    /// How often the gateway looks at batches that nobody has read the results of.
    pub poll: Duration,
    /// How long plugins may take to decide about the requests of one batch together.
    pub decide: Duration,
}

/// The receipts file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipts {
    /// The file, one JSON line an exchange; none writes no receipts.
    pub file: Option<PathBuf>,
    /// Size in bytes after which the file is rotated.
    pub rotate_bytes: NonZeroU64,
    /// Rotated files that are kept.
    pub keep: NonZeroU32,
    /// The file for receipts of requests that were refused before anything was sent; none without `file`.
    pub refused_file: Option<PathBuf>,
    /// Bytes of that file and the one that it was rotated to, together.
    pub refused_bytes: NonZeroU64,
    /// How many of them are written a second: of each key, and of all callers without one.
    pub refused_per_second: NonZeroU32,
    /// Bytes of receipts that wait to be written.
    pub queue_bytes: NonZeroUsize,
}

/// Which requests are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureConfig {
    /// The directory for the files.
    pub directory: PathBuf,
    /// One request in so many.
    pub sample: NonZeroU64,
    /// Most bytes of all files in the directory.
    pub max_bytes: NonZeroU64,
    /// What becomes of the text in bodies.
    pub content: Content,
    /// Further headers whose values are recorded, or the beginnings of their names with `*` behind them.
    pub headers: Vec<String>,
}

// === impl Draft ===

impl Draft {
    /// The configuration, if nothing is wrong with it.
    ///
    /// # Errors
    ///
    /// Every problem.
    pub fn into_result(self) -> Result<Config, Problems> {
        self.problems.into_result().map(|()| self.config)
    }
}

// === impl Receipts ===

impl Receipts {
    /// How the file of refusals is rotated: to one other, so that both have their share.
    pub(crate) fn refused_rotation(&self) -> Rotation {
        Rotation {
            max_bytes: NonZeroU64::new(self.refused_bytes.get() / 2).unwrap_or(NonZeroU64::MIN),
            keep: NonZeroU32::MIN,
        }
    }
}

// === impl Config ===

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// Every problem of the file at once: it cannot be read, is not TOML, has unknown keys or wrong values. Each
    /// names its line.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let print = Print::of(path);
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problems::unreadable(&path.to_string_lossy(), &error))?;
        let mut config = Self::parse(path, &text)?;
        config.print = Some(print);
        Ok(config)
    }

    /// Checks a configuration that was read from `path`; relative paths in it are relative to that file's folder.
    ///
    /// # Errors
    ///
    /// As [`Config::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        check::check(path, text)?.into_result()
    }

    /// Reads a file as far as it goes, past everything that is wrong in it.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not TOML.
    pub fn draft(path: &Path) -> Result<Draft, Problems> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problems::unreadable(&path.to_string_lossy(), &error))?;
        check::check(path, &text)
    }

    /// Returns the files that a gateway with this configuration reads again when they change: the configuration itself,
    /// keys, prices, certificates and credentials. Plugins are watched elsewhere.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let keys = match &self.keys {
            Keys::File(path) => Some(path.as_path()),
            Keys::Open => None,
        };
        let of_upstreams = self.upstreams.iter().flat_map(|upstream| {
            let credential = upstream.credential.as_ref().and_then(Credential::file);
            credential.into_iter().chain(upstream.ca_file.as_deref())
        });
        let tls = self.listen.tls.iter().flat_map(|tls| tls.files());
        [Some(self.path.as_path()), keys, self.prices.as_deref()]
            .into_iter()
            .flatten()
            .chain(of_upstreams)
            .chain(tls)
    }

    /// What a changed file asks for that a running gateway cannot give it: the keys that need a restart.
    #[must_use]
    pub fn needs_restart(&self, next: &Self) -> Vec<&'static str> {
        let address = |config: &Self| config.admin.as_ref().map(|admin| admin.address);
        let changed = [
            ("listen.address", self.listen.address != next.listen.address),
            ("listen.threads", self.listen.threads != next.listen.threads),
            ("admin.address", address(self) != address(next)),
            ("plugins", self.plugins != next.plugins),
            (
                "limits.connections",
                self.limits.connections != next.limits.connections,
            ),
            ("receipts", self.receipts != next.receipts),
            ("upgrade", self.upgrade != next.upgrade),
            ("state", self.state != next.state),
        ];
        changed
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(key, _)| key)
            .collect()
    }
}
