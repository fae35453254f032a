//! The gateway as the app behind its listeners: reads the head of each request and hands the request to the exchange.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use tokio::sync::watch;

use crate::config::ProxyProtocol;
use crate::exchange;
use crate::exchange::delivery::ConnectionFate;
use crate::gateway::Gateway;
use crate::listen::{Cleartext, ConnectionHandler, ConnectionLimits, head};

#[async_trait]
impl HttpServerApp for Gateway {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let config = Arc::clone(&self.snapshot().config);
        let mut stop = shutdown.clone();
        let dress = |headers: &HeaderMap| config.cors.headers(headers);
        let graceful_close = self.graceful_close(&mut stop);
        if !head::read(&mut session, &config.limits, dress, graceful_close).await {
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
            ConnectionFate::KeepAlive => {
                if *shutdown.borrow() {
                    session.set_keepalive(None);
                }
                head::reuse(session).await
            }
            ConnectionFate::Close => {
                session.shutdown().await;
                None
            }
        }
    }
}

impl ConnectionHandler for Gateway {
    async fn graceful_close(&self, stop: &mut watch::Receiver<bool>) {
        Self::graceful_close(self, stop).await;
    }

    fn connection_limits(&self, peer: IpAddr) -> ConnectionLimits {
        let snapshot = self.snapshot();
        let limits = &snapshot.config.limits;
        let proxies = &snapshot.config.listen.proxies;
        ConnectionLimits {
            proxy: if proxies.trust(peer) {
                proxies.protocol
            } else {
                ProxyProtocol::Absent
            },
            tls: snapshot.tls.clone(),
            cleartext: if snapshot.config.listen.h2c {
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
