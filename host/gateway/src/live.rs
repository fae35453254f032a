//! What a running gateway may be told anew: configuration, keys, prices, upstreams. One value, swapped as a whole.
//!
//! An exchange takes the value once, at its first byte, and keeps it to its receipt.

use std::sync::Arc;

use witgate_messages::price::PriceBook;

use crate::capture::Capture;
use crate::config::{Config, Keys};
use crate::keys::Keyring;
use crate::pressure::Pressure;
use crate::upstream::Upstreams;
use crate::upstream::dns::resolver::Names;

/// The part of a gateway that a reload replaces.
pub(crate) struct Live {
    pub(crate) config: Arc<Config>,
    pub(crate) keyring: Keyring,
    pub(crate) prices: Arc<PriceBook>,
    pub(crate) upstreams: Upstreams,
    /// What is under way; it goes on through reloads.
    pub(crate) pressure: Pressure,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// Records requests, where the operator wants that.
    pub(crate) capture: Option<Arc<Capture>>,
}

// === impl Live ===

impl Live {
    /// Prepares everything that a configuration names, taking over unchanged upstreams of `previous`. Names are looked up
    /// with `resolver`.
    ///
    /// # Errors
    ///
    /// What can't be read, and why, one line each.
    pub(crate) fn prepare(
        config: Arc<Config>,
        resolver: &Names,
        previous: Option<&Self>,
    ) -> Result<Self, String> {
        let mut problems = Vec::new();
        let keyring = match &config.keys {
            Keys::Open => Some(Keyring::open()),
            Keys::File(path) => Keyring::read(path)
                .map_err(|error| problems.push(error.to_string()))
                .ok(),
        };
        let prices = match &config.prices {
            None => Some(PriceBook::builtin()),
            Some(path) => std::fs::read(path)
                .map_err(|error| error.to_string())
                .and_then(|text| PriceBook::parse(&text).map_err(|error| error.to_string()))
                .map_err(|error| problems.push(format!("{}: {error}", path.display())))
                .ok(),
        };
        let upstreams = Upstreams::try_new(
            &config.upstreams,
            &config.groups,
            &config.default_upstream,
            resolver,
            previous.map(|previous| &previous.upstreams),
        )
        .map_err(|error| problems.push(error))
        .ok();
        let tls = config
            .listen
            .tls
            .as_ref()
            .map(crate::tls::read)
            .transpose()
            .map_err(|error| problems.push(error))
            .ok();
        let capture = capture(&config, previous)
            .map_err(|error| problems.push(error))
            .ok();
        match (keyring, prices.map(Arc::new), upstreams, tls, capture) {
            (Some(keyring), Some(prices), Some(upstreams), Some(tls), Some(capture)) => Ok(Self {
                config,
                keyring,
                prices,
                upstreams,
                pressure: previous.map_or_else(Pressure::default, |live| live.pressure.clone()),
                tls,
                capture,
            }),
            _ => Err(problems.join("\n")),
        }
    }
}

/// What records requests: the one of before, where nothing about it has changed.
fn capture(config: &Config, previous: Option<&Live>) -> Result<Option<Arc<Capture>>, String> {
    let Some(wanted) = &config.capture else {
        return Ok(None);
    };
    let running = previous.and_then(|live| live.capture.as_ref());
    if let Some(running) = running.filter(|running| running.config() == wanted) {
        return Ok(Some(Arc::clone(running)));
    }
    let started = Capture::start(wanted)
        .map_err(|error| format!("capture.dir: {}: {error}", wanted.directory.display()))?;
    Ok(Some(Arc::new(started)))
}
