//! One accepted connection, from its first byte: the PROXY protocol, TLS, then the version of HTTP that it speaks.
//!
//! Each step has the head timeout, and all of it runs on the connection's own task: a client that dawdles in a handshake
//! holds up nobody.

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

use super::terms::{Cleartext, Entrance, Terms};
use super::{Held, http2, proxy_header};
use crate::config::ProxyProtocol;
use crate::listen::stream::{Calm, Frames, Gathered, Progress};

/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The version of HTTP on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Http1,
    Http2,
}

/// A connection that is ready for its first request.
enum Entered {
    Http1(Stream),
    /// With the word that its client has to be calm.
    Http2(Stream, Calm),
}

/// Serves a connection to its end.
pub(crate) async fn serve<A: Entrance>(
    app: Arc<A>,
    stream: TcpStream,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
    held: Held,
    progress: Progress,
) {
    let terms = app.terms(peer.ip());
    let mut stopping = stop.clone();
    let entered = tokio::select! {
        biased;
        entered = timeout(terms.head_timeout, enter(stream, peer, &terms, progress)) => entered,
        // Nothing has been asked yet.
        () = app.last_call(&mut stopping) => return,
    };
    let Ok(Some(entered)) = entered else {
        return;
    };
    match entered {
        Entered::Http1(stream) => {
            app.process_new(stream, &stop).await;
        }
        Entered::Http2(stream, calm) => {
            Box::pin(http2::serve(app, stream, calm, &terms, stop, held)).await;
        }
    }
}

/// The socket, with the address of whoever is at its other end, or behind the proxy there.
async fn socket(stream: TcpStream, peer: SocketAddr, terms: &Terms) -> Option<Socket> {
    // Small answers must not wait for the acknowledgement of the ones before them.
    let _ = stream.set_nodelay(true);
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    let mut socket = Socket::from(stream);
    let behind = match terms.proxy {
        ProxyProtocol::Absent => None,
        ProxyProtocol::Required => proxy_header::source(&mut socket)
            .await
            .inspect_err(|error| tracing::warn!(%peer, %error, "a connection of a trusted proxy was closed: listen.proxy_protocol is on"))
            .ok()?,
    };
    // What is known already need not be asked of the system.
    let _ = digest.peer_addr.set(Some(behind.unwrap_or(peer).into()));
    socket.set_socket_digest(digest);
    Some(socket)
}

/// Does what comes before the first request; nothing when the client gave up or did it wrong.
async fn enter(
    stream: TcpStream,
    peer: SocketAddr,
    terms: &Terms,
    progress: Progress,
) -> Option<Entered> {
    let mut socket = socket(stream, peer, terms).await?;
    if let Some(tls) = &terms.tls {
        let acceptor = Acceptor::from_server_config(Arc::clone(tls));
        let stream = acceptor
            .tls_handshake(socket)
            .await
            .inspect_err(|error| tracing::debug!(%error, "a TLS handshake failed"))
            .ok()?;
        let spoken = match stream.selected_alpn_proto() {
            Some(ALPN::H2) => Spoken::Http2,
            _ => Spoken::Http1,
        };
        return Some(ready(stream, spoken, terms, progress));
    }
    let spoken = match terms.cleartext {
        Cleartext::Http1 => Spoken::Http1,
        Cleartext::Http2 => listen_for_preface(&mut socket).await?,
    };
    Some(ready(socket, spoken, terms, progress))
}

fn ready<S: IO + 'static>(socket: S, spoken: Spoken, terms: &Terms, progress: Progress) -> Entered {
    let gathered = Gathered::new(socket, terms.write_timeout, progress);
    match spoken {
        Spoken::Http1 => Entered::Http1(Box::new(gathered)),
        Spoken::Http2 => {
            let calm = Calm::default();
            let frames = Frames::new(calm.clone());
            Entered::Http2(Box::new(gathered.counting(frames)), calm)
        }
    }
}

/// Reads until it is clear which version the client speaks, and puts back what it read.
async fn listen_for_preface(socket: &mut Socket) -> Option<Spoken> {
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
        Spoken::Http2
    } else {
        Spoken::Http1
    })
}
