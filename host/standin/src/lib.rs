//! A stand-in for the Messages API, for trying the gateway without an account or a network.
//!
//! The stand-in calls no model. Its responses look like the API's on the wire: message ids, usage, rate-limit headers, order
//! of events, error bodies. The text repeats the question, so that a person sees the request arrive. A request for thinking
//! gets a thinking block; a prompt such as `use Bash` gets a `tool_use` of a declared tool; a `tool_result` gets a closing
//! text; a JSON schema gets a text that fits it; a prompt prefix that is marked for the cache is written once and read after
//! that.
//!
//! The request header `x-standin` asks for faults and deviations, separated by `;`:
//!
//! | part | effect |
//! |---|---|
//! | `status=529` | that error, in the API's shape |
//! | `retry-after=2` | the header of that name, on any response |
//! | `delay-ms=500` | a wait before the first byte of the response |
//! | `silent-ms=500` | a wait after the first event, without a ping |
//! | `events=100` | a text of exactly that many deltas |
//! | `pace-ms=20` | a wait before each delta |
//! | `burst=8` | that many events in each write, if there is no pace |
//! | `error-after=3` | an `overloaded_error` event after that many events; without a stream, status 529 |
//! | `cut-after=3` | the connection closes after that many events; without a stream, after that many bytes of body |
//! | `batch-ms=5000` | a batch that ends after that time instead of immediately |
//!
//! HTTP/1.1 only, without TLS. A body may have 32 MiB.

use std::io;
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
mod deliver;
mod endpoints;
mod error;
mod events;
mod ids;
mod models;
mod page;
mod prompt;
mod receive;
mod reply;
mod scenario;
mod schema;
#[cfg(test)]
mod tests;
mod tool;
mod usage;

use batches::Batches;
use cache::PromptCache;
use ids::Ids;

/// The stand-in upstream. One value serves any number of listeners, which share its prompt cache.
#[derive(Debug, Default)]
pub struct StandIn {
    cache: PromptCache,
    batches: Batches,
    ids: Ids,
}

// === impl StandIn ===

impl StandIn {
    /// Returns a stand-in with an empty prompt cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts connections until `shutdown` becomes true or its sender is dropped, then lets requests in progress finish.
    /// Idle connections are closed immediately. Dropping the future closes all connections.
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
        // Otherwise a small event waits for the acknowledgement of the previous one. An error here only costs speed.
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
                // The head is not HTTP, or the client has left.
                let _ = session.respond_error(400).await;
                return None;
            }
        }
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        deliver::exchange(self, session).await
    }
}

/// Resolves when the stand-in has to stop.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the owner of the sender is gone.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Logs an error of `accept` and waits. The cause is nearly always a lack of file descriptors, which connections free when
/// they end.
async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "the stand-in could not accept a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
}
