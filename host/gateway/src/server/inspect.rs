//! Checks of everything that a configuration names, without serving.

mod upstreams;

use witgate_upstream::system_resolver;

pub use self::upstreams::{Verdict, upstreams};

use crate::config::{Config, Draft};
use crate::gateway::snapshot::{admin_keys, alone, capture, keyring, tls};
use crate::prices::Prices;
use crate::receipts::waiting_bytes;

/// Reads the files that a draft names and returns their problems. Skips keys that have problems themselves.
#[must_use]
pub fn files(draft: &Draft) -> Vec<String> {
    let Draft { config, problems } = draft;
    let resolver = system_resolver();
    let sound = |keys: &[&str]| !keys.iter().any(|key| problems.is_about(key));
    let mut found = Vec::new();
    if sound(&["keys"]) {
        found.extend(keyring(config).err());
    }
    if sound(&["admin.keys"]) {
        found.extend(admin_keys(config).err());
    }
    if sound(&["prices"]) {
        found.extend(Prices::read(config).err());
    }
    let readable = config.upstreams.iter().filter(|upstream| {
        let at = |key| format!("upstreams.{}.{key}", upstream.name);
        sound(&[&at("ca_file"), &at("credential")])
    });
    found.extend(readable.filter_map(|upstream| alone(upstream, &resolver, None).err()));
    if sound(&[
        "listen.tls.certificate",
        "listen.tls.key",
        "listen.tls.client_ca",
    ]) {
        found.extend(tls(config).err());
    }
    if sound(&["capture.dir"]) {
        found.extend(capture(config, None).err());
    }
    found
}

/// Returns the maximum bytes of receipts that wait in memory, for their files and for further sinks.
#[must_use]
pub fn receipts_bytes(config: &Config) -> usize {
    waiting_bytes(&config.receipts)
}

/// Returns the number of keys that let a caller in, or `None` if the gateway is open to everyone or the keys can't be read.
#[must_use]
pub fn keys(config: &Config) -> Option<usize> {
    keyring(config).ok()?.count()
}

/// The callers that may name any resource, and so use its priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlimited {
    /// Everyone: the gateway has no keys.
    Everyone,
    /// The holders of so many keys.
    Keys(usize),
}

/// Returns the callers that may name any resource. `None` if the keys can't be read.
#[must_use]
pub fn unlimited(config: &Config) -> Option<Unlimited> {
    let keyring = keyring(config).ok()?;
    let keys = keyring.count_unlimited().map(Unlimited::Keys);
    Some(keys.unwrap_or(Unlimited::Everyone))
}
