//! Upstreams: where they are, how they are doing, and connections to them.

pub(crate) mod connection;
pub(crate) mod dns;
pub(crate) mod stats;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::v1::Connector;
use witgate_runtime::UpstreamStats;

use self::dns::Addresses;
use self::stats::{InFlight, Stats};
use crate::config::{CredentialHeader, UpstreamConfig};

/// Idle connections kept for one upstream.
const POOL: usize = 512;

/// A server that speaks Messages, and all that the gateway holds for it.
pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    pub(crate) authority: String,
    pub(crate) connector: Connector,
    pub(crate) addresses: Addresses,
    pub(crate) stats: Stats,
    credential: ArcSwapOption<HeaderValue>,
}

/// The upstreams, in the order of the configuration.
#[derive(Clone)]
pub(crate) struct Upstreams {
    list: Arc<[Arc<Upstream>]>,
    default: usize,
}

// === impl Upstream ===

impl Upstream {
    /// Prepares an upstream; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// Its credential or its CA file cannot be read.
    pub(crate) fn try_new(config: UpstreamConfig) -> Result<Self, String> {
        let mut options = ConnectorOptions::new(POOL);
        if let Some(ca) = &config.ca_file {
            check_ca(ca)?;
            options.ca_file = Some(ca.to_string_lossy().into_owned());
        }
        let upstream = Self {
            authority: config.base.authority(),
            connector: Connector::new(Some(options)),
            addresses: Addresses::new(&config),
            stats: Stats::default(),
            credential: ArcSwapOption::empty(),
            config,
        };
        upstream.read_credential()?;
        Ok(upstream)
    }

    /// Reads the credential again, for one that was rotated.
    ///
    /// # Errors
    ///
    /// It cannot be read; the one in use stays.
    pub(crate) fn read_credential(&self) -> Result<(), String> {
        if let Some(credential) = &self.config.credential {
            self.credential.store(Some(Arc::new(credential.read()?)));
        }
        Ok(())
    }

    /// The credential in use.
    pub(crate) fn credential(&self) -> Option<(CredentialHeader, Arc<HeaderValue>)> {
        let header = self.config.credential.as_ref()?.header;
        Some((header, self.credential.load_full()?))
    }

    /// Counts a request as being there until the guard is told how it ended.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        InFlight::enter(Arc::clone(self))
    }
}

/// The HTTP layer panics on a CA file without certificates, so it is looked into first.
fn check_ca(path: &std::path::Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if text.contains("-----BEGIN CERTIFICATE-----") {
        Ok(())
    } else {
        Err(format!("{} holds no PEM certificate", path.display()))
    }
}

// === impl Upstreams ===

impl Upstreams {
    /// Prepares the upstreams of a configuration. One that is configured as it was before is taken over with its
    /// connections and statistics.
    ///
    /// # Errors
    ///
    /// The first upstream that cannot be prepared, and why.
    pub(crate) fn try_new(
        configs: &[UpstreamConfig],
        default: &str,
        previous: Option<&Self>,
    ) -> Result<Self, String> {
        let mut list = Vec::with_capacity(configs.len());
        for config in configs {
            let kept = previous
                .and_then(|previous| previous.get(&config.name))
                .filter(|kept| kept.config == *config);
            let upstream = match kept {
                Some(kept) => {
                    kept.read_credential()
                        .map_err(|error| format!("upstream {}: {error}", config.name))?;
                    Arc::clone(kept)
                }
                None => Arc::new(
                    Upstream::try_new(config.clone())
                        .map_err(|error| format!("upstream {}: {error}", config.name))?,
                ),
            };
            list.push(upstream);
        }
        let default = list
            .iter()
            .position(|upstream| upstream.config.name == default)
            .ok_or_else(|| format!("there is no upstream {default}"))?;
        Ok(Self {
            list: list.into(),
            default,
        })
    }

    /// The upstream of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.list
            .iter()
            .find(|upstream| upstream.config.name == name)
    }

    /// The name of the upstream that is asked when no plugin plans a route.
    pub(crate) fn default_name(&self) -> &str {
        self.list
            .get(self.default)
            .map_or("", |upstream| &upstream.config.name)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.list.iter()
    }

    /// How they have been doing, as the route hook gets it.
    pub(crate) fn stats(&self, now: Instant) -> Vec<UpstreamStats> {
        self.list
            .iter()
            .map(|upstream| upstream.stats.snapshot(&upstream.config.name, now))
            .collect()
    }
}
