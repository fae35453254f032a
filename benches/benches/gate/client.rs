//! A client's connection: HTTP/1.1 with keep-alive, as little work as possible beside the proxy's.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::work::Exchange;
use crate::{answers, clock};

/// A connection to a proxy.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    body: Vec<u8>,
    /// The end of the last event of which the stamp was read.
    event: usize,
    /// The moment of the last bytes.
    read_at: u64,
}

/// The moments of an exchange, in nanoseconds of the shared clock.
pub(crate) struct Moments {
    /// The request was about to be written.
    pub sent: u64,
    /// The first bytes of the answer were there.
    pub first: u64,
    /// The answer was there.
    pub ended: u64,
    /// Nanoseconds between the upstream's reading of the request and its writing of the answer, or 0 if it did not say.
    pub upstream: u64,
}

// === impl Connection ===

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .expect("the proxy listens");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            received: Vec::with_capacity(64 * 1024),
            body: Vec::new(),
            event: 0,
            read_at: 0,
        }
    }

    /// Sends a request and reads the answer to its end. Adds the nanoseconds that each stamped event took from the upstream to here
    /// to `delays`.
    ///
    /// # Panics
    ///
    /// The answer is not the expected one.
    pub(crate) async fn ask(&mut self, exchange: &Exchange, delays: &mut Vec<u64>) -> Moments {
        let sent = clock::now();
        self.send(&exchange.request).await;
        let (first, upstream) = self
            .answer(exchange, delays)
            .await
            .expect("the proxy answers");
        Moments {
            sent,
            first,
            ended: self.read_at,
            upstream,
        }
    }

    /// Sends a request and reads the answer until it has so many bytes behind its head, or more.
    pub(crate) async fn begin(&mut self, request: &[u8], bytes: usize) {
        self.send(request).await;
        let (_, head) = self.head().await.expect("the proxy answers");
        while self.received.len() < head.len() + 4 + bytes {
            self.more().await.expect("the proxy goes on");
        }
    }

    async fn send(&mut self, request: &[u8]) {
        self.stream
            .write_all(request)
            .await
            .expect("the proxy takes the request");
    }

    /// Reads an answer. Returns the moment of its first bytes, and the time that the upstream took.
    async fn answer(
        &mut self,
        exchange: &Exchange,
        delays: &mut Vec<u64>,
    ) -> io::Result<(u64, u64)> {
        let (first, head) = self.head().await?;
        let field = |name: &str| {
            let value = head.lines().find_map(|line| line.strip_prefix(name))?;
            Some(value.trim().parse::<u64>().expect("a number"))
        };
        let upstream = match (field("x-read-ns:"), field("x-wrote-ns:")) {
            (Some(read), Some(wrote)) => wrote - read,
            _ => 0,
        };
        let mut at = head.len() + 4;
        self.body.clear();
        self.event = 0;
        match field("content-length:") {
            Some(length) => {
                let end = at + usize::try_from(length).expect("a length");
                while self.received.len() < end {
                    self.more().await?;
                }
                self.body.extend_from_slice(&self.received[at..end]);
            }
            None => {
                while self.chunk(&mut at).await? {
                    if exchange.stamped {
                        self.read_stamps(delays);
                    }
                }
            }
        }
        assert!(
            self.body == exchange.expected,
            "the answer is not the upstream's: {}",
            String::from_utf8_lossy(&self.body)
        );
        Ok((first, upstream))
    }

    /// Reads the head of an answer, which is returned in lower case with the moment of its first bytes.
    async fn head(&mut self) -> io::Result<(u64, String)> {
        self.received.clear();
        self.more().await?;
        let first = self.read_at;
        let end = loop {
            if let Some(end) = memchr::memmem::find(&self.received, b"\r\n\r\n") {
                break end;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.received[..end]).to_ascii_lowercase();
        assert!(
            head.starts_with("http/1.1 200"),
            "{head}\n{}",
            String::from_utf8_lossy(&self.received[end..])
        );
        Ok((first, head))
    }

    /// Reads a chunk that begins at `at`, and moves `at` behind it. Returns `false` for the last one.
    async fn chunk(&mut self, at: &mut usize) -> io::Result<bool> {
        let line = loop {
            match memchr::memmem::find(&self.received[*at..], b"\r\n") {
                Some(found) => break found,
                None => self.more().await?,
            }
        };
        let size = std::str::from_utf8(&self.received[*at..*at + line]).expect("ASCII");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let begin = *at + line + 2;
        while self.received.len() < begin + size + 2 {
            self.more().await?;
        }
        self.body
            .extend_from_slice(&self.received[begin..begin + size]);
        *at = begin + size + 2;
        Ok(size > 0)
    }

    /// Reads the stamps of the events that are complete, and empties them.
    fn read_stamps(&mut self, delays: &mut Vec<u64>) {
        while let Some(found) = memchr::memmem::find(&self.body[self.event..], b"\n\n") {
            let end = self.event + found + 2;
            let stamp = answers::stamp(&mut self.body[self.event..end]);
            let written = std::str::from_utf8(stamp)
                .ok()
                .and_then(|at| at.parse().ok());
            delays.push(self.read_at - written.unwrap_or(self.read_at));
            stamp.fill(b'0');
            self.event = end;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let read = self.stream.read_buf(&mut self.received).await?;
        self.read_at = clock::now();
        match read {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
