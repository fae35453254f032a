//! Listeners, and shutdown without dropped requests.
//!
//! The accept loop is our own because shutdown is: at a stop, the listener closes and readiness turns off at once, idle
//! connections close, running exchanges continue for up to the drain timeout, and the process may exit as soon as the last
//! one has finished and its receipt is written.

mod activity;
mod client_stream;
mod connection;
mod connection_limits;
pub(crate) mod head;
mod http2;
mod proxy_header;
pub(crate) mod session;
pub(crate) mod tls;
mod workers;
mod write_timeout;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

use self::activity::{Activity, Usage};
pub(crate) use self::connection_limits::{Cleartext, ConnectionHandler, ConnectionLimits};
pub(crate) use self::http2::STREAM_WINDOW;
pub(crate) use self::workers::Workers;

/// Pause of the accept loop after the system has run out of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Result of draining a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Number of connections that were still open when the drain timeout expired and were closed.
    pub cut: usize,
}

/// A token that every HTTP/2 stream holds until it has settled. Nothing is ever sent on the channel.
type StreamToken = mpsc::Sender<std::convert::Infallible>;

/// A bound socket and the app that serves its connections.
pub(crate) struct Listener<A> {
    /// Shared with the handover, which may pass it to another process; no other owner keeps it open.
    pub(crate) socket: Arc<TcpListener>,
    pub(crate) app: Arc<A>,
    /// Maximum number of concurrent connections.
    pub(crate) connections: usize,
    /// Policy for connections over that maximum.
    pub(crate) overflow: Overflow,
    /// Threads that serve the connections, or `None` to serve them on the current runtime.
    pub(crate) workers: Option<Workers>,
}

/// A policy for a connection that exceeds the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// Closes the new connection: running work is worth more. An immediate close tells the client to go elsewhere, which
    /// waiting would not.
    RejectNewest,
    /// Closes the connection that has been used least, and among equals the oldest, so that a new client is always served.
    /// Responses take no time on such a listener, so only clients that hold a connection without using it lose one. If every
    /// connection has a response in progress, those clients do not read, and the oldest is closed.
    EvictLeastBusy,
}

/// An open connection that may be evicted.
struct OpenConnection {
    task: AbortHandle,
    activity: Activity,
}

/// The purpose of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerRole {
    /// Serves clients.
    Clients,
    /// Serves the operators' admin pages.
    Admin,
}

/// A listener that cannot be opened, because its address is in use or does not belong to this machine.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; choose another `address` in [{}]", role.table())]
pub struct CannotListen {
    /// The listener's purpose.
    pub role: ListenerRole,
    /// The configured address.
    pub address: SocketAddr,
    /// The system's error.
    pub source: io::Error,
}

/// Binds a listener.
///
/// # Errors
///
/// Returns [`CannotListen`] if the address is in use or does not belong to this machine.
pub async fn bind(role: ListenerRole, address: SocketAddr) -> Result<TcpListener, CannotListen> {
    TcpListener::bind(address)
        .await
        .map_err(|source| CannotListen {
            role,
            address,
            source,
        })
}

/// Resolves when `stop` becomes true or its sender is dropped.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

// === impl ListenerRole ===

impl ListenerRole {
    /// Returns the name of the listener's table in the configuration.
    fn table(self) -> &'static str {
        match self {
            Self::Clients => "listen",
            Self::Admin => "admin",
        }
    }
}

// === impl Listener ===

impl<A: ConnectionHandler> Listener<A> {
    /// Serves connections until `stop` becomes true, then drains them for up to the time that `drain` resolves to.
    pub(crate) async fn serve(
        self,
        stop: watch::Receiver<bool>,
        drain: impl Future<Output = Duration> + Send,
    ) -> Drained {
        let mut connections = JoinSet::new();
        let mut open = VecDeque::new();
        // HTTP/2 streams hold a token: their tasks end a moment after the connection's own task was aborted.
        let (token, mut tokens_dropped) = mpsc::channel(1);
        let mut stop_seen = stop.clone();
        loop {
            tokio::select! {
                () = stopped(&mut stop_seen) => break,
                Some(_) = connections.join_next() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, peer)) => {
                        if self.make_room(&mut connections, &mut open).await {
                            let spawned =
                                self.spawn(&mut connections, stream, peer, stop.clone(), token.clone());
                            match spawned {
                                Ok(connection) if self.overflow == Overflow::EvictLeastBusy => {
                                    open.push_back(connection);
                                }
                                Ok(_) => {}
                                Err(error) => {
                                    tracing::warn!(%error, "closed a new connection: no worker can take it");
                                }
                            }
                        } else {
                            tracing::warn!(limit = self.connections, "closed a new connection: the connection limit is reached");
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection");
                        sleep(ACCEPT_BACKOFF).await;
                    }
                }
            }
        }

        drop(self.socket);
        let deadline = Instant::now() + drain.await;
        while timeout_at(deadline, connections.join_next())
            .await
            .is_ok_and(|joined| joined.is_some())
        {}
        let cut = connections.len();
        connections.shutdown().await;
        drop(token);
        // Nothing is sent on the channel; it closes when the last stream has settled.
        let _ = tokens_dropped.recv().await;
        Drained { cut }
    }

    fn spawn(
        &self,
        connections: &mut JoinSet<()>,
        stream: TcpStream,
        peer: SocketAddr,
        stop: watch::Receiver<bool>,
        token: StreamToken,
    ) -> io::Result<OpenConnection> {
        let app = Arc::clone(&self.app);
        let activity = Activity::default();
        let shared = activity.clone();
        let serve = move |stream| connection::serve(app, stream, peer, stop, token, shared);
        let task = match &self.workers {
            Some(workers) => workers.spawn(connections, stream, serve)?,
            None => connections.spawn(serve(stream)),
        };
        Ok(OpenConnection { task, activity })
    }

    /// Returns whether another connection may be served, after evicting one if the policy says so. `open` lists the open
    /// connections in order of arrival.
    async fn make_room(
        &self,
        connections: &mut JoinSet<()>,
        open: &mut VecDeque<OpenConnection>,
    ) -> bool {
        if self.overflow == Overflow::RejectNewest {
            return connections.len() < self.connections;
        }
        open.retain(|connection| !connection.task.is_finished());
        while open.len() >= self.connections
            && let Some(place) =
                least_busy(open.iter().map(|connection| connection.activity.usage()))
            && let Some(connection) = open.remove(place)
        {
            connection.task.abort();
        }
        // An aborted task ends at its next await.
        while connections.len() >= self.connections && connections.join_next().await.is_some() {}
        true
    }
}

/// Returns the index of the first connection that was used least, or `None` if there is no connection.
fn least_busy(usages: impl Iterator<Item = Usage>) -> Option<usize> {
    let least = usages.enumerate().min_by_key(|(_, usage)| *usage);
    least.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unused_connection_is_evicted_before_an_idle_one_and_a_busy_one_last() {
        use Usage::{Busy, Idle, Unused};
        for (usages, wanted) in [
            (&[Busy, Idle, Unused, Unused][..], Some(2)),
            (&[Busy, Idle, Busy, Idle], Some(1)),
            (&[Busy, Busy], Some(0)),
            (&[], None),
        ] {
            assert_eq!(least_busy(usages.iter().copied()), wanted, "{usages:?}");
        }
    }
}
