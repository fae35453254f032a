//! New connections: the addresses race for it over TCP, and the winner speaks TLS and HTTP within the same time.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::connectors::L4Connect;
use pingora_core::connectors::http::v2;
use pingora_core::protocols::ALPN;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::v2::client::Http2Session;
use pingora_core::protocols::l4::socket::SocketAddr as SocketName;
use pingora_core::protocols::l4::stream::Stream as Socket;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::error::{RequestError, describe};
use super::race::Race;
use super::stream::Stream;
use crate::Upstream;
use crate::config::{HttpVersion, Scheme};
use crate::dns::{Address, Peers};

/// A connection to send one request on.
pub(super) enum Link {
    Http1(Stream),
    Http2(Box<Http2Session>),
}

/// The purpose of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Requests that come later, or at the same time.
    Shared,
    /// A single request over HTTP/1.1.
    Single,
}

/// A connected socket for the HTTP layer, which would otherwise connect by itself.
#[derive(Debug)]
struct Connected(Mutex<Option<Socket>>);

// === impl Upstream ===

impl Upstream {
    /// Opens a connection to the first address that takes one and speaks what it has to.
    ///
    /// # Errors
    ///
    /// No address did so by the deadline.
    pub(super) async fn connect(
        &self,
        peers: &Peers,
        purpose: Purpose,
        deadline: Instant,
    ) -> Result<(Link, Arc<Address>), RequestError> {
        let mut race = Race::new(&self.addresses, peers, |at| {
            Box::pin(TcpStream::connect(at))
        });
        loop {
            let (address, socket) = match timeout_at(deadline, race.next()).await {
                Ok(Some(won)) => won,
                Ok(None) => {
                    let reason = race.into_reason();
                    return Err(
                        self.connect_error(reason.unwrap_or_else(|| "it has no address".into()))
                    );
                }
                Err(_) => {
                    let limit = self.config.connect_timeout;
                    let tried = race.tried();
                    race.give_up(limit);
                    let reason =
                        format!("none of {tried} addresses took a connection within {limit:?}");
                    return Err(self.connect_error(reason));
                }
            };
            // A server that says nothing must not use up the time of the others.
            let limit = if race.has_more() {
                let now = Instant::now();
                now + deadline.saturating_duration_since(now) / 2
            } else {
                deadline
            };
            match timeout_at(limit, self.handshake(&address.peer, socket, purpose)).await {
                Ok(Ok(link)) => {
                    self.addresses.connected(address.at);
                    return Ok((link, address));
                }
                Ok(Err(error)) => race.lost(&address, describe(&error)),
                Err(_) => race.lost(&address, "its handshake did not end in time".into()),
            }
        }
    }

    /// Negotiates TLS and the version of HTTP.
    async fn handshake(
        &self,
        peer: &HttpPeer,
        socket: TcpStream,
        purpose: Purpose,
    ) -> pingora_core::Result<Link> {
        // Small requests must not wait for the acknowledgement of the previous one.
        let _ = socket.set_nodelay(true);
        let is_http1 = self.http2.is_none() || purpose == Purpose::Single;
        if is_http1 && self.config.base.scheme == Scheme::Http {
            return Ok(Link::Http1(Box::new(socket)));
        }
        let socket = Socket::from(socket);
        let mut peer = peer.clone();
        peer.options.custom_l4 = Some(Arc::new(Connected(Mutex::new(Some(socket)))));
        match (&self.http2, purpose) {
            (Some(connector), Purpose::Shared) => self.negotiate(connector, &peer).await,
            (None, Purpose::Shared) => Ok(Link::Http1(Box::new(
                self.connector.new_stream(&peer).await?,
            ))),
            (_, Purpose::Single) => {
                peer.options.alpn = ALPN::H1;
                Ok(Link::Http1(Box::new(
                    self.connector.new_stream(&peer).await?,
                )))
            }
        }
    }

    /// Determines the version of HTTP that the upstream speaks.
    async fn negotiate(
        &self,
        connector: &v2::Connector,
        peer: &HttpPeer,
    ) -> pingora_core::Result<Link> {
        match connector.new_http_session::<_, ()>(peer).await? {
            HttpSession::H2(session) => Ok(Link::Http2(Box::new(session))),
            HttpSession::H1(session) if self.config.http == HttpVersion::Negotiated => {
                Ok(Link::Http1(Box::new(session.into_inner())))
            }
            HttpSession::H1(_) | HttpSession::Custom(()) => Error::e_explain(
                ErrorType::ConnectError,
                "it does not speak HTTP/2, which the configuration asks for",
            ),
        }
    }
}

// === impl Connected ===

#[async_trait]
impl L4Connect for Connected {
    async fn connect(&self, _address: &SocketName) -> pingora_core::Result<Socket> {
        let socket = self.0.lock().take();
        socket.ok_or_else(|| Error::explain(ErrorType::ConnectError, "the connection is in use"))
    }
}
