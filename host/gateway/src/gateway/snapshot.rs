//! The part of a gateway that a reload replaces: configuration, keys, prices, upstreams. One value, swapped as a whole.
//!
//! An exchange takes the value once, after its head has been read, and keeps it until its receipt.

use std::sync::Arc;

use witgate_upstream::{SharedResolver, Upstreams};

use crate::admin::keyring::AdminKeys;
use crate::capacities::Capacities;
use crate::capture::Capture;
use crate::config::{Config, Keys, UpstreamConfig};
use crate::prices::Prices;
use crate::tenants::concurrency::Concurrency;
use crate::tenants::keys::Keyring;

/// A configuration with everything that was read for it.
pub(crate) struct Snapshot {
    pub(crate) config: Arc<Config>,
    pub(crate) keyring: Keyring,
    /// The operators' keys, or `None` if the configuration has none.
    pub(crate) admin_keys: Option<AdminKeys>,
    pub(crate) prices: Prices,
    pub(crate) upstreams: Upstreams,
    /// The capacities of the upstreams, counted across reloads.
    pub(crate) capacities: Capacities,
    /// The requests in flight, counted across reloads.
    pub(crate) concurrency: Concurrency,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// Recorder of requests, or `None` if the configuration has none.
    pub(crate) capture: Option<Arc<Capture>>,
}

// === impl Snapshot ===

impl Snapshot {
    /// Reads everything that a configuration names, and keeps unchanged upstreams of `previous`. Looks up names with
    /// `resolver`.
    ///
    /// # Errors
    ///
    /// Returns what can't be read, and why, one line each.
    pub(crate) fn prepare(
        config: Arc<Config>,
        resolver: &SharedResolver,
        previous: Option<&Self>,
    ) -> Result<Self, String> {
        let mut problems = Vec::new();
        let keyring = keyring(&config).map_err(|error| problems.push(error)).ok();
        let admin_keys = admin_keys(&config)
            .map_err(|error| problems.push(error))
            .ok();
        let prices = Prices::read(&config)
            .map_err(|error| problems.push(error))
            .ok();
        let upstreams = upstreams(&config, resolver, previous)
            .map_err(|error| problems.push(error))
            .ok();
        let capacities = Capacities::prepare(&config, previous.map(|it| &it.capacities))
            .map_err(|error| problems.push(error))
            .ok();
        let tls = tls(&config).map_err(|error| problems.push(error)).ok();
        let capture = capture(&config, previous)
            .map_err(|error| problems.push(error))
            .ok();
        if let (Some(keyring), Some(previous)) = (&keyring, previous) {
            keyring.inherit(&previous.keyring);
        }
        match (
            keyring, admin_keys, prices, upstreams, capacities, tls, capture,
        ) {
            (
                Some(keyring),
                Some(admin_keys),
                Some(prices),
                Some(upstreams),
                Some(capacities),
                Some(tls),
                Some(capture),
            ) => Ok(Self {
                config,
                keyring,
                admin_keys,
                prices,
                upstreams,
                capacities,
                concurrency: previous.map_or_else(Concurrency::default, |snapshot| {
                    snapshot.concurrency.clone()
                }),
                tls,
                capture,
            }),
            _ => Err(problems.join("\n")),
        }
    }
}

pub(crate) fn keyring(config: &Config) -> Result<Keyring, String> {
    match &config.keys {
        Keys::Open => Ok(Keyring::open()),
        Keys::File(path) => Keyring::read(path).map_err(|problems| problems.to_string()),
    }
}

/// Returns the operators' keys, or `None` if the configuration has none.
pub(crate) fn admin_keys(config: &Config) -> Result<Option<AdminKeys>, String> {
    let file = config.admin.as_ref().and_then(|admin| admin.keys.as_ref());
    let read = file.map(|file| AdminKeys::read(file));
    read.transpose().map_err(|problems| problems.to_string())
}

/// Returns the upstreams, or the problems of each.
fn upstreams(
    config: &Config,
    resolver: &SharedResolver,
    previous: Option<&Snapshot>,
) -> Result<Upstreams, String> {
    let previous = previous.map(|previous| &previous.upstreams);
    let all = Upstreams::try_new(
        &config.upstreams,
        &config.groups,
        &config.default_upstream,
        resolver,
        previous,
    );
    all.map_err(|first| {
        let each = config.upstreams.iter();
        let each: Vec<_> = each
            .filter_map(|one| alone(one, resolver, previous).err())
            .collect();
        if each.is_empty() {
            first
        } else {
            each.join("\n")
        }
    })
}

/// Tries an upstream alone, which shows its own problems.
pub(crate) fn alone(
    upstream: &UpstreamConfig,
    resolver: &SharedResolver,
    previous: Option<&Upstreams>,
) -> Result<(), String> {
    let alone = std::slice::from_ref(upstream);
    Upstreams::try_new(alone, &[], &upstream.name, resolver, previous).map(drop)
}

pub(crate) fn tls(config: &Config) -> Result<Option<Arc<rustls::ServerConfig>>, String> {
    config
        .listen
        .tls
        .as_ref()
        .map(crate::listen::tls::read)
        .transpose()
}

/// Returns the recorder of requests: the running one if its configuration has not changed.
pub(crate) fn capture(
    config: &Config,
    previous: Option<&Snapshot>,
) -> Result<Option<Arc<Capture>>, String> {
    let Some(wanted) = &config.capture else {
        return Ok(None);
    };
    let running = previous.and_then(|snapshot| snapshot.capture.as_ref());
    if let Some(running) = running.filter(|running| running.config() == wanted) {
        return Ok(Some(Arc::clone(running)));
    }
    let started = Capture::start(wanted)
        .map_err(|error| format!("capture.dir: {}: {error}", wanted.directory.display()))?;
    Ok(Some(Arc::new(started)))
}
