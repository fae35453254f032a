//! Idle connections over HTTP/1.1, kept for later requests.
//!
//! A connection is registered with the runtime that opened it, and is kept for requests on the same one: on another it would
//! wake a foreign thread at each read. One task for each runtime closes connections that the server closed, that received
//! bytes without a request, or that were idle for too long; it sleeps until one of these happens.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, sleep_until};

use super::stream::Stream;

/// The idle connections of one upstream.
pub(crate) struct Pool {
    shelves: RwLock<Vec<Arc<Shelf>>>,
    /// Most connections of a shelf.
    capacity: usize,
    /// Longest time for which a connection may be idle.
    idle: Duration,
}

/// The idle connections of one runtime.
struct Shelf {
    runtime: Id,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// In the order in which they became idle.
    connections: Vec<Connection>,
    /// Wakes the task that watches the connections; `None` while it does not run.
    watcher: Option<Waker>,
}

/// An idle connection.
struct Connection {
    to: SocketAddr,
    stream: Stream,
    since: Instant,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(capacity: usize, idle: Duration) -> Self {
        Self {
            shelves: RwLock::default(),
            capacity,
            idle,
        }
    }

    /// Takes the connection to this address that was used last and is still open, or returns `None`.
    pub(super) fn take(&self, to: SocketAddr) -> Option<Stream> {
        let shelf = self.shelf();
        loop {
            let mut connection = shelf.idle.lock().take(to)?;
            // Takes the watcher's place, which is not to be woken by the answer.
            if connection.is_quiet(&mut Context::from_waker(Waker::noop())) {
                return Some(connection.stream);
            }
        }
    }

    /// Closes all idle connections to this address.
    pub(super) fn clear(&self, to: SocketAddr) {
        let shelf = self.shelf();
        let cleared = shelf.idle.lock().clear(to);
        drop(cleared);
    }

    /// Keeps a connection that can take another request.
    pub(super) fn put(&self, to: SocketAddr, stream: Stream) {
        let shelf = self.shelf();
        let mut connection = Connection {
            to,
            stream,
            since: Instant::now(),
        };
        let mut idle = shelf.idle.lock();
        let watcher = idle.watcher.clone();
        let waker = watcher.as_ref().unwrap_or(Waker::noop());
        if !connection.is_quiet(&mut Context::from_waker(waker)) {
            return;
        }
        let oldest = (idle.connections.len() >= self.capacity).then(|| idle.connections.remove(0));
        idle.connections.push(connection);
        if watcher.is_none() {
            // Until it has registered itself, which it does first.
            idle.watcher = Some(Waker::noop().clone());
            tokio::spawn(watch(Arc::clone(&shelf), self.idle));
        }
        drop(idle);
        drop(oldest);
    }

    /// Returns the connections of the current runtime.
    fn shelf(&self) -> Arc<Shelf> {
        let runtime = Handle::current().id();
        let of = |shelves: &[Arc<Shelf>]| {
            let mut shelves = shelves.iter();
            shelves.find(|shelf| shelf.runtime == runtime).cloned()
        };
        if let Some(shelf) = of(&self.shelves.read()) {
            return shelf;
        }
        let mut shelves = self.shelves.write();
        of(&shelves).unwrap_or_else(|| {
            let shelf = Arc::new(Shelf {
                runtime,
                idle: Mutex::default(),
            });
            shelves.push(Arc::clone(&shelf));
            shelf
        })
    }
}

/// Closes connections that no request can use any more, until none are left.
async fn watch(shelf: Arc<Shelf>, limit: Duration) {
    let mut expiry = pin!(sleep_until(Instant::now() + limit));
    poll_fn(|cx| {
        loop {
            let closed = shelf.idle.lock().sweep(limit, cx);
            drop(closed);
            let mut idle = shelf.idle.lock();
            let Some(oldest) = idle.connections.first() else {
                idle.watcher = None;
                return Poll::Ready(());
            };
            let until = oldest.since + limit;
            drop(idle);
            if expiry.deadline() < until {
                expiry.as_mut().reset(until);
            }
            if expiry.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

// === impl Idle ===

impl Idle {
    fn take(&mut self, to: SocketAddr) -> Option<Connection> {
        let mut places = self.connections.iter();
        let place = places.rposition(|connection| connection.to == to)?;
        Some(self.connections.remove(place))
    }

    fn clear(&mut self, to: SocketAddr) -> Vec<Connection> {
        let of = |connection: &mut Connection| connection.to == to;
        self.connections.extract_if(.., of).collect()
    }

    /// Removes the connections that no request can use any more, and has the others wake the task.
    fn sweep(&mut self, limit: Duration, cx: &mut Context<'_>) -> Vec<Connection> {
        self.watcher = Some(cx.waker().clone());
        let now = Instant::now();
        let useless = |connection: &mut Connection| {
            connection.since + limit <= now || !connection.is_quiet(cx)
        };
        self.connections.extract_if(.., useless).collect()
    }
}

// === impl Connection ===

impl Connection {
    /// Returns whether the connection is open and nothing came that no request asked for.
    fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0];
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut byte));
        read.is_pending()
    }
}

#[cfg(test)]
mod tests;
