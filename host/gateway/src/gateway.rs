//! The gateway: all that its exchanges share.

pub(crate) mod snapshot;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use http::HeaderMap;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use tokio::sync::watch;
use tokio::time::sleep;
use witgate_ledger::Ledger;
use witgate_runtime::{Lineup, Policies};

use crate::admin::metrics::Metrics;
use crate::batches::Batches;
use crate::config::ProxyProtocol;
use crate::exchange::{self, Downstream};
use crate::gateway::snapshot::Live;
use crate::listen::{Cleartext, Entrance, Terms, head, stopped};
use crate::receipts::Receipts;
use crate::store::State;
use crate::tenants::owners::Owners;
use crate::upgrade::LINGER;

/// What the exchanges share. Everything in it may be used by any number of them at once.
pub(crate) struct Gateway {
    live: ArcSwap<Live>,
    pub(crate) policies: Policies,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) batches: Batches,
    pub(crate) audit: Receipts,
    pub(crate) metrics: Metrics,
    /// Whether another process has taken over.
    superseded: AtomicBool,
    /// What outlives the process; none without a `[state]` directory.
    pub(crate) state: Option<State>,
    /// Whose files, batches and containers are whose.
    pub(crate) owners: Owners,
}

// === impl Gateway ===

impl Gateway {
    pub(crate) fn new(
        live: Live,
        policies: Policies,
        audit: Receipts,
        state: Option<State>,
    ) -> Self {
        Self {
            ledger: Ledger::with_bounds(live.config.ledger),
            live: ArcSwap::from_pointee(live),
            policies,
            batches: Batches::new(state.clone()),
            audit,
            metrics: Metrics::new(),
            superseded: AtomicBool::new(false),
            owners: Owners::new(state.clone()),
            state,
        }
    }

    /// The configuration that a new exchange pins.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Replaces it for the exchanges to come.
    pub(crate) fn replace(&self, live: Live) {
        self.ledger.set_bounds(live.config.ledger);
        self.live.store(Arc::new(live));
    }

    /// Another process serves from here on; this one finishes what it has.
    pub(crate) fn supersede(&self) {
        self.superseded.store(true, Relaxed);
    }

    /// How long a page of the admin listener may still take at the end: another process answers the next one already.
    pub(crate) fn admin_drain(&self) -> Duration {
        if self.superseded.load(Relaxed) {
            Duration::from_secs(1)
        } else {
            Duration::ZERO
        }
    }

    /// Ends when a connection on which nothing has been asked has to be closed. While another process serves already there
    /// is time for a request that is on its way; its answer says that it is the last.
    pub(crate) async fn last_call(&self, stop: &mut ShutdownWatch) {
        stopped(stop).await;
        if self.superseded.load(Relaxed) {
            sleep(LINGER).await;
        }
    }

    /// The lineup that a new exchange pins.
    pub(crate) fn lineup(&self) -> Arc<Lineup> {
        self.policies.current()
    }
}

#[async_trait]
impl HttpServerApp for Gateway {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let config = Arc::clone(&self.live().config);
        let mut stop = shutdown.clone();
        let dress = |headers: &HeaderMap| config.cors.headers(headers);
        let last_call = self.last_call(&mut stop);
        if !head::read(&mut session, &config.limits, dress, last_call).await {
            head::close(session).await;
            return None;
        }
        // A client that goes away is noticed by reading on, and what is read on may be its next request.
        session.set_pipelining_enabled(true);
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }

        // The exchange's state is large; on the heap it does not weigh on every connection that waits.
        match Box::pin(exchange::serve(self, &mut session)).await {
            Downstream::Complete => {
                if *shutdown.borrow() {
                    session.set_keepalive(None);
                }
                head::reuse(session).await
            }
            Downstream::Broken => {
                session.shutdown().await;
                None
            }
        }
    }
}

impl Entrance for Gateway {
    async fn last_call(&self, stop: &mut watch::Receiver<bool>) {
        Self::last_call(self, stop).await;
    }

    fn terms(&self, peer: IpAddr) -> Terms {
        let live = self.live();
        let limits = &live.config.limits;
        let proxies = &live.config.listen.proxies;
        Terms {
            proxy: if proxies.trust(peer) {
                proxies.protocol
            } else {
                ProxyProtocol::Absent
            },
            tls: live.tls.clone(),
            cleartext: if live.config.listen.h2c {
                Cleartext::Http2
            } else {
                Cleartext::Http1
            },
            head_timeout: limits.head_timeout,
            write_timeout: limits.write_timeout,
            head_bytes: u32::try_from(limits.head_bytes).unwrap_or(u32::MAX),
            streams: u32::try_from(limits.streams).unwrap_or(u32::MAX),
        }
    }
}
