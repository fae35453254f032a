//! The start of an accepted connection: PROXY protocol, TLS, HTTP version.
//!
//! All of it has to fit into the head timeout and runs on the connection's own task, so that a client that is slow in its
//! handshake delays no other.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::l4::stream::Stream as Socket;
use pingora_core::protocols::{ALPN, GetSocketDigest, IO, SocketDigest, Ssl, Stream};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::activity::Activity;
use super::client_stream::{AbuseSignal, ClientStream, FrameCounter};
use super::connection_limits::{Cleartext, ConnectionHandler, ConnectionLimits};
use super::session::{ByteStream, ConnectionState, Ends, Http1, HttpSession};
use super::{StreamToken, http2, proxy_header};
use crate::config::ProxyProtocol;

/// The first bytes of an HTTP/2 client (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that is ready for its first request.
enum Negotiated {
    Http1(Box<Http1>),
    /// With the signal that reports an abusive client.
    Http2(Stream, AbuseSignal),
}

/// Serves a connection to its end.
pub(crate) async fn serve<A: ConnectionHandler>(
    app: Arc<A>,
    stream: TcpStream,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
    token: StreamToken,
    activity: Activity,
) {
    let limits = app.connection_limits(peer.ip());
    let mut stopping = stop.clone();
    let negotiated = tokio::select! {
        biased;
        negotiated = timeout(limits.head_timeout, negotiate(stream, peer, &limits, activity)) => negotiated,
        // There is no request yet that a close could interrupt.
        () = app.graceful_close(&mut stopping) => return,
    };
    let Ok(Some(negotiated)) = negotiated else {
        return;
    };
    match negotiated {
        Negotiated::Http1(connection) => {
            let mut session = HttpSession::from(connection);
            while app.serve(&mut session, &stop).await == ConnectionState::Open {}
        }
        Negotiated::Http2(stream, abuse) => {
            Box::pin(http2::serve(app, stream, abuse, &limits, stop, token)).await;
        }
    }
}

/// Performs the steps before the first request. Returns `None` if the client left or failed one of them.
async fn negotiate(
    mut stream: TcpStream,
    peer: SocketAddr,
    limits: &ConnectionLimits,
    activity: Activity,
) -> Option<Negotiated> {
    // Small responses must not wait for the acknowledgement of the previous one.
    let _ = stream.set_nodelay(true);
    let mut ends = Ends {
        peer: client_address(&mut stream, peer, limits).await?,
        tls: None,
        fd: stream.as_raw_fd(),
    };
    let http1 = |stream: Box<dyn ByteStream>, ends, seen: &[u8]| {
        let connection = Http1::new(stream, ends, seen, limits.write_timeout, activity);
        Some(Negotiated::Http1(Box::new(connection)))
    };
    if let Some(tls) = &limits.tls {
        let acceptor = Acceptor::from_server_config(Arc::clone(tls));
        let stream = acceptor
            .tls_handshake(socket(stream, &ends))
            .await
            .inspect_err(|error| tracing::debug!(%error, "TLS handshake failed"))
            .ok()?;
        if stream.selected_alpn_proto() == Some(ALPN::H2) {
            return Some(http2(stream, limits));
        }
        ends.tls = stream.get_ssl_digest();
        return http1(Box::new(stream), ends, &[]);
    }
    let seen = match limits.cleartext {
        Cleartext::Http1 => Vec::new(),
        Cleartext::Http2 => beginning(&mut stream).await?,
    };
    if seen == PREFACE {
        let mut socket = socket(stream, &ends);
        socket.rewind(&seen);
        return Some(http2(socket, limits));
    }
    http1(Box::new(stream), ends, &seen)
}

/// Returns the client's address: the peer's, or the one that a trusted proxy reports. Returns `None` if a proxy has to report an address
/// and does not.
async fn client_address(
    stream: &mut TcpStream,
    peer: SocketAddr,
    limits: &ConnectionLimits,
) -> Option<SocketAddr> {
    let behind = match limits.proxy {
        ProxyProtocol::Absent => None,
        ProxyProtocol::Required => proxy_header::source(stream)
            .await
            .inspect_err(|error| tracing::warn!(%peer, %error, "closed a connection from a trusted proxy: its PROXY protocol header, which `listen.proxy_protocol` requires, is missing or invalid"))
            .ok()?,
    };
    Some(behind.unwrap_or(peer))
}

/// Wraps a connection for the HTTP layer.
fn socket(stream: TcpStream, ends: &Ends) -> Socket {
    let digest = SocketDigest::from_raw_fd(ends.fd);
    // The address is known: spares a system call for each request.
    let _ = digest.peer_addr.set(Some(ends.peer.into()));
    let mut socket = Socket::from(stream);
    socket.set_socket_digest(digest);
    socket
}

fn http2<S: IO + 'static>(socket: S, limits: &ConnectionLimits) -> Negotiated {
    let abuse = AbuseSignal::default();
    let frames = FrameCounter::new(abuse.clone());
    let stream = ClientStream::new(socket, limits.write_timeout, frames);
    Negotiated::Http2(Box::new(stream), abuse)
}

/// Reads until it is clear if the client speaks HTTP/2, and returns what was read. Returns `None` if the client left.
async fn beginning(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut seen = Vec::with_capacity(PREFACE.len());
    while seen.len() < PREFACE.len() && PREFACE.starts_with(&seen) {
        let left = PREFACE.len() - seen.len();
        let read = stream.take(left as u64).read_buf(&mut seen).await.ok()?;
        if read == 0 {
            return None;
        }
    }
    Some(seen)
}
