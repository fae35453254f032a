//! The start of an accepted connection: PROXY protocol, TLS, HTTP version.
//!
//! All of it has to fit into the head timeout and runs on the connection's own task, so that a client that is slow in its
//! handshake delays no other.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use pingora_core::apps::ServerApp;
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::l4::stream::Stream as Socket;
use pingora_core::protocols::{ALPN, GetSocketDigest, IO, SocketDigest, Ssl, Stream};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::client_stream::{AbuseSignal, Activity, ClientStream, FrameCounter};
use super::connection_limits::{Cleartext, ConnectionHandler, ConnectionLimits};
use super::{StreamToken, http2, proxy_header};
use crate::config::ProxyProtocol;

/// The first bytes of an HTTP/2 client (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The HTTP version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HttpVersion {
    Http1,
    Http2,
}

/// A connection that is ready for its first request.
enum Negotiated {
    Http1(Stream),
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
        Negotiated::Http1(stream) => {
            app.process_new(stream, &stop).await;
        }
        Negotiated::Http2(stream, abuse) => {
            Box::pin(http2::serve(app, stream, abuse, &limits, stop, token)).await;
        }
    }
}

/// Wraps the connection, and notes the client's address: the peer's, or the one that a trusted proxy reports. Returns `None`
/// if a proxy has to report an address and does not.
async fn socket(stream: TcpStream, peer: SocketAddr, limits: &ConnectionLimits) -> Option<Socket> {
    // Small responses must not wait for the acknowledgement of the previous one.
    let _ = stream.set_nodelay(true);
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    let mut socket = Socket::from(stream);
    let behind = match limits.proxy {
        ProxyProtocol::Absent => None,
        ProxyProtocol::Required => proxy_header::source(&mut socket)
            .await
            .inspect_err(|error| tracing::warn!(%peer, %error, "closed a connection from a trusted proxy: its PROXY protocol header, which `listen.proxy_protocol` requires, is missing or invalid"))
            .ok()?,
    };
    // The address is known: spares a system call for each request.
    let _ = digest.peer_addr.set(Some(behind.unwrap_or(peer).into()));
    socket.set_socket_digest(digest);
    Some(socket)
}

/// Performs the steps before the first request. Returns `None` if the client left or failed one of them.
async fn negotiate(
    stream: TcpStream,
    peer: SocketAddr,
    limits: &ConnectionLimits,
    activity: Activity,
) -> Option<Negotiated> {
    let mut socket = socket(stream, peer, limits).await?;
    if let Some(tls) = &limits.tls {
        let acceptor = Acceptor::from_server_config(Arc::clone(tls));
        let stream = acceptor
            .tls_handshake(socket)
            .await
            .inspect_err(|error| tracing::debug!(%error, "TLS handshake failed"))
            .ok()?;
        let version = match stream.selected_alpn_proto() {
            Some(ALPN::H2) => HttpVersion::Http2,
            _ => HttpVersion::Http1,
        };
        return Some(ready(stream, version, limits, activity));
    }
    let version = match limits.cleartext {
        Cleartext::Http1 => HttpVersion::Http1,
        Cleartext::Http2 => detect_version(&mut socket).await?,
    };
    Some(ready(socket, version, limits, activity))
}

fn ready<S: IO + 'static>(
    socket: S,
    version: HttpVersion,
    limits: &ConnectionLimits,
    activity: Activity,
) -> Negotiated {
    let stream = ClientStream::new(socket, limits.write_timeout, activity);
    match version {
        HttpVersion::Http1 => Negotiated::Http1(Box::new(stream)),
        HttpVersion::Http2 => {
            let abuse = AbuseSignal::default();
            let frames = FrameCounter::new(abuse.clone());
            Negotiated::Http2(Box::new(stream.counting(frames)), abuse)
        }
    }
}

/// Reads until the client's HTTP version is clear, and puts the bytes back. Returns `None` if the client left.
async fn detect_version(socket: &mut Socket) -> Option<HttpVersion> {
    let mut seen = Vec::with_capacity(PREFACE.len());
    while seen.len() < PREFACE.len() && PREFACE.starts_with(&seen) {
        let left = PREFACE.len() - seen.len();
        let read = (&mut *socket)
            .take(left as u64)
            .read_buf(&mut seen)
            .await
            .ok()?;
        if read == 0 {
            return None;
        }
    }
    socket.rewind(&seen);
    Some(if seen == PREFACE {
        HttpVersion::Http2
    } else {
        HttpVersion::Http1
    })
}
