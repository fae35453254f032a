//! A client's connection: HTTP/1.1 with keep-alive, as little work as possible beside the proxy's.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a proxy.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    body: Vec<u8>,
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
            body: Vec::with_capacity(64 * 1024),
        }
    }

    /// Sends a request and reads the answer to its end.
    ///
    /// # Panics
    ///
    /// The answer is not the expected one.
    pub(crate) async fn ask(&mut self, request: &[u8], expected: &[u8]) {
        self.stream
            .write_all(request)
            .await
            .expect("the proxy takes the request");
        self.answer(expected).await.expect("the proxy answers");
    }

    async fn answer(&mut self, expected: &[u8]) -> io::Result<()> {
        self.received.clear();
        self.body.clear();
        let end = loop {
            self.more().await?;
            if let Some(end) = memchr::memmem::find(&self.received, b"\r\n\r\n") {
                break end;
            }
        };
        let head = String::from_utf8_lossy(&self.received[..end]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map(|length| length.trim().parse::<usize>().expect("a length"));
        let mut at = end + 4;
        match length {
            Some(length) => {
                while self.received.len() < at + length {
                    self.more().await?;
                }
                self.body.extend_from_slice(&self.received[at..at + length]);
            }
            None => while self.chunk(&mut at).await? {},
        }
        assert!(
            self.body == expected,
            "the answer is not the upstream's: {}",
            String::from_utf8_lossy(&self.body)
        );
        Ok(())
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

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
