//! One upstream, with its connections and statistics.

use std::sync::Arc;
use std::time::Instant;

use pingora_core::connectors::http::v2;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};

use crate::backoff::Backoff;
use crate::breaker::Breaker;
use crate::config::{HttpVersion, UpstreamConfig};
use crate::connection::pool::Pool;
use crate::credential::CredentialStore;
use crate::credential::leased::LeaseStatus;
use crate::dialect;
use crate::dialect::translation::Dialect;
use crate::dns::resolver::SharedResolver;
use crate::dns::{Addresses, IDLE};
use crate::health::Health;
use crate::pem;
use crate::pool::{CredentialPool, CredentialStatus};
use crate::retries::RetryBudget;
use crate::stats::Stats;

/// Largest number of idle connections that are kept for one upstream on one runtime.
const POOL: usize = 512;

/// A server that speaks Messages, with its connections and statistics.
pub struct Upstream {
    /// The configuration.
    pub config: UpstreamConfig,
    /// The host and, unless it is the scheme's own, the port.
    pub authority: String,
    /// Opens connections over HTTP/1.1.
    pub(crate) connector: TransportConnector,
    /// Idle connections over HTTP/1.1.
    pub(crate) idle: Pool,
    /// Connections over HTTP/2; `None` for an upstream that speaks HTTP/1.1 only.
    pub(crate) http2: Option<v2::Connector>,
    /// The addresses.
    pub addresses: Arc<Addresses>,
    /// The statistics of the requests.
    pub stats: Stats,
    /// The share of its load that retries may add.
    pub retries: RetryBudget,
    /// The wait between retries.
    pub backoff: Backoff,
    pub(crate) breaker: Option<Breaker>,
    pub(crate) health: Health,
    pub(crate) credential: CredentialStore,
    /// Several credentials in place of that one.
    pub(crate) pool: Option<Box<CredentialPool>>,
    /// The dialect, or `None` for an upstream that speaks the API's own.
    pub(crate) dialect: Option<Box<dyn Dialect>>,
    /// The content of the CA file, or `None` if none is configured.
    ca: Option<Vec<u8>>,
}

// === impl Upstream ===

impl Upstream {
    /// Prepares an upstream; nothing is connected yet. `before` is the upstream of the same name in the configuration before.
    ///
    /// # Errors
    ///
    /// The credential or the CA file cannot be read.
    pub(crate) fn try_new(
        config: UpstreamConfig,
        resolver: SharedResolver,
        before: Option<&Self>,
    ) -> Result<Self, String> {
        let pool = match &*config.credentials {
            [] => None,
            credentials => {
                let before = before.and_then(|before| before.pool.as_deref());
                let pool = CredentialPool::try_open(&config.name, credentials, before)?;
                Some(Box::new(pool))
            }
        };
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
            idle: Pool::new(POOL, IDLE),
            http2,
            addresses: Arc::new(Addresses::new(&config, resolver)),
            stats: Stats::default(),
            retries: RetryBudget::new(config.resilience.retry.budget_permille),
            backoff: Backoff::from(&config.resilience.retry),
            breaker: config.resilience.breaker.clone().map(Breaker::new),
            health: Health::default(),
            credential: CredentialStore::try_open(
                &config.name,
                config.credential.as_ref(),
                config.dialect.as_ref().and_then(|it| it.identity()),
            )?,
            pool,
            dialect: dialect::of(&config),
            ca,
            config,
        };
        Ok(upstream)
    }

    /// Returns whether an upstream of this configuration would be the same one, trusted certificates included.
    pub(crate) fn is_as_configured(&self, config: &UpstreamConfig) -> bool {
        let trusts_the_same = match (&self.ca, &config.ca_file) {
            (Some(then), Some(file)) => std::fs::read(file).is_ok_and(|now| now == *then),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.config == *config && trusts_the_same
    }

    /// Returns whether the upstream has several credentials.
    pub fn has_pool(&self) -> bool {
        self.pool.is_some()
    }

    /// Returns the state of each credential of the pool; empty without one.
    pub fn credentials(&self, now: Instant) -> Vec<CredentialStatus> {
        let pool = self.pool.as_ref();
        pool.map_or_else(Vec::new, |pool| pool.statuses(now))
    }

    /// Returns the credential of requests that are given none of a pool: the only one, or the first.
    pub(crate) fn own_credential(&self) -> &CredentialStore {
        let pool = self.pool.as_ref();
        let first = pool.and_then(|pool| pool.first());
        first.map_or(&self.credential, |first| &first.store)
    }

    /// Reads the credentials again after a reload of the configuration.
    ///
    /// # Errors
    ///
    /// A credential cannot be read; the one in use stays.
    pub(crate) fn reread_credentials(&self) -> Result<(), String> {
        match &self.pool {
            Some(pool) => pool.reread(),
            None => self.credential.reread(),
        }
    }

    /// Returns the state of the credential of a cloud, or `None` for an upstream that is known by no such one.
    pub fn lease(&self) -> Option<LeaseStatus> {
        self.credential.lease_status()
    }

    /// Returns whether the upstream is sent the caller's own credential.
    pub fn takes_callers_credential(&self) -> bool {
        self.credential.is_callers()
    }
}
