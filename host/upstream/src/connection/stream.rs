//! The bytes of a connection to an upstream.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};

/// A socket, or TLS over a socket.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> ByteStream for T {}

/// The bytes of a connection.
pub(super) type Stream = Box<dyn ByteStream>;

/// Writes all parts in as few calls as the connection takes, and flushes.
///
/// # Errors
///
/// The connection broke.
pub(super) async fn write_all(
    stream: &mut Stream,
    mut parts: &mut [IoSlice<'_>],
) -> io::Result<()> {
    // Leaves out those that are empty.
    IoSlice::advance_slices(&mut parts, 0);
    poll_fn(|cx| {
        while !parts.is_empty() {
            let written = Pin::new(&mut *stream).poll_write_vectored(cx, parts);
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => IoSlice::advance_slices(&mut parts, written),
            }
        }
        Pin::new(&mut *stream).poll_flush(cx)
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn parts_arrive_one_behind_the_other_however_little_is_taken_at_a_time() {
        let (mut server, client) = duplex(7);
        let wire = ["", "head\r\n\r\n", "", "a body of some length", "end", ""];
        let expected = wire.concat();
        let sent = tokio::spawn(async move {
            let mut stream: Stream = Box::new(client);
            let mut parts = wire.map(|part| IoSlice::new(part.as_bytes()));
            write_all(&mut stream, &mut parts).await
        });
        let mut came = vec![0; expected.len()];
        server.read_exact(&mut came).await.unwrap();
        assert_eq!(came, expected.as_bytes());
        sent.await.unwrap().unwrap();
    }
}
