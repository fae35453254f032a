//! Listening, and stopping without dropping anything.
//!
//! The accept loop is ours because stopping is: at a stop, the listener closes and readiness goes off at once, idle
//! connections close, running exchanges go on up to the drain timeout, and the process may end as soon as the last of
//! them has, and its receipt is written.

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::apps::ServerApp;
use pingora_core::protocols::l4::stream::Stream as Socket;
use pingora_core::protocols::{GetSocketDigest, SocketDigest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::stream::Gathered;

/// How long the loop rests when the system has no descriptor left for another connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// How a listener's connections ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open when the drain timeout was over, and were cut.
    pub cut: usize,
}

/// A bound listener and the app that its connections go to.
pub(crate) struct Door<A> {
    pub(crate) listener: TcpListener,
    pub(crate) app: Arc<A>,
    /// Most connections at a time.
    pub(crate) connections: usize,
}

/// Binds a listener.
///
/// # Errors
///
/// The address is taken or is not one of this machine, said with the address.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}"))
}

/// Ends when the gateway is told to stop, or when there is nobody left to tell it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

// === impl Door ===

impl<A: ServerApp + Send + Sync + 'static> Door<A> {
    /// Serves connections until `stop` says true, then drains them for up to the time that `drain` gives.
    pub(crate) async fn serve(
        self,
        stop: watch::Receiver<bool>,
        drain: impl Future<Output = Duration> + Send,
    ) -> Drained {
        let mut connections = JoinSet::new();
        let mut stop_seen = stop.clone();
        loop {
            tokio::select! {
                () = stopped(&mut stop_seen) => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) if connections.len() < self.connections => {
                        self.enter(&mut connections, stream, peer, stop.clone());
                    }
                    // Over the limit: closing at once tells a client to go elsewhere, waiting would not.
                    Ok(_) => tracing::warn!(limit = self.connections, "a connection over the limit was closed"),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        sleep(OUT_OF_DESCRIPTORS).await;
                    }
                }
            }
        }

        drop(self.listener);
        let deadline = Instant::now() + drain.await;
        while timeout_at(deadline, connections.join_next())
            .await
            .is_ok_and(|joined| joined.is_some())
        {}
        let cut = connections.len();
        connections.shutdown().await;
        Drained { cut }
    }

    fn enter(
        &self,
        connections: &mut JoinSet<()>,
        stream: TcpStream,
        peer: SocketAddr,
        stop: watch::Receiver<bool>,
    ) {
        // Small answers must not wait for the acknowledgement of the ones before them.
        let _ = stream.set_nodelay(true);
        let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
        let mut socket = Socket::from(stream);
        // What is known already need not be asked of the system.
        let _ = digest.peer_addr.set(Some(peer.into()));
        socket.set_socket_digest(digest);
        let app = Arc::clone(&self.app);
        connections.spawn(async move {
            app.process_new(Box::new(Gathered::new(socket)), &stop)
                .await;
        });
    }
}
