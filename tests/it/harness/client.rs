//! A client that sends exactly what it is told to and shows exactly what came back.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::reply::{Reply, Response};
use super::request::Request;
use super::wire::Incoming;
use super::within_timeout;

/// A client's connection. Requests may be sent one after the other, or several before the first answer is read.
#[derive(Debug)]
pub struct Client {
    incoming: Incoming<OwnedReadHalf>,
    outgoing: OwnedWriteHalf,
    /// The methods of the requests whose answers are still to come: an answer to HEAD has no body.
    pending: VecDeque<String>,
}

// === impl Client ===

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let tcp = within_timeout("a connection", TcpStream::connect(address))
            .await
            .expect("the gateway listens");
        tcp.set_nodelay(true).expect("a fresh socket takes options");
        let (source, outgoing) = tcp.into_split();
        Self {
            incoming: Incoming::new(source),
            outgoing,
            pending: VecDeque::new(),
        }
    }

    /// Sends a request in one write.
    pub async fn send(&mut self, request: &Request) {
        self.pending.push_back(request.method.clone());
        self.write(&request.to_bytes()).await;
    }

    /// Sends a request in writes of at most so many bytes, each flushed by itself.
    pub async fn send_in_pieces(&mut self, request: &Request, size: usize) {
        self.pending.push_back(request.method.clone());
        for piece in request.to_bytes().chunks(size) {
            self.write(piece).await;
        }
    }

    /// Sends bytes as they are. An answer to them is read as one to a POST.
    pub async fn write(&mut self, bytes: &[u8]) {
        let written = within_timeout("the gateway to read", self.outgoing.write_all(bytes)).await;
        written.expect("the gateway takes what is sent");
    }

    /// Like [`Client::write`], for a peer that may close instead of reading: returns true if the peer took everything.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        within_timeout(
            "the gateway to read or close",
            self.outgoing.write_all(bytes),
        )
        .await
        .is_ok()
    }

    /// Sends a request and reads the whole answer.
    pub async fn ask(&mut self, request: &Request) -> Response {
        self.send(request).await;
        self.receive().await
    }

    /// Reads the next answer to its end, wherever that is.
    pub async fn receive(&mut self) -> Response {
        self.reply().await.rest().await
    }

    /// Like [`Client::receive`], for a peer that may close the connection instead: `None` if no whole head came.
    pub async fn try_receive(&mut self) -> Option<Response> {
        let method = self.pending.pop_front().unwrap_or_default();
        loop {
            let head = within_timeout("the head of an answer", self.incoming.head()).await;
            let head = head.ok().flatten()?;
            if !head.start.starts_with("HTTP/1.1 1") {
                return Some(Reply::new(head, &method, &mut self.incoming).rest().await);
            }
        }
    }

    /// Reads the head of the next answer; the body is then read at the test's own pace. Interim answers are skipped.
    ///
    /// # Panics
    /// When the connection ends instead.
    pub async fn reply(&mut self) -> Reply<'_> {
        let method = self.pending.pop_front().unwrap_or_default();
        loop {
            let head = within_timeout("the head of an answer", self.incoming.head()).await;
            let head = head
                .expect("a well-formed head")
                .expect("an answer and not the end of the connection");
            if !head.start.starts_with("HTTP/1.1 1") {
                return Reply::new(head, &method, &mut self.incoming);
            }
        }
    }

    /// Reads the next head, which may be that of an interim answer, and gives its start line.
    ///
    /// # Panics
    /// When the connection ends instead.
    pub async fn interim(&mut self) -> String {
        let head = within_timeout("the head of an answer", self.incoming.head()).await;
        head.expect("a well-formed head")
            .expect("an answer and not the end of the connection")
            .start
    }

    /// Waits for the other side to close, and says whether it did so without another byte.
    pub async fn closed(&mut self) -> bool {
        match within_timeout("the connection to close", self.incoming.some(1)).await {
            Ok(bytes) => bytes.is_empty(),
            // A peer that closes with bytes of ours unread resets the connection.
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// Reads until the other side closes.
    pub async fn until_closed(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Ok(bytes) =
            within_timeout("the connection to close", self.incoming.some(usize::MAX)).await
        {
            if bytes.is_empty() {
                break;
            }
            all.extend(bytes);
        }
        all
    }

    /// Sends the end of this side and waits for the other to close.
    pub async fn finish(mut self) {
        // A gateway that has closed already has nothing to be told.
        let _ = self.outgoing.shutdown().await;
        self.until_closed().await;
    }

    /// Closes at once, whatever is still to come.
    pub fn close(self) {
        drop(self);
    }
}
