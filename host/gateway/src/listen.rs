//! Listening, and stopping without dropping anything.
//!
//! The accept loop is ours because stopping is: at a stop, the listener closes and readiness goes off at once, idle
//! connections close, running exchanges go on up to the drain timeout, and the process may end as soon as the last of
//! them has, and its receipt is written.

mod connection;
pub(crate) mod head;
mod http2;
mod proxy_header;
pub(crate) mod request_head;
pub(crate) mod stream;
mod terms;
pub(crate) mod tls;

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

pub(crate) use self::http2::STREAM_WINDOW;
pub(crate) use self::terms::{Cleartext, Entrance, Terms};
use crate::listen::stream::{Asked, Progress};

/// How long the loop rests when the system has no descriptor left for another connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// How a listener's connections ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open when the drain timeout was over, and were cut.
    pub cut: usize,
}

/// Dropped when what holds it has settled. Nothing is ever sent on it.
type Held = mpsc::Sender<std::convert::Infallible>;

/// A bound listener and the app that its connections go to.
pub(crate) struct Door<A> {
    /// Shared with whoever may hand it to another process; nobody else keeps it open.
    pub(crate) listener: Arc<TcpListener>,
    pub(crate) app: Arc<A>,
    /// Most connections at a time.
    pub(crate) connections: usize,
    /// What becomes of one more.
    pub(crate) full: Full,
}

/// Which connection is closed when there is one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The one that has just come: what runs is worth more. Closing at once tells a client to go elsewhere, waiting would
    /// not.
    Newest,
    /// The one that has asked least, and of those the oldest: whoever comes is served, whatever others hold. An answer
    /// takes no time here, so that only those who hold a connection for its own sake lose one. Where each has an answer under
    /// way, they are not read, and the oldest goes.
    LeastBusy,
}

/// A connection that may have to give way.
struct Seat {
    task: AbortHandle,
    progress: Progress,
}

/// The purpose of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// The clients'.
    Clients,
    /// The operators'.
    Admin,
}

/// A listener that can't be opened: the address is taken, or is not one of this machine.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; choose another `address` in [{}]", listener.table())]
pub struct CannotListen {
    /// The listener.
    pub listener: Listener,
    /// The address that it was to have.
    pub address: SocketAddr,
    /// The system's reason.
    pub source: std::io::Error,
}

/// Binds a listener.
///
/// # Errors
///
/// The address is taken or is not one of this machine, said with the address.
pub async fn bind(listener: Listener, address: SocketAddr) -> Result<TcpListener, CannotListen> {
    TcpListener::bind(address)
        .await
        .map_err(|source| CannotListen {
            listener,
            address,
            source,
        })
}

/// Ends when the gateway is told to stop, or when there is nobody left to tell it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

// === impl Listener ===

impl Listener {
    /// Its table in the configuration.
    fn table(self) -> &'static str {
        match self {
            Self::Clients => "listen",
            Self::Admin => "admin",
        }
    }
}

// === impl Door ===

impl<A: Entrance> Door<A> {
    /// Serves connections until `stop` says true, then drains them for up to the time that `drain` gives.
    pub(crate) async fn serve(
        self,
        stop: watch::Receiver<bool>,
        drain: impl Future<Output = Duration> + Send,
    ) -> Drained {
        let mut connections = JoinSet::new();
        let mut queue = VecDeque::new();
        // Held by every stream of an HTTP/2 connection: such tasks end a moment after the connection's own was cut.
        let (held, mut let_go) = mpsc::channel(1);
        let mut stop_seen = stop.clone();
        loop {
            tokio::select! {
                () = stopped(&mut stop_seen) => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        if self.make_room(&mut connections, &mut queue).await {
                            let seat = self.enter(&mut connections, stream, peer, stop.clone(), held.clone());
                            if self.full == Full::LeastBusy {
                                queue.push_back(seat);
                            }
                        } else {
                            tracing::warn!(limit = self.connections, "a connection over the limit was closed");
                        }
                    }
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
        drop(held);
        // Nobody sends; the end comes when the last stream has settled.
        let _ = let_go.recv().await;
        Drained { cut }
    }

    fn enter(
        &self,
        connections: &mut JoinSet<()>,
        stream: TcpStream,
        peer: SocketAddr,
        stop: watch::Receiver<bool>,
        held: Held,
    ) -> Seat {
        let app = Arc::clone(&self.app);
        let progress = Progress::default();
        let served = connection::serve(app, stream, peer, stop, held, progress.clone());
        Seat {
            task: connections.spawn(served),
            progress,
        }
    }

    /// Says whether there is a place for another connection, made where one gives way. `queue` has those in the
    /// order in which they came.
    async fn make_room(&self, connections: &mut JoinSet<()>, queue: &mut VecDeque<Seat>) -> bool {
        if self.full == Full::Newest {
            return connections.len() < self.connections;
        }
        queue.retain(|seat| !seat.task.is_finished());
        while queue.len() >= self.connections
            && let Some(place) = least_busy(queue.iter().map(|seat| seat.progress.asked()))
            && let Some(seat) = queue.remove(place)
        {
            seat.task.abort();
        }
        // One that was told to end does so at its next wait.
        while connections.len() >= self.connections && connections.join_next().await.is_some() {}
        true
    }
}

/// The place of the first one that has asked least.
fn least_busy(asked: impl Iterator<Item = Asked>) -> Option<usize> {
    let least = asked.enumerate().min_by_key(|(_, asked)| *asked);
    least.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_asked_nothing_gives_way_before_who_is_answered() {
        use Asked::{Before, Nothing, Now};
        for (asked, wanted) in [
            (&[Now, Before, Nothing, Nothing][..], Some(2)),
            (&[Now, Before, Now, Before], Some(1)),
            (&[Now, Now], Some(0)),
            (&[], None),
        ] {
            assert_eq!(least_busy(asked.iter().copied()), wanted, "{asked:?}");
        }
    }
}
