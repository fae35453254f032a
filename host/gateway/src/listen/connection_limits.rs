//! The limits of a connection before its first request, and the interface of the app that serves it.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::sync::watch;

use super::session::{ConnectionState, HttpSession};
use crate::config::ProxyProtocol;

/// The limits of one connection, fixed when it is accepted.
pub(crate) struct ConnectionLimits {
    /// `Required` if the peer is a trusted proxy that starts with a PROXY protocol header.
    pub(crate) proxy: ProxyProtocol,
    /// TLS configuration, or `None` for cleartext.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Protocols that are accepted without TLS.
    pub(crate) cleartext: Cleartext,
    /// Timeout of the TLS handshake and of the HTTP/2 preface, and idle timeout of an HTTP/2 connection.
    pub(crate) head_timeout: Duration,
    /// Timeout of a write that makes no progress, and time for the last response to leave a closing HTTP/2 connection.
    pub(crate) write_timeout: Duration,
    /// Maximum size of an HTTP/2 header list in bytes.
    pub(crate) head_bytes: u32,
    /// Maximum number of concurrent requests on one HTTP/2 connection.
    pub(crate) streams: u32,
}

/// HTTP versions that are accepted without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cleartext {
    /// HTTP/1 only.
    Http1,
    /// HTTP/1, and HTTP/2 from clients that start with its preface (RFC 9113, section 3.3).
    Http2,
}

/// An app that serves connections within limits.
pub(crate) trait ConnectionHandler: Send + Sync + 'static {
    /// Waits for a request and serves it, until `stop` becomes true and the connection is idle.
    fn serve(
        self: &Arc<Self>,
        session: &mut HttpSession,
        stop: &watch::Receiver<bool>,
    ) -> impl Future<Output = ConnectionState> + Send;

    /// Returns the limits of a connection that was just accepted from `peer`.
    fn connection_limits(&self, peer: IpAddr) -> ConnectionLimits;

    /// Resolves when idle connections have to be closed, some time after `stop` has become true.
    fn graceful_close(&self, stop: &mut watch::Receiver<bool>) -> impl Future<Output = ()> + Send;
}
