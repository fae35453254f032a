//! The gateway as the app behind its listeners: reads the head of each request and hands the request to the exchange.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;
use witgate_http::Headers;

use crate::config::ProxyProtocol;
use crate::exchange;
use crate::exchange::delivery::ConnectionFate;
use crate::gateway::Gateway;
use crate::listen::session::{ConnectionState, HttpSession};
use crate::listen::{Cleartext, ConnectionHandler, ConnectionLimits, head};

impl ConnectionHandler for Gateway {
    async fn serve(
        self: &Arc<Self>,
        session: &mut HttpSession,
        stop: &watch::Receiver<bool>,
    ) -> ConnectionState {
        let config = Arc::clone(&self.snapshot().config);
        let mut stopping = stop.clone();
        let dress = |headers: &Headers| config.cors.headers(headers);
        let graceful_close = Self::graceful_close(self, &mut stopping);
        if !head::read(session, &config.limits, dress, graceful_close).await {
            head::close(session).await;
            return ConnectionState::Closed;
        }
        if *stop.borrow() {
            session.close_afterwards();
        }

        // The exchange's state is large; on the heap it does not weigh on every connection that waits.
        match Box::pin(exchange::serve(self, session)).await {
            ConnectionFate::KeepAlive => {
                if *stop.borrow() {
                    session.close_afterwards();
                }
                session.finish().await
            }
            ConnectionFate::Close => {
                session.shutdown().await;
                ConnectionState::Closed
            }
        }
    }

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
