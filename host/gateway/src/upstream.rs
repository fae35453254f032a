//! Upstreams: where they are, how they are doing, and connections to them.

pub(crate) mod admission;
pub(crate) mod backoff;
pub(crate) mod breaker;
pub(crate) mod connection;
pub(crate) mod credential;
pub(crate) mod dns;
pub(crate) mod group;
pub(crate) mod health;
pub(crate) mod kind;
mod latency;
pub(crate) mod limit;
pub(crate) mod retries;
pub(crate) mod stats;
pub(crate) mod upkeep;
mod window;

use std::sync::Arc;
use std::time::Instant;

use pingora_core::connectors::http::v2;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use witgate_runtime::UpstreamStats;
use witgate_runtime::file::Print;

use self::admission::State;
use self::backoff::Backoff;
use self::breaker::Breaker;
use self::credential::Vault;
use self::dns::Addresses;
use self::dns::resolver::Names;
use self::group::Group;
use self::health::Health;
use self::retries::RetryBudget;
use self::stats::Stats;
use crate::config::upstream::HttpVersion;
use crate::config::{GroupConfig, UpstreamConfig};
use crate::listen::tls;

/// Idle connections kept for one upstream.
const POOL: usize = 512;

/// A server that speaks Messages, and all that the gateway holds for it.
pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    pub(crate) authority: String,
    /// Connections over HTTP/1.1.
    pub(crate) connector: TransportConnector,
    /// Connections over HTTP/2; none to an upstream that is spoken to in HTTP/1.1.
    pub(crate) http2: Option<v2::Connector>,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) stats: Stats,
    /// What retries at it may add to its load.
    pub(crate) retries: RetryBudget,
    /// How long to wait between them.
    pub(crate) backoff: Backoff,
    breaker: Option<Breaker>,
    health: Health,
    credential: Vault,
    /// The CA file as it was just before it was read; `None` where there is none.
    ca: Option<Print>,
}

/// The upstreams, in the order of the configuration, and the groups that are made of them.
#[derive(Clone)]
pub(crate) struct Upstreams {
    list: Arc<[Arc<Upstream>]>,
    groups: Arc<[Group]>,
    default: String,
    resolver: Names,
}

// === impl Upstream ===

impl Upstream {
    /// Prepares an upstream; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// Its credential or its CA file cannot be read.
    pub(crate) fn try_new(config: UpstreamConfig, resolver: Names) -> Result<Self, String> {
        let ca = config.ca_file.as_deref().map(Print::of);
        let mut options = ConnectorOptions::new(POOL);
        if let Some(ca) = &config.ca_file {
            // The HTTP layer panics on a CA file without certificates, so it is looked into first.
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
            credential: Vault::try_open(&config.name, config.credential.as_ref())?,
            ca,
            config,
        };
        Ok(upstream)
    }

    /// Tells whether an upstream of this configuration would be the same one: nothing about it has changed, nor have the
    /// certificates that it trusts.
    fn is_as_configured(&self, config: &UpstreamConfig) -> bool {
        let ca = config.ca_file.as_deref().map(Print::of);
        let trusts_the_same = match (&self.ca, &ca) {
            (Some(then), Some(now)) => then.is_same_content(now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.config == *config && trusts_the_same
    }

    /// How it has been doing, as the route hook gets it.
    fn snapshot(&self, now: Instant) -> UpstreamStats {
        let minute = self.stats.minute(now);
        let mut attributes = Vec::new();
        // What is as it should be is not said: this is done for each request.
        let state = self.state(now);
        if state != State::Available {
            attributes.push(("state".to_owned(), state.code().to_owned()));
        }
        if let Some(average) = self.stats.latency.average() {
            attributes.push(("latency_ms".to_owned(), average.as_millis().to_string()));
        }
        UpstreamStats {
            name: self.config.name.clone(),
            in_flight: self.stats.in_flight(),
            requests: minute.requests,
            errors: minute.errors,
            attributes,
        }
    }
}

// === impl Upstreams ===

impl Upstreams {
    /// Prepares the upstreams of a configuration. One that is configured as it was before, and trusts the same
    /// certificates, is taken over with its connections and statistics.
    ///
    /// # Errors
    ///
    /// The first upstream that cannot be prepared, and why.
    pub(crate) fn try_new(
        configs: &[UpstreamConfig],
        groups: &[GroupConfig],
        default: &str,
        resolver: &Names,
        previous: Option<&Self>,
    ) -> Result<Self, String> {
        let mut list = Vec::with_capacity(configs.len());
        for config in configs {
            let kept = previous
                .and_then(|previous| previous.get(&config.name))
                .filter(|kept| kept.is_as_configured(config));
            let upstream = match kept {
                Some(kept) => {
                    kept.credential
                        .reread()
                        .map_err(|error| format!("upstream {}: {error}", config.name))?;
                    Arc::clone(kept)
                }
                None => Arc::new(
                    Upstream::try_new(config.clone(), Arc::clone(resolver))
                        .map_err(|error| format!("upstream {}: {error}", config.name))?,
                ),
            };
            list.push(upstream);
        }
        let groups = groups
            .iter()
            .map(|group| Group::try_new(group, &list))
            .collect::<Result<_, _>>()?;
        let upstreams = Self {
            list: list.into(),
            groups,
            default: default.to_owned(),
            resolver: Arc::clone(resolver),
        };
        if upstreams.find(default).is_none() {
            return Err(format!("there is no upstream or group {default}"));
        }
        Ok(upstreams)
    }

    /// The upstream of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.list
            .iter()
            .find(|upstream| upstream.config.name == name)
    }

    /// The name of the upstream or group that is asked when no plugin plans a route.
    pub(crate) fn default_name(&self) -> &str {
        &self.default
    }

    /// Returns the resolver that finds their addresses.
    pub(crate) fn resolver(&self) -> &Names {
        &self.resolver
    }

    /// All upstreams.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.list.iter()
    }

    /// All groups.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// How they have been doing, as the route hook gets it: the upstreams, then the groups.
    pub(crate) fn stats(&self, now: Instant) -> Vec<UpstreamStats> {
        let upstreams = self.list.iter().map(|upstream| upstream.snapshot(now));
        upstreams
            .chain(self.groups.iter().map(|group| group.snapshot(now)))
            .collect()
    }
}
