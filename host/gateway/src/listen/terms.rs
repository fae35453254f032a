//! What a listener asks of a connection before there is a request on it.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::apps::HttpServerApp;
use rustls::ServerConfig;
use tokio::sync::watch;

use crate::config::ProxyProtocol;

/// The terms of one connection, taken when it is accepted.
pub(crate) struct Terms {
    /// Whether the peer is a proxy that begins with the PROXY protocol.
    pub(crate) proxy: ProxyProtocol,
    /// TLS; none serves in the clear.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Whether HTTP/2 is taken in the clear.
    pub(crate) cleartext: Cleartext,
    /// Longest time for a TLS handshake, for an HTTP/2 preface, and without any request on an HTTP/2 connection.
    pub(crate) head_timeout: Duration,
    /// Longest standstill of a write, and longest time for what was answered last to leave when an HTTP/2 connection ends.
    pub(crate) write_timeout: Duration,
    /// Bytes of an HTTP/2 header list.
    pub(crate) head_bytes: u32,
    /// Requests at a time on one HTTP/2 connection.
    pub(crate) streams: u32,
}

/// What is spoken without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleartext {
    /// HTTP/1 only.
    Http1,
    /// HTTP/2 as well, by clients that start with its preface (RFC 9113, section 3.3).
    Http2,
}

/// An app that connections can be let in to.
pub(crate) trait Entrance: HttpServerApp + Send + Sync + 'static {
    /// The terms for a connection of this peer that was accepted now.
    fn terms(&self, peer: IpAddr) -> Terms;

    /// Ends when a connection on which nothing has been asked has to be closed, after `stop` has become true.
    fn last_call(&self, stop: &mut watch::Receiver<bool>) -> impl Future<Output = ()> + Send;
}
