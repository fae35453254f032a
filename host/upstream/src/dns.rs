//! The addresses of an upstream, refreshed in the background.
//!
//! Only the first lookup of a name is waited for. From then on a name server that is silent, fails, or finds no address
//! only makes the known addresses older. An address that did not accept a connection is avoided for a while; the others
//! share the connections.

mod lookup;
mod order;
pub(crate) mod resolver;
mod trouble;

#[cfg(test)]
pub(super) mod tests;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;
use tokio::time::{Instant, timeout_at};

use self::lookup::Lookups;
use self::resolver::{Resolved, SharedResolver};
use self::trouble::Troubles;
use crate::config::{HttpVersion, Scheme, UpstreamConfig};

/// Longest time for which a pooled connection may be idle. Shorter than the limits of common servers, so that few are
/// found closed.
pub(crate) const IDLE: Duration = Duration::from_secs(55);

/// Concurrent requests on one HTTP/2 connection; more open another.
const STREAMS: usize = 64;

/// Flow-control window of one HTTP/2 stream, in bytes: the part of an answer that may be ahead of its client.
const STREAM_WINDOW: u32 = 256 * 1024;

/// Flow-control window of an HTTP/2 connection: enough for all its streams, so that stalled clients cannot stop the
/// others.
const CONNECTION_WINDOW: u32 = 64 * STREAM_WINDOW;

/// The interval of pings on an HTTP/2 connection.
const PING: Duration = Duration::from_secs(30);

/// The age at which addresses are looked up again when one of them does not accept a connection.
const DOUBTFUL: Duration = Duration::from_secs(5);

/// The addresses of one upstream.
pub struct Addresses {
    host: String,
    port: u16,
    tls: Scheme,
    sni: String,
    http: HttpVersion,
    resolver: SharedResolver,
    known: ArcSwapOption<Known>,
    lookups: Lookups,
    troubles: Troubles,
    next: AtomicUsize,
}

/// An address, and its form for the HTTP layer.
pub(crate) struct Address {
    pub(crate) at: SocketAddr,
    pub(crate) peer: HttpPeer,
}

/// The result of a lookup.
struct Known {
    list: Box<[Arc<Address>]>,
    /// The time of the lookup and the time for which it is fresh; `None` for an IP address.
    looked_up: Option<(Instant, Duration)>,
}

/// The addresses for one request.
#[derive(Clone)]
pub(crate) struct Peers {
    known: Arc<Known>,
    turn: usize,
}

/// The addresses of an upstream as operators see them.
#[derive(Debug, Default)]
pub struct AddressStatus {
    /// The addresses in the order of the lookup, with the trouble of those that are avoided.
    pub list: Vec<(SocketAddr, Option<PassedOver>)>,
    /// The age of the lookup; `None` for an IP address, or before the first lookup.
    pub age: Option<Duration>,
    /// The total number of failed lookups.
    pub failed_lookups: u64,
    /// The error of the last lookup; `None` if it succeeded.
    pub lookup_error: Option<String>,
}

/// The trouble of an address that is avoided for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The last failure.
    pub why: String,
    /// The time that is left.
    pub left: Duration,
}

// === impl Addresses ===

impl Addresses {
    pub(super) fn new(config: &UpstreamConfig, resolver: SharedResolver) -> Self {
        let addresses = Self {
            host: config.base.host.clone(),
            port: config.base.port,
            tls: config.base.scheme,
            sni: config.sni.clone(),
            http: config.http,
            resolver,
            known: ArcSwapOption::empty(),
            lookups: Lookups::default(),
            troubles: Troubles::default(),
            next: AtomicUsize::new(0),
        };
        if let Ok(ip) = addresses.host.parse::<IpAddr>() {
            let list = [Arc::new(
                addresses.address(SocketAddr::new(ip, addresses.port)),
            )];
            addresses.known.store(Some(Arc::new(Known {
                list: Box::new(list),
                looked_up: None,
            })));
        }
        addresses
    }

    /// Returns the addresses to try. Waits only for the first lookup of a name, until `deadline` at most.
    ///
    /// # Errors
    ///
    /// The name cannot be resolved, and never could.
    pub(crate) async fn peers(self: &Arc<Self>, deadline: Instant) -> Result<Peers, String> {
        let known = match self.known.load_full() {
            Some(known) => {
                if known.is_older_than(|fresh_for| fresh_for) {
                    self.look_up_anew();
                }
                known
            }
            None => self.first_lookup(deadline).await?,
        };
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(Peers { known, turn })
    }

