//! Addresses of an upstream, looked up without blocking a worker and kept for a while.
//!
//! A look-up that fails does not stop traffic: the addresses known so far stay in use. Each connection starts at the
//! next address, and a failed one moves on to the next within the same attempt.

pub(crate) mod resolver;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;

use self::resolver::Names;
use crate::config::UpstreamConfig;
use crate::config::upstream::{HttpVersion, Scheme};

/// How long a pooled connection may be idle. Shorter than common servers' own limits, so that few are found closed.
const IDLE: Duration = Duration::from_secs(55);

/// Requests at a time on one HTTP/2 connection; more open another.
const STREAMS: usize = 64;

/// What one HTTP/2 answer may be ahead of its client, in bytes.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// Enough for all streams of a connection, so that clients that stand still cannot stop the others on it.
const CONNECTION_WINDOW: u32 = 64 * STREAM_WINDOW;

/// How often an HTTP/2 connection is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

/// The peers of one upstream.
pub(crate) struct Addresses {
    host: String,
    port: u16,
    tls: Scheme,
    sni: String,
    http: HttpVersion,
    connect_timeout: Duration,
    resolver: Names,
    known: ArcSwapOption<Known>,
    next: AtomicUsize,
}

struct Known {
    peers: Box<[HttpPeer]>,
    /// When the addresses were looked up; none for one that never changes.
    at: Option<Instant>,
    fresh_for: Duration,
}

/// The peers to try for one connection, in order.
pub(crate) struct Peers {
    known: Arc<Known>,
    start: usize,
}

// === impl Addresses ===

impl Addresses {
    pub(super) fn new(config: &UpstreamConfig, resolver: Names) -> Self {
        let addresses = Self {
            host: config.base.host.clone(),
            port: config.base.port,
            tls: config.base.scheme,
            sni: config.sni.clone(),
            http: config.http,
            connect_timeout: config.connect_timeout,
            resolver,
            known: ArcSwapOption::empty(),
            next: AtomicUsize::new(0),
        };
        if let Ok(ip) = addresses.host.parse::<IpAddr>() {
            let peers = Box::new([addresses.peer(SocketAddr::new(ip, addresses.port))]);
            addresses.known.store(Some(Arc::new(Known {
                peers,
                at: None,
                fresh_for: Duration::MAX,
            })));
        }
        addresses
    }

    /// The peers to try now.
    ///
    /// # Errors
    ///
    /// The name can't be resolved, and never could.
    pub(crate) async fn peers(&self) -> Result<Peers, String> {
        let known = self.known.load_full();
        let known = match known {
            Some(known) if known.at.is_none_or(|at| at.elapsed() < known.fresh_for) => known,
            stale => match (self.look_up().await, stale) {
                (Ok(fresh), _) => fresh,
                (Err(error), Some(stale)) => {
                    tracing::warn!(host = %self.host, error, "a name look-up failed; the addresses known so far stay in use");
                    stale
                }
                (Err(error), None) => return Err(error),
            },
        };
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(Peers { known, start })
    }

    async fn look_up(&self) -> Result<Arc<Known>, String> {
        let found = tokio::time::timeout(
            self.connect_timeout,
            self.resolver.resolve(&self.host, self.port),
        );
        let found = match found.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                return Err(format!(
                    "the name {} cannot be resolved: {error}",
                    self.host
                ));
            }
            Err(_) => return Err(format!("the name {} was not resolved in time", self.host)),
        };
        let peers: Box<[_]> = found
            .addresses
            .iter()
            .map(|address| self.peer(*address))
            .collect();
        if peers.is_empty() {
            return Err(format!("the name {} has no address", self.host));
        }
        let known = Arc::new(Known {
            peers,
            at: Some(Instant::now()),
            fresh_for: found.fresh_for,
        });
        self.known.store(Some(Arc::clone(&known)));
        Ok(known)
    }

    fn peer(&self, address: SocketAddr) -> HttpPeer {
        let tls = self.tls == Scheme::Https;
        let mut peer = HttpPeer::new(address, tls, self.sni.clone());
        peer.options.connection_timeout = Some(self.connect_timeout);
        peer.options.total_connection_timeout = Some(self.connect_timeout);
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
        peer
    }
}

// === impl Peers ===

impl Peers {
    /// The peers, starting at this connection's turn.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &HttpPeer> {
        let count = self.known.peers.len();
        (0..count).filter_map(move |step| {
            self.known
                .peers
                .get((self.start.wrapping_add(step)) % count)
        })
    }
}
