//! One HTTP/2 connection: its streams are requests like any other.
//!
//! The accept loop is ours for the same reason as the listener's: a connection is not over before its streams are, so
//! that a drain waits for all of them, and a cut cuts all of them. A connection without a request is told to go
//! (GOAWAY) after the head timeout, and at a stop at once. Streams at a time and header lists are limited by the terms;
//! a client that keeps sending requests which are refused unread is let go, one that sends frames without end is told to
//! be calm, and one that takes back request after request is told to go: its other answers run to their end.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{
    self, H2Accept, H2Options, HttpSession, default_h2_options,
};
use pingora_core::protocols::{Digest, Stream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::terms::{Entrance, Terms};
use super::{Held, stopped};
use crate::listen::stream::Calm;

/// Requests that are refused unread before the connection is closed.
const REFUSALS: usize = 32;

/// Requests after a client that takes back too many was told to go, before the connection is closed: it has not heard of it
/// when it sends the first of them.
const LATE: usize = 1000;

/// What a client may send of one body ahead of its acknowledgements, so that distance does not hold it up.
pub(crate) const STREAM_WINDOW: u32 = 1024 * 1024;

/// The largest window that HTTP/2 has (RFC 9113, section 6.9.1).
const LARGEST_WINDOW: u32 = (1 << 31) - 1;

/// The code of a GOAWAY for a client that sends too much (RFC 9113, section 7).
const ENHANCE_YOUR_CALM: u32 = 11;

/// The code of a reset for a request that was not looked at.
const REFUSED_STREAM: u32 = 7;

/// How long a client has to confirm a GOAWAY.
const FAREWELL: Duration = Duration::from_millis(500);

/// Whether the client has been told that no further request will be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Leaving,
    /// It is, and what it still asks is refused.
    Refusing,
}

/// Serves a connection to its end, and its streams to theirs.
pub(crate) async fn serve<A: Entrance>(
    app: Arc<A>,
    stream: Stream,
    calm: Calm,
    terms: &Terms,
    stop: watch::Receiver<bool>,
    held: Held,
) {
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let shaken = timeout(
        terms.head_timeout,
        server::handshake(stream, Some(options(terms))),
    );
    let Ok(Ok(mut connection)) = shaken.await else {
        return;
    };

    let mut streams = JoinSet::new();
    let (mut refusals, mut late) = (0, 0);
    let mut stage = Stage::Open;
    let mut stopping = stop.clone();
    let mut deadline = Instant::now() + terms.head_timeout;
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stopping), if stage == Stage::Open => {
                connection.graceful_shutdown();
                stage = Stage::Leaving;
                deadline = Instant::now() + FAREWELL;
            }
            () = calm.leave(), if stage != Stage::Refusing => {
                tracing::debug!("an HTTP/2 client that took back too many requests was told to go");
                connection.graceful_shutdown();
                stage = Stage::Refusing;
                deadline = Instant::now() + FAREWELL;
            }
            () = calm.end() => {
                tracing::debug!("an HTTP/2 client that sent too much was told to be calm");
                connection.abrupt_shutdown(ENHANCE_YOUR_CALM.into());
                let farewell = poll_fn(|cx| connection.poll_closed(cx));
                // It is closed either way.
                let _ = timeout(FAREWELL, farewell).await;
                break;
            }
            Some(_) = streams.join_next() => {
                let rest = match stage {
                    Stage::Open => terms.head_timeout,
                    // The end of the last answer may still be on its way.
                    Stage::Leaving | Stage::Refusing => terms.write_timeout,
                };
                deadline = Instant::now() + rest;
            }
            accepted = HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest)) => {
                match accepted {
                    Ok(Some(H2Accept::Session(mut session))) if stage == Stage::Refusing => {
                        session.shutdown_with_reason(REFUSED_STREAM.into());
                        late += 1;
                        if late > LATE {
                            break;
                        }
                    }
                    Ok(Some(H2Accept::Session(session))) => {
                        let (app, stop, held) = (Arc::clone(&app), stop.clone(), held.clone());
                        streams.spawn(async move {
                            let _held = held;
                            app.process_new_http(ServerSession::new_http2(session), &stop)
                                .await;
                        });
                    }
                    Ok(Some(H2Accept::Rejected)) if refusals < REFUSALS => refusals += 1,
                    Ok(_) | Err(_) => break,
                }
            }
            () = sleep_until(deadline), if streams.is_empty() => match stage {
                Stage::Open => {
                    connection.graceful_shutdown();
                    stage = Stage::Leaving;
                    deadline = Instant::now() + FAREWELL;
                }
                Stage::Leaving | Stage::Refusing => break,
            },
        }
    }

    // Streams that still run learn here that their client is gone, and settle.
    drop(connection);
    while streams.join_next().await.is_some() {}
}

fn options(terms: &Terms) -> H2Options {
    let mut options = default_h2_options();
    // Enough for all streams: bodies that wait for a slow upstream must not hold up the other requests.
    let window = terms
        .streams
        .saturating_mul(STREAM_WINDOW)
        .clamp(STREAM_WINDOW, LARGEST_WINDOW);
    options
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(window)
        .max_header_list_size(terms.head_bytes)
        .max_concurrent_streams(terms.streams);
    options
}
