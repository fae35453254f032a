//! HTTP/1.1 as bytes: heads with their order and case kept, and bodies read by their framing.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Header lines, in order and as spelt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

/// The first line of a message and its header lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) start: String,
    pub(super) headers: Headers,
    /// The bytes as they came, through the empty line.
    pub(super) raw: Vec<u8>,
}

/// The framing of a message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// The reading side of a connection, with what was read too far.
#[derive(Debug)]
pub(super) struct Incoming<R> {
    source: R,
    buffer: Vec<u8>,
}

// === impl Headers ===

impl Headers {
    /// The value of the first line of that name, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all lines of that name, in order.
    pub fn all<'h>(&'h self, name: &str) -> impl Iterator<Item = &'h str> {
        self.0
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The names, in order and as spelt.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The framing these headers declare, or nothing.
    pub(super) fn framing(&self) -> Option<Framing> {
        if self
            .get("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return Some(Framing::Chunked);
        }
        Some(Framing::Length(self.get("content-length")?.parse().ok()?))
    }
}

// === impl Head ===

impl Head {
    fn parse(raw: Vec<u8>) -> io::Result<Self> {
        let text = str::from_utf8(&raw).map_err(|error| broken(error.to_string()))?;
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| broken(format!("no colon in {line:?}")))?;
            Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
        });
        let headers = Headers(headers.collect::<io::Result<_>>()?);
        Ok(Self {
            start,
            headers,
            raw,
        })
    }
}

// === impl Incoming ===

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(super) const fn new(source: R) -> Self {
        Self {
            source,
            buffer: Vec::new(),
        }
    }

    /// Reads once more. Zero is the end. May be dropped without losing a byte.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        self.source.read_buf(&mut self.buffer).await
    }

    /// The next head, or nothing when the peer closed where a message would begin.
    pub(super) async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let raw: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Head::parse(raw).map(Some);
            }
            if self.fill().await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// So many bytes, or as many as come before the end.
    pub(super) async fn take(&mut self, wanted: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < wanted {
            if self.fill().await? == 0 {
                break;
            }
        }
        let got = wanted.min(self.buffer.len());
        Ok(self.buffer.drain(..got).collect())
    }

    /// Reads the bytes that have arrived, at least one; empty at the end of the connection.
    pub(super) async fn some(&mut self, at_most: usize) -> io::Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        let got = at_most.min(self.buffer.len());
        Ok(self.buffer.drain(..got).collect())
    }

    /// The next chunk of the chunked coding. The last one is empty, and its trailers are read and dropped.
    pub(super) async fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let size = loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete((used, size))) => {
                    self.buffer.drain(..used);
                    break usize::try_from(size).map_err(|error| broken(error.to_string()))?;
                }
                Ok(httparse::Status::Partial) if self.fill().await? > 0 => {}
                Ok(httparse::Status::Partial) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(_) => {
                    return Err(broken(format!(
                        "not a chunk size: {:?}",
                        self.buffer.get(..32)
                    )));
                }
            }
        };
        if size == 0 {
            while !self.line().await?.is_empty() {}
            return Ok(Vec::new());
        }
        let chunk = self.take(size).await?;
        if chunk.len() < size || !self.line().await?.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(chunk)
    }

    /// The body of a request, which always says where it ends.
    pub(super) async fn request_body(&mut self, framing: Option<Framing>) -> io::Result<Vec<u8>> {
        match framing {
            None | Some(Framing::UntilClose) => Ok(Vec::new()),
            Some(Framing::Length(length)) => {
                let body = self.take(length).await?;
                if body.len() < length {
                    Err(io::ErrorKind::UnexpectedEof.into())
                } else {
                    Ok(body)
                }
            }
            Some(Framing::Chunked) => {
                let mut body = Vec::new();
                loop {
                    let chunk = self.chunk().await?;
                    if chunk.is_empty() {
                        return Ok(body);
                    }
                    body.extend(chunk);
                }
            }
        }
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let mut line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                line.truncate(end);
                return Ok(line);
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

pub(super) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn broken(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
