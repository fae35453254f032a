//! Upstreams: their addresses, their health, and requests to them.

pub(crate) mod admission;
pub(crate) mod attempt;
pub(crate) mod backoff;
pub(crate) mod breaker;
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
mod window;

pub(crate) use self::upstreams::Upstreams;

use std::sync::Arc;

use pingora_core::connectors::http::v2;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use witgate_runtime::file::Print;

use self::backoff::Backoff;
use self::breaker::Breaker;
use self::credential::CredentialStore;
use self::dns::Addresses;
use self::dns::resolver::Names;
use self::health::Health;
use self::retries::RetryBudget;
use self::stats::Stats;
use crate::config::UpstreamConfig;
use crate::config::upstream::HttpVersion;
use crate::listen::tls;

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
    /// The CA file as it was just before it was read, or `None` if none is configured.
    ca: Option<Print>,
}

// === impl Upstream ===

impl Upstream {
    /// Prepares an upstream; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// The credential or the CA file cannot be read.
    pub(crate) fn try_new(config: UpstreamConfig, resolver: Names) -> Result<Self, String> {
        let ca = config.ca_file.as_deref().map(Print::of);
        let mut options = ConnectorOptions::new(POOL);
        if let Some(ca) = &config.ca_file {
            // The HTTP layer panics on a CA file without certificates.
            tls::certificates(ca)?;
            options.ca_file = Some(ca.to_string_lossy().into_owned());
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
        let ca = config.ca_file.as_deref().map(Print::of);
        let trusts_the_same = match (&self.ca, &ca) {
            (Some(then), Some(now)) => then.is_same_content(now),
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
