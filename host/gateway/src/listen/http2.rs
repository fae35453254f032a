//! An HTTP/2 connection, whose streams are requests like any other.
//!
//! The accept loop is our own for the same reason as the listener's: a connection lasts as long as its streams, so that a
//! drain waits for all of them and an abort ends all of them. An idle connection gets a GOAWAY after the head timeout, and
//! immediately at a stop. Concurrent streams and header lists are limited. A client whose requests are rejected unread again
//! and again is disconnected. A client that floods the connection with frames gets ENHANCE_YOUR_CALM. A client that resets
//! too many of its requests gets a GOAWAY, and its other responses are completed.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::http::v2::server::{self, H2Accept, H2Options, default_h2_options};
use pingora_core::protocols::{Digest, Stream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::client_stream::AbuseSignal;
use super::connection_limits::{ConnectionHandler, ConnectionLimits};
use super::session::{Http2, HttpSession};
use super::{StreamToken, stopped};

/// Number of requests that are rejected unread before the connection is closed.
const MAX_REJECTED: usize = 32;

/// Number of further requests after a GOAWAY for too many resets before the connection is closed. A client sends the first of
/// them before it has received the GOAWAY.
const MAX_LATE: usize = 1000;

/// Flow-control window of a stream in bytes: large enough that a distant client does not wait for acknowledgements.
pub(crate) const STREAM_WINDOW: u32 = 1024 * 1024;

/// Largest window that HTTP/2 allows (RFC 9113, section 6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// Error code of a GOAWAY for a client that sends too much (RFC 9113, section 7).
const ENHANCE_YOUR_CALM: u32 = 11;

/// Error code of a reset for a request that was not processed.
const REFUSED_STREAM: u32 = 7;

/// Time that a client has to acknowledge a GOAWAY.
const GOAWAY_GRACE: Duration = Duration::from_millis(500);

/// The stages of a connection's shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// The client got a GOAWAY; requests that it had already sent are served.
    Draining,
    /// The client got a GOAWAY, and further requests are rejected.
    Rejecting,
}

/// Serves a connection and all of its streams to their ends.
pub(crate) async fn serve<A: ConnectionHandler>(
    app: Arc<A>,
    stream: Stream,
    abuse: AbuseSignal,
    limits: &ConnectionLimits,
    stop: watch::Receiver<bool>,
    token: StreamToken,
) {
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let shaken = timeout(
        limits.head_timeout,
        server::handshake(stream, Some(options(limits))),
    );
    let Ok(Ok(mut connection)) = shaken.await else {
        return;
    };

    let mut streams = JoinSet::new();
    let (mut rejected, mut late) = (0, 0);
    let mut stage = Stage::Open;
    let mut stopping = stop.clone();
    let mut deadline = Instant::now() + limits.head_timeout;
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stopping), if stage == Stage::Open => {
                connection.graceful_shutdown();
                stage = Stage::Draining;
                deadline = Instant::now() + GOAWAY_GRACE;
            }
            () = abuse.resets(), if stage != Stage::Rejecting => {
                tracing::debug!("sent GOAWAY to an HTTP/2 client that reset too many requests");
                connection.graceful_shutdown();
                stage = Stage::Rejecting;
                deadline = Instant::now() + GOAWAY_GRACE;
            }
            () = abuse.flood() => {
                tracing::debug!("closed an HTTP/2 connection: the client sent too many frames that carry nothing (ENHANCE_YOUR_CALM)");
                connection.abrupt_shutdown(ENHANCE_YOUR_CALM.into());
                let closed = poll_fn(|cx| connection.poll_closed(cx));
                // The connection is closed either way.
                let _ = timeout(GOAWAY_GRACE, closed).await;
                break;
            }
            Some(_) = streams.join_next() => {
                let idle = match stage {
                    Stage::Open => limits.head_timeout,
                    // The end of the last response may still be in the send buffer.
                    Stage::Draining | Stage::Rejecting => limits.write_timeout,
                };
                deadline = Instant::now() + idle;
            }
            accepted = server::HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest)) => {
                match accepted {
                    Ok(Some(H2Accept::Session(mut session))) if stage == Stage::Rejecting => {
                        session.shutdown_with_reason(REFUSED_STREAM.into());
                        late += 1;
                        if late > MAX_LATE {
                            break;
                        }
                    }
                    Ok(Some(H2Accept::Session(session))) => {
                        let (app, stop, token) = (Arc::clone(&app), stop.clone(), token.clone());
                        streams.spawn(async move {
                            let _token = token;
                            let mut session = HttpSession::from(Box::new(Http2::new(session)));
                            app.serve(&mut session, &stop).await;
                        });
                    }
                    Ok(Some(H2Accept::Rejected)) if rejected < MAX_REJECTED => rejected += 1,
                    Ok(_) | Err(_) => break,
                }
            }
            () = sleep_until(deadline), if streams.is_empty() => match stage {
                Stage::Open => {
                    connection.graceful_shutdown();
                    stage = Stage::Draining;
                    deadline = Instant::now() + GOAWAY_GRACE;
                }
                Stage::Draining | Stage::Rejecting => break,
            },
        }
    }

    // Streams that still run notice here that their client has disconnected, and settle.
    drop(connection);
    while streams.join_next().await.is_some() {}
}

fn options(limits: &ConnectionLimits) -> H2Options {
    let mut options = default_h2_options();
    // Enough for all streams: bodies that wait for a slow upstream must not block the other requests.
    let window = limits
        .streams
        .saturating_mul(STREAM_WINDOW)
        .clamp(STREAM_WINDOW, MAX_WINDOW);
    options
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(window)
        .max_header_list_size(limits.head_bytes)
        .max_concurrent_streams(limits.streams);
    options
}
