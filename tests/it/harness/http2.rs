//! HTTP/2 on both sides of the gateway: a client, and an upstream whose behaviour a test writes out.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::request::Request;
use super::upstream::listen;
use super::within_timeout;

/// A client's connection. Dropping it closes the connection.
pub struct Http2Client {
    send: SendRequest<Bytes>,
    driving: JoinHandle<Result<(), h2::Error>>,
}

/// An answer over HTTP/2, and how it ended.
#[derive(Debug)]
pub struct Http2Response {
    pub head: http::Response<()>,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
    /// The error that ended the stream early.
    pub broken: Option<h2::Error>,
}

/// A request that came to an [`Http2Upstream`], its body read.
#[derive(Debug, Clone)]
pub struct Http2Recorded {
    /// The connection it came on, counted from 0.
    pub connection: usize,
    pub head: Arc<http::request::Parts>,
    pub body: Bytes,
}

/// An upstream that speaks HTTP/2 only. Dropping it closes its port and its connections.
pub struct Http2Upstream {
    address: SocketAddr,
    seen: Arc<watch::Sender<Vec<Http2Recorded>>>,
    leaving: watch::Sender<u32>,
    accepting: JoinHandle<()>,
}

/// The moment at which a script is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    AfterTheBody,
    BeforeTheBody,
}

/// A client's connection to an [`Http2Upstream`].
struct Connection<S> {
    number: usize,
    order: Order,
    script: Arc<S>,
    seen: Arc<watch::Sender<Vec<Http2Recorded>>>,
    left: watch::Receiver<u32>,
}

/// A test's reaction to a request. It gets the request, the number of its connection, and the answer to write.
pub trait Script: Fn(Http2Recorded, SendResponse<Bytes>) + Send + Sync + 'static {}

impl<F: Fn(Http2Recorded, SendResponse<Bytes>) + Send + Sync + 'static> Script for F {}

// === impl Http2Client ===

impl Http2Client {
    /// Connects in the clear, with prior knowledge.
    pub async fn connect(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address)
            .await
            .expect("the gateway listens");
        tcp.set_nodelay(true).expect("a fresh socket");
        Self::over(tcp).await
    }

    /// Connects as a client that takes nothing of any answer's body.
    pub async fn connect_with_shut_windows(address: SocketAddr) -> Self {
        let tcp = TcpStream::connect(address)
            .await
            .expect("the gateway listens");
        let mut settings = h2::client::Builder::new();
        settings.initial_window_size(0);
        Self::over_with(tcp, &settings).await
    }

    /// Speaks HTTP/2 over a connected stream.
    pub async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self::over_with(io, &h2::client::Builder::new()).await
    }

    async fn over_with(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        settings: &h2::client::Builder,
    ) -> Self {
        let (send, connection) = within_timeout("an HTTP/2 handshake", settings.handshake(io))
            .await
            .expect("the gateway speaks HTTP/2");
        Self {
            send,
            driving: tokio::spawn(connection),
        }
    }

    /// Sends the head of a request; the body follows on the stream.
    pub async fn open(
        &mut self,
        request: http::Request<()>,
        end: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut send = within_timeout("a free stream", self.send.clone().ready()).await?;
        send.send_request(request, end)
    }

    /// Sends a request of the harness and starts to wait for its answer.
    pub async fn send(&mut self, request: &Request) -> Result<ResponseFuture, h2::Error> {
        let head = translated(request);
        let (answer, mut stream) = self.open(head, request.body.is_empty()).await?;
        if !request.body.is_empty() {
            // A stream may be over before its body is sent; its answer says how.
            let _ = stream.send_data(Bytes::from(request.body.clone()), true);
        }
        Ok(answer)
    }

    /// Sends a request and reads its answer to its end, or to where it breaks off.
    pub async fn ask(&mut self, request: &Request) -> Result<Http2Response, h2::Error> {
        let answer = self.send(request).await?;
        Http2Response::read(answer).await
    }

    /// Waits for the connection's end.
    pub async fn closed(self) -> Result<(), h2::Error> {
        let Self { send, driving } = self;
        let ended = within_timeout("the connection to end", driving)
            .await
            .unwrap();
        drop(send);
        ended
    }
}

/// The request as HTTP/2 writes it: no `Host`, no lengths that the body does not need.
fn translated(request: &Request) -> http::Request<()> {
    let mut head = http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("http://gateway.test{}", request.target));
    for (name, value) in &request.headers.0 {
        if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("content-length") {
            head = head.header(name, value);
        }
    }
    head.body(()).expect("a request that HTTP/2 can carry")
}

// === impl Http2Response ===

