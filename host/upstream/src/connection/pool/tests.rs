//! Connections that wait for requests, over real sockets.

use std::future::Future;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::yield_now;

use super::*;

/// A server that takes connections.
struct Server {
    listener: TcpListener,
    at: SocketAddr,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        Self { listener, at }
    }

    /// Returns both ends of a new connection.
    async fn connect(&self) -> (Stream, TcpStream) {
        let client = TcpStream::connect(self.at).await.expect("a connection");
        let (server, _) = self.listener.accept().await.expect("a connection");
        (Box::new(client), server)
    }
}

/// Returns the place of a connection in memory.
fn id(stream: &Stream) -> usize {
    std::ptr::from_ref(&**stream).addr()
}

fn pool(capacity: usize) -> Pool {
    Pool::new(capacity, Duration::from_secs(55))
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

/// Waits until the pool has closed all but so many connections.
async fn until_left(pool: &Pool, left: usize) {
    while pool.shelf().idle.lock().connections.len() > left {
        yield_now().await;
    }
}

#[tokio::test]
async fn the_connection_that_was_used_last_is_taken_first_and_only_for_its_address() {
    let (one, other) = (Server::start().await, Server::start().await);
    let pool = pool(8);
    let (first, _first) = one.connect().await;
    let (second, _second) = one.connect().await;
    let (foreign, _foreign) = other.connect().await;
    let ids = (id(&first), id(&second), id(&foreign));
    pool.put(one.at, first);
    pool.put(one.at, second);
    pool.put(other.at, foreign);
    let take = |at| pool.take(at).map(|stream| id(&stream));
    assert_eq!(take(one.at), Some(ids.1), "the last one");
    assert_eq!(take(one.at), Some(ids.0), "then the one before");
    assert_eq!(take(one.at), None, "the other is not for this address");
    assert_eq!(take(other.at), Some(ids.2));
}

#[tokio::test]
async fn a_connection_that_the_server_closes_or_speaks_on_is_given_to_no_request() {
    let server = Server::start().await;
    let pool = pool(8);
    let (closed, end) = server.connect().await;
    let (spoken_on, mut speaker) = server.connect().await;
    let (quiet, _end) = server.connect().await;
    let id = id(&quiet);
    for stream in [closed, spoken_on, quiet] {
        pool.put(server.at, stream);
    }
    drop(end);
    speaker.write_all(b"HTTP/1.1 408").await.expect("a write");
    until_left(&pool, 1).await;
    let taken = pool.take(server.at).expect("the quiet one");
    assert_eq!(self::id(&taken), id);
    assert_eq!(speaker.read(&mut [0; 8]).await.unwrap_or(0), 0, "closed");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_once_it_was_idle_for_its_time() {
    let server = Server::start().await;
    let pool = pool(8);
    let (stream, mut end) = server.connect().await;
    let put = Instant::now();
    pool.put(server.at, stream);
    assert_eq!(end.read(&mut [0; 8]).await.expect("a close"), 0);
    assert!(put.elapsed() >= Duration::from_secs(55), "not earlier");
    assert!(pool.take(server.at).is_none(), "it is gone");
    let (stream, _end) = server.connect().await;
    pool.put(server.at, stream);
    until_left(&pool, 1).await;
    assert!(pool.take(server.at).is_some(), "the pool goes on");
}

#[tokio::test]
async fn the_oldest_connection_gives_way_when_the_pool_is_full() {
    let server = Server::start().await;
    let pool = pool(2);
    let mut ends = Vec::new();
    for _ in 0..3 {
        let (stream, end) = server.connect().await;
        pool.put(server.at, stream);
        ends.push(end);
    }
    let closed = ends.first_mut().expect("three");
    assert_eq!(closed.read(&mut [0; 8]).await.expect("a close"), 0);
    assert!(pool.take(server.at).is_some() && pool.take(server.at).is_some());
    assert!(pool.take(server.at).is_none(), "two are kept");
}

#[test]
fn a_connection_is_kept_for_the_runtime_that_opened_it() {
    let pool = pool(8);
    let first = Builder::new_current_thread().enable_all().build();
    let first = first.expect("a runtime");
    let (at, _end) = first.block_on(async {
        let server = Server::start().await;
        let (stream, end) = server.connect().await;
        pool.put(server.at, stream);
        (server.at, end)
    });
    on_a_runtime(async {
        assert!(pool.take(at).is_none(), "another runtime");
    });
    first.block_on(async {
        assert!(pool.take(at).is_some(), "its own");
    });
}

#[tokio::test]
async fn cleared_connections_are_closed() {
    let server = Server::start().await;
    let pool = pool(8);
    let (stream, mut end) = server.connect().await;
    pool.put(server.at, stream);
    pool.clear(server.at);
    assert_eq!(end.read(&mut [0; 8]).await.expect("a close"), 0);
}
