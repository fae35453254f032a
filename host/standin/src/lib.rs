//! A stand-in for the Messages API, for trying the gateway out and for measuring it without a key or a network.
//!
//! It calls no model. It answers as the API does on the wire: message ids, usage, rate-limit headers, event order,
//! error bodies. The text says what was asked, so that a person sees the request arrive. Thinking gives a thinking
//! block; a prompt such as `use Bash` gives a `tool_use` of a declared tool; a `tool_result` gives a closing text; a
//! JSON schema gives a text that fits it; a marked prompt prefix is written to the cache once and read after that.
//!
//! The request header `x-standin` asks for trouble, its parts separated by `;`:
//!
//! | part | what happens |
//! |---|---|
//! | `status=529` | that error, in the API's shape |
//! | `retry-after=2` | the header of that name, on any answer |
//! | `delay-ms=500` | a wait before the first byte of the answer |
//! | `silent-ms=500` | a wait after the first event, with no ping |
//! | `events=100` | a text of exactly that many deltas |
//! | `pace-ms=20` | the wait before each delta, in place of the option |
//! | `burst=8` | events joined into one write while there is no pace, in place of the option |
//! | `error-after=3` | an `overloaded_error` event after that many events; without a stream, status 529 |
//! | `cut-after=3` | the connection closes after that many events; without a stream, after that many bytes of body |
//! | `batch-ms=5000` | a batch that ends after that time and not at once |
//!
//! HTTP/1.1 only, no TLS. A body may have 32 MiB.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream, ServerApp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::l4::stream::Stream as TcpSession;
use pingora_core::server::ShutdownWatch;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

mod ask;
mod batches;
mod cache;
mod clock;
mod endpoints;
mod error;
mod events;
mod ids;
mod models;
mod prompt;
mod receive;
mod reply;
mod scenario;
mod schema;
#[cfg(test)]
mod tests;
mod tool;
mod usage;
mod wire;

use batches::Batches;
use cache::PromptCache;
use ids::Ids;

/// How the stand-in behaves where a request's `x-standin` header does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandInOptions {
    /// The wait before each delta of a stream. Zero sends as fast as the client reads.
    pub pace: Duration,
    /// How many events are joined into one write while `pace` is zero. A paced stream writes each event by itself.
    pub burst: NonZeroUsize,
}

/// The stand-in upstream. One value serves any number of listeners, and they share one prompt cache.
#[derive(Debug)]
pub struct StandIn {
    options: StandInOptions,
    cache: PromptCache,
    batches: Batches,
    ids: Ids,
}

// === impl StandInOptions ===

impl Default for StandInOptions {
    fn default() -> Self {
        Self {
            pace: Duration::ZERO,
            burst: NonZeroUsize::MIN,
        }
    }
}

// === impl StandIn ===

impl StandIn {
    /// A stand-in with an empty prompt cache.
    #[must_use]
    pub fn new(options: StandInOptions) -> Self {
        Self {
            options,
            cache: PromptCache::default(),
            batches: Batches::default(),
            ids: Ids::seeded(),
        }
    }

    /// Accepts connections until `shutdown` turns true or its sender is gone, then lets the requests under way end.
    /// Idle connections are closed at once. Dropping the future closes everything.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        let mut stop = shutdown.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((tcp, _)) => {
                        let (app, shutdown) = (Arc::clone(&self), shutdown.clone());
                        connections.spawn(async move { app.connection(tcp, shutdown).await });
                    }
                    Err(error) => accept_failed(&error).await,
                },
                Some(_) = connections.join_next() => {}
                () = stopped(&mut stop) => break,
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    async fn connection(self: Arc<Self>, tcp: TcpStream, shutdown: ShutdownWatch) {
        // Without it, a small event waits for the acknowledgement of the one before. A socket that refuses the option
        // is slower, not wrong.
        let _ = tcp.set_nodelay(true);
        self.process_new(Box::new(TcpSession::from(tcp)), &shutdown)
            .await;
    }
}

#[async_trait]
impl HttpServerApp for StandIn {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let mut stop = shutdown.clone();
        let read = tokio::select! {
            biased;
            read = session.read_request() => read,
            () = stopped(&mut stop) => return None,
        };
        match read {
            Ok(true) => {}
            Ok(false) => return None,
            Err(_) => {
                // Not HTTP, or the client left within its head: say so if it still listens, and close.
                let _ = session.respond_error(400).await;
                return None;
            }
        }
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        wire::exchange(self, session).await
    }
}

/// Ready once the stand-in is to stop.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that nobody is left to say when: the owner is gone, and so the stand-in stops too.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// A refused `accept` is nearly always a lack of file descriptors: give connections time to end instead of spinning.
async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "the stand-in could not accept a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
}