impl Http2Response {
    /// Reads an answer to its end.
    pub async fn read(answer: ResponseFuture) -> Result<Self, h2::Error> {
        let (head, mut stream) = within_timeout("the head of an answer", answer)
            .await?
            .into_parts();
        let mut response = Self {
            head: http::Response::from_parts(head, ()),
            body: Vec::new(),
            trailers: None,
            broken: None,
        };
        response.broken = response.drain(&mut stream).await.err();
        Ok(response)
    }

    async fn drain(&mut self, stream: &mut RecvStream) -> Result<(), h2::Error> {
        while let Some(data) = within_timeout("a part of the body", stream.data()).await {
            let data = data?;
            stream.flow_control().release_capacity(data.len())?;
            self.body.extend_from_slice(&data);
        }
        self.trailers = within_timeout("the trailers", stream.trailers()).await?;
        Ok(())
    }

    pub fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("a body of UTF-8")
    }
}

// === impl Http2Upstream ===

impl Http2Upstream {
    /// Answers by a script, in the clear.
    pub async fn start(script: impl Script) -> Self {
        Self::start_with(None, Order::AfterTheBody, script).await
    }

    /// Answers by a script as soon as the head of a request is there.
    pub async fn start_eager(script: impl Script) -> Self {
        Self::start_with(None, Order::BeforeTheBody, script).await
    }

    /// Answers by a script, over TLS.
    pub async fn start_tls(server: Arc<ServerConfig>, script: impl Script) -> Self {
        Self::start_with(Some(server), Order::AfterTheBody, script).await
    }

    /// Gives every request the same whole answer.
    pub async fn always(body: &'static [u8]) -> Self {
        Self::start(move |_, answer| whole(answer, body)).await
    }

    async fn start_with(tls: Option<Arc<ServerConfig>>, order: Order, script: impl Script) -> Self {
        let (listener, address) = listen().await;
        let seen = Arc::new(watch::Sender::default());
        let served = Arc::clone(&seen);
        let script = Arc::new(script);
        let leaving = watch::Sender::new(0);
        let left = leaving.subscribe();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let Ok((tcp, _)) = listener.accept().await else {
                    return;
                };
                tcp.set_nodelay(true).expect("a fresh socket");
                let tls = tls.clone();
                let mut left = left.clone();
                left.mark_unchanged();
                let connection = Connection {
                    number,
                    order,
                    script: Arc::clone(&script),
                    seen: Arc::clone(&served),
                    left,
                };
                connections.spawn(async move {
                    match tls {
                        None => connection.serve(tcp).await,
                        Some(server) => {
                            if let Ok(tls) = TlsAcceptor::from(server).accept(tcp).await {
                                connection.serve(tls).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            seen,
            leaving,
            accepting,
        }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Http2Recorded> {
        self.seen.borrow().clone()
    }

    /// Tells the clients of all connections to go (GOAWAY); what runs is finished.
    pub fn go_away(&self) {
        self.leaving.send_modify(|times| *times += 1);
    }
}

impl Drop for Http2Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Writes a whole answer of 200.
pub fn whole(mut answer: SendResponse<Bytes>, body: &'static [u8]) {
    let head = http::Response::builder()
        .header("content-type", "application/json")
        .body(())
        .unwrap();
    if let Ok(mut stream) = answer.send_response(head, false) {
        let _ = stream.send_data(Bytes::from_static(body), true);
    }
}

// === impl Connection ===

impl<S: Script> Connection<S> {
    async fn serve(mut self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Ok(mut accepted) = h2::server::handshake(io).await else {
            return;
        };
        let mut streams = JoinSet::new();
        loop {
            tokio::select! {
                Ok(()) = self.left.changed() => accepted.graceful_shutdown(),
                next = accepted.accept() => {
                    let Some(Ok((request, answer))) = next else { return };
                    streams.spawn(self.exchange(request, answer));
                }
            }
        }
    }

    fn exchange(
        &self,
        request: http::Request<RecvStream>,
        answer: SendResponse<Bytes>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (script, seen) = (Arc::clone(&self.script), Arc::clone(&self.seen));
        let (connection, order) = (self.number, self.order);
        async move {
            let (head, mut stream) = request.into_parts();
            let mut recorded = Http2Recorded {
                connection,
                head: Arc::new(head),
                body: Bytes::new(),
            };
            let mut answer = Some(answer);
            if let Some(answer) = answer.take_if(|_| order == Order::BeforeTheBody) {
                script(recorded.clone(), answer);
            }
            let mut body = Vec::new();
            while let Some(Ok(data)) = stream.data().await {
                let _ = stream.flow_control().release_capacity(data.len());
                body.extend_from_slice(&data);
            }
            recorded.body = body.into();
            seen.send_modify(|seen| seen.push(recorded.clone()));
            if let Some(answer) = answer {
                script(recorded, answer);
            }
        }
    }
}
