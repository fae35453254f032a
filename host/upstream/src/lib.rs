//! Upstreams: their addresses, their health, and requests to them.

pub(crate) mod admission;
pub(crate) mod attempt;
pub(crate) mod backoff;
pub(crate) mod breaker;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod dns;
pub(crate) mod group;
pub(crate) mod limit;
pub(crate) mod request;
pub(crate) mod retries;
pub(crate) mod upkeep;
pub(crate) mod upstreams;

mod credential;
mod health;
mod latency;
mod provider;
mod stats;
mod summary;
mod window;

pub(crate) use self::upstreams::Upstreams;

use std::sync::Arc;

use pingora_core::connectors::http::v2;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};

use self::backoff::Backoff;
use self::breaker::Breaker;
use self::credential::CredentialStore;
use self::dns::Addresses;
use self::dns::resolver::Names;
use self::health::Health;
use self::retries::RetryBudget;
use self::stats::Stats;
use crate::pem;
use crate::upstream::config::{HttpVersion, UpstreamConfig};

/// Largest number of idle connections that are kept for one upstream.
const POOL: usize = 512;

/// A server that speaks Messages, with its connections and statistics.
pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    pub(crate) authority: String,
    /// Connections over HTTP/1.1.
    pub(crate) connector: TransportConnector,
    /// Connections over HTTP/2; `None` for an upstream that speaks HTTP/1.1 only.
    pub(crate) http2: Option<v2::Connector>,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) stats: Stats,
    /// The share of its load that retries may add.
    pub(crate) retries: RetryBudget,
    /// The wait between retries.
    pub(crate) backoff: Backoff,
    breaker: Option<Breaker>,
    health: Health,
    credential: CredentialStore,
    /// The content of the CA file, or `None` if none is configured.
    ca: Option<Vec<u8>>,
}

// === impl Upstream ===

impl Upstream {
    /// Prepares an upstream; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// The credential or the CA file cannot be read.
    pub(crate) fn try_new(config: UpstreamConfig, resolver: Names) -> Result<Self, String> {
        let mut ca = None;
        let mut options = ConnectorOptions::new(POOL);
        if let Some(file) = &config.ca_file {
            let pem = pem::read(file)?;
            // The HTTP layer panics on a file without any.
            pem::certificates(file, &pem)?;
            ca = Some(pem);
            options.ca_file = Some(file.to_string_lossy().into_owned());
        }
        let http2 =
            (config.http != HttpVersion::Http1).then(|| v2::Connector::new(Some(options.clone())));
        let upstream = Self {
            authority: config.base.authority(),
            connector: TransportConnector::new(Some(options)),
            http2,
            addresses: Arc::new(Addresses::new(&config, resolver)),
            stats: Stats::default(),
            retries: RetryBudget::new(config.resilience.retry.budget_permille),
            backoff: Backoff::from(&config.resilience.retry),
            breaker: config.resilience.breaker.clone().map(Breaker::new),
            health: Health::default(),
            credential: CredentialStore::try_open(&config.name, config.credential.as_ref())?,
            ca,
            config,
        };
        Ok(upstream)
    }

    /// Returns whether an upstream of this configuration would be the same one, trusted certificates included.
    fn is_as_configured(&self, config: &UpstreamConfig) -> bool {
        let trusts_the_same = match (&self.ca, &config.ca_file) {
            (Some(then), Some(file)) => std::fs::read(file).is_ok_and(|now| now == *then),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.config == *config && trusts_the_same
    }

    /// Returns whether the upstream is sent the caller's own credential.
    pub(crate) fn takes_callers_credential(&self) -> bool {
        self.credential.is_callers()
    }
}
