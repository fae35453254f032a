//! A request to an upstream over a pooled connection.
//!
//! HTTP/1.1 and HTTP/2 look the same from outside. A pooled connection that turns out to be closed, or that is being
//! closed without having processed the request, is replaced by a new one, once. After a byte of an answer nothing is
//! sent twice.

pub(crate) mod departure;
pub(crate) mod error;
pub(crate) mod response;
pub(crate) mod upload;

mod connect;
mod fields;
mod h1;
mod h2;
mod interim;
pub(crate) mod pool;
mod race;
mod stream;
pub(crate) mod translated;

use std::sync::Arc;

use tokio::time::Instant;

use self::connect::{Link, Purpose};
use self::departure::Departure;
use self::error::{Failure, RequestError};
use self::response::{Response, Wire};
use super::Upstream;
use super::credential::Credential;
use super::dns::{Address, Peers};
use super::limit::Limit;
use super::request::Request;

/// A connection to an address.
struct Connection {
    link: Link,
    address: Arc<Address>,
    /// The connection has served other requests.
    reused: bool,
}

/// The origin of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Pool,
    New,
}

// === impl Upstream ===

impl Upstream {
    /// Sends a request, with a credential of the pool if there is one, and reads the head of its answer. Marks `departure` when all of the request has been sent.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: nothing of an answer has been read.
    pub(super) async fn send(
        &self,
        request: &Request<'_>,
        pooled: Option<&Credential>,
        limit: Limit,
        departure: &Departure,
    ) -> Result<Response, RequestError> {
        let mut deadline = Instant::now() + self.config.connect_timeout;
        let peers = self.peers(deadline).await?;
        let mut outgoing = h1::Outgoing::new(request, pooled, departure);
        let mut source = Source::Pool;
        loop {
            let Connection {
                link,
                address,
                reused,
            } = match source {
                Source::Pool => self.open(&peers, deadline).await?,
                Source::New => self.open_new(&peers, deadline).await?,
            };
            let sent = match link {
                Link::Http1(stream) => self
                    .send_http1(stream, &mut outgoing, limit, reused)
                    .await
                    .map(Wire::Http1),
                Link::Http2(session) => {
                    Box::pin(self.send_http2(session, (request, pooled), departure, limit, reused))
                        .await
                        .map(Wire::Http2)
                }
            };
            match sent {
                Ok(wire) => return Ok(Response::new(wire, address)),
                Err(Failure::Retriable(_)) if source == Source::Pool => {
                    // A stale pooled connection usually means that the rest are stale too: drain the pool and dial.
                    self.idle.clear(address.at);
                    source = Source::New;
                    deadline = Instant::now() + self.config.connect_timeout;
                }
                Err(Failure::Retriable(error) | Failure::Final(error)) => return Err(error),
            }
        }
    }

    /// Returns the addresses. Waits for them only while none are known.
    async fn peers(&self, deadline: Instant) -> Result<Peers, RequestError> {
        let peers = self.addresses.peers(deadline).await;
        peers.map_err(|reason| self.connect_error(reason))
    }

    /// Takes a pooled connection to any of the addresses, or dials.
    async fn open(&self, peers: &Peers, deadline: Instant) -> Result<Connection, RequestError> {
        for address in peers.iter() {
            if let Some(link) = self.pooled(address).await {
                return Ok(Connection {
                    link,
                    address: Arc::clone(address),
                    reused: true,
                });
            }
        }
        self.open_new(peers, deadline).await
    }

    async fn open_new(&self, peers: &Peers, deadline: Instant) -> Result<Connection, RequestError> {
        // Rare and large: on the heap it does not weigh on every request.
        let connecting = Box::pin(self.connect(peers, Purpose::Shared, deadline));
        let (link, address) = connecting.await?;
        Ok(Connection {
            link,
            address,
            reused: false,
        })
    }

    async fn pooled(&self, address: &Address) -> Option<Link> {
        if let Some(connector) = &self.http2 {
            // A connection that takes no further stream is as good as none.
            if let Ok(Some(session)) = connector.reused_http_session(&address.peer).await {
                return Some(Link::Http2(Box::new(session)));
            }
        }
        self.idle.take(address.at).map(Link::Http1)
    }
}