    async fn first_lookup(self: &Arc<Self>, deadline: Instant) -> Result<Arc<Known>, String> {
        let mut ended = self.lookups.ended();
        self.look_up_now();
        // The sender lives as long as these addresses.
        if timeout_at(deadline, ended.changed()).await.is_err() {
            return Err(format!("the name {} was not resolved in time", self.host));
        }
        self.known.load_full().ok_or_else(|| {
            self.lookups
                .error()
                .unwrap_or_else(|| format!("the name {} has no address", self.host))
        })
    }

    /// Waits for a lookup in progress and returns its result, or `None` if there is nothing newer.
    pub(crate) async fn newer_than(&self, peers: &Peers) -> Option<Peers> {
        loop {
            let mut ended = self.lookups.ended();
            let known = self.known.load_full()?;
            if !Arc::ptr_eq(&known, &peers.known) {
                return Some(Peers {
                    known,
                    turn: peers.turn,
                });
            }
            if !self.lookups.is_running() {
                return None;
            }
            ended.changed().await.ok()?;
        }
    }

    /// Orders addresses for a race: families alternate, and avoided addresses come last.
    pub(crate) fn candidates(&self, peers: &Peers) -> VecDeque<Arc<Address>> {
        let mut list = order::interleave(&peers.known.list, peers.turn);
        self.troubles.put_last(&mut list);
        list.into()
    }

    /// Records a connection to an address.
    pub(crate) fn connected(&self, at: SocketAddr) {
        if self.troubles.clear(at) {
            tracing::info!(host = %self.host, address = %at, "the address takes connections again");
        }
    }

    /// Records a failure to connect to an address, which is then avoided for a while.
    pub(crate) fn failed(self: &Arc<Self>, at: SocketAddr, why: &str) {
        if self.troubles.note(at, why) {
            tracing::warn!(host = %self.host, address = %at, why, "the address takes no connection and is passed over for a while");
        }
        // The host may have moved.
        if let Some(known) = self.known.load_full()
            && known.is_older_than(|_| DOUBTFUL)
        {
            self.look_up_anew();
        }
    }

    /// Returns the trouble of an address, or `None` if it is not avoided now.
    pub(crate) fn passed_over(&self, at: SocketAddr) -> Option<PassedOver> {
        self.troubles.passed_over(at)
    }

    /// Returns the addresses as operators see them.
    pub fn status(&self) -> AddressStatus {
        let known = self.known.load_full();
        let list = known.iter().flat_map(|known| known.list.iter());
        let looked_up = known.as_ref().and_then(|known| known.looked_up);
        let (failed_lookups, lookup_error) = self.lookups.failures();
        AddressStatus {
            list: list
                .map(|address| (address.at, self.passed_over(address.at)))
                .collect(),
            age: looked_up.map(|(at, _)| at.elapsed()),
            failed_lookups,
            lookup_error,
        }
    }

    /// Stores the result of a lookup.
    fn take_over(&self, resolved: &Resolved) {
        let list: Box<[_]> = resolved
            .addresses
            .iter()
            .map(|at| Arc::new(self.address(*at)))
            .collect();
        self.troubles.keep_only(&resolved.addresses);
        self.known.store(Some(Arc::new(Known {
            list,
            looked_up: Some((Instant::now(), resolved.fresh_for)),
        })));
    }

    fn address(&self, at: SocketAddr) -> Address {
        let tls = self.tls == Scheme::Https;
        let mut peer = HttpPeer::new(at, tls, self.sni.clone());
        peer.options.idle_timeout = Some(IDLE);
        peer.options.alpn = match self.http {
            HttpVersion::Http1 => ALPN::H1,
            HttpVersion::Http2 => ALPN::H2,
            HttpVersion::Negotiated => ALPN::H2H1,
        };
        peer.options.max_h2_streams = STREAMS;
        peer.options.h2_stream_window_size = Some(STREAM_WINDOW);
        peer.options.h2_connection_window_size = Some(CONNECTION_WINDOW);
        peer.options.h2_ping_interval = Some(PING);
        Address { at, peer }
    }
}

// === impl Known ===

impl Known {
    /// Returns whether the lookup is older than an age, which may depend on the time for which it is fresh.
    fn is_older_than(&self, age: impl FnOnce(Duration) -> Duration) -> bool {
        self.looked_up
            .is_some_and(|(at, fresh_for)| at.elapsed() >= age(fresh_for))
    }
}

// === impl Peers ===

impl Peers {
    /// Returns the addresses, starting at this request's turn.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Address>> {
        let list = &self.known.list;
        let start = self.turn.checked_rem(list.len()).unwrap_or_default();
        let (before, from) = list.split_at_checked(start).unwrap_or((&[], list));
        from.iter().chain(before)
    }
}
