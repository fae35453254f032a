//! A race between the addresses of an upstream for one connection (RFC 8305, section 5).
//!
//! Attempts start one after the other, [`STAGGER`] apart, or at once when the previous one has failed. The first to
//! connect wins and the others are dropped. Addresses that failed, or lost despite a head start, are avoided for a
//! while. When no address is left, a lookup in progress may bring others.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::dns::{Address, Addresses, Peers};

/// The time between the starts of two attempts.
const STAGGER: Duration = Duration::from_millis(250);

/// Longest wait for a lookup in progress when every known address has failed.
const NEWS: Duration = Duration::from_millis(500);

type Connecting<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

/// A race for one connection. `S` is the connected socket.
pub(super) struct Race<S> {
    addresses: Arc<Addresses>,
    peers: Peers,
    connect: fn(SocketAddr) -> Connecting<S>,
    /// Addresses that are still to be tried.
    queue: VecDeque<Arc<Address>>,
    running: Vec<Attempt<S>>,
    tried: Vec<SocketAddr>,
    /// The time at which the next attempt starts.
    next_start: Instant,
    /// The prospect of further addresses from a lookup.
    news: News,
    /// The reason of the last failure.
    reason: Option<String>,
}

struct Attempt<S> {
    address: Arc<Address>,
    started: Instant,
    connecting: Connecting<S>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Possible,
    None,
}

/// The next event of a race.
enum Event<S> {
    Ended(Attempt<S>, io::Result<S>),
    StartNext,
    News(Option<Peers>),
}

// === impl Race ===

impl<S> Race<S> {
    pub(super) fn new(
        addresses: &Arc<Addresses>,
        peers: &Peers,
        connect: fn(SocketAddr) -> Connecting<S>,
    ) -> Self {
        Self {
            queue: addresses.candidates(peers),
            addresses: Arc::clone(addresses),
            peers: peers.clone(),
            connect,
            running: Vec::new(),
            tried: Vec::new(),
            next_start: Instant::now(),
            news: News::Possible,
            reason: None,
        }
    }

    /// Returns the next address that accepts a connection, with that connection, or `None` when no address is left. May
    /// be called again if the connection turns out to be of no use.
    pub(super) async fn next(&mut self) -> Option<(Arc<Address>, S)> {
        self.start();
        loop {
            if self.running.is_empty() && self.queue.is_empty() {
                let news = timeout(NEWS, self.addresses.newer_than(&self.peers));
                let news = news.await.ok().flatten();
                self.learn(news);
                if self.queue.is_empty() {
                    return None;
                }
                self.start();
            }
            match self.event().await {
                Event::Ended(attempt, Ok(socket)) => {
                    self.call_off();
                    return Some((attempt.address, socket));
                }
                Event::Ended(attempt, Err(error)) => {
                    self.lost(&attempt.address, reason(&error));
                    self.start();
                }
                Event::StartNext => self.start(),
                Event::News(news) => self.learn(news),
            }
        }
    }

    /// Records that an address is of no use.
    pub(super) fn lost(&mut self, address: &Address, why: String) {
        self.addresses.failed(address.at, &why);
        self.reason = Some(why);
    }

    /// Records that the attempts under way have run out of time.
    pub(super) fn give_up(&mut self, after: Duration) {
        for attempt in self.running.drain(..) {
            let why = format!("no connection within {after:?}");
            self.addresses.failed(attempt.address.at, &why);
        }
    }

    /// Returns whether another address, not known to fail, could be tried.
    pub(super) fn has_more(&self) -> bool {
        self.queue
            .iter()
            .any(|address| self.addresses.passed_over(address.at).is_none())
    }

    /// Returns the number of addresses that were tried.
    pub(super) fn tried(&self) -> usize {
        self.tried.len()
    }

    /// Returns the reason of the last failure.
    pub(super) fn into_reason(self) -> Option<String> {
        self.reason
    }

    async fn event(&mut self) -> Event<S> {
        let waiting = !self.queue.is_empty();
        let news = !waiting && self.news == News::Possible;
        tokio::select! {
            biased;
            (attempt, result) = first_of(&mut self.running) => Event::Ended(attempt, result),
            () = sleep_until(self.next_start), if waiting => Event::StartNext,
            news = self.addresses.newer_than(&self.peers), if news => Event::News(news),
        }
    }

    /// Starts the next attempt, if any.
    fn start(&mut self) {
        let now = Instant::now();
        self.next_start = now + STAGGER;
        if let Some(address) = self.queue.pop_front() {
            if !self.tried.contains(&address.at) {
                self.tried.push(address.at);
            }
            self.running.push(Attempt {
                connecting: (self.connect)(address.at),
                address,
                started: now,
            });
        }
    }

    /// Adds addresses that have not been tried.
    fn learn(&mut self, news: Option<Peers>) {
        let Some(peers) = news else {
            self.news = News::None;
            return;
        };
        let candidates = self.addresses.candidates(&peers);
        self.queue.extend(
            candidates
                .into_iter()
                .filter(|address| !self.tried.contains(&address.at)),
        );
        self.peers = peers;
    }

    /// Drops the attempts that lost. Their addresses can be tried again.
    fn call_off(&mut self) {
        let now = Instant::now();
        for attempt in self.running.drain(..) {
            if now.saturating_duration_since(attempt.started) >= STAGGER {
                let why =
                    format!("no connection within {STAGGER:?}, while another address took one");
                self.addresses.failed(attempt.address.at, &why);
            }
            self.queue.push_back(attempt.address);
        }
    }
}

/// Waits for the first attempt that ends, forever if there is none.
async fn first_of<S>(running: &mut Vec<Attempt<S>>) -> (Attempt<S>, io::Result<S>) {
    poll_fn(|cx| {
        let ended = running.iter_mut().enumerate().find_map(|(index, attempt)| {
            match attempt.connecting.as_mut().poll(cx) {
                Poll::Ready(result) => Some((index, result)),
                Poll::Pending => None,
            }
        });
        match ended {
            Some((index, result)) => Poll::Ready((running.swap_remove(index), result)),
            None => Poll::Pending,
        }
    })
    .await
}

/// Describes an error of connecting.
fn reason(error: &io::Error) -> String {
    let words = match error.kind() {
        ErrorKind::ConnectionRefused => "refused",
        ErrorKind::TimedOut => "not made in time",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "there is no route to it",
        _ => return error.to_string(),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests;
