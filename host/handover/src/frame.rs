//! The protocol between the two processes: frames of a length, a kind and a payload.
//!
//! A frame is four bytes of payload length (big-endian), one byte of kind, and the payload. Messages are JSON; log frames
//! hold the same lines as a spool. The hello and the refusal keep their form in every version, so that any two versions
//! can tell each other that they are incompatible.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use witgate_ledger::{Carried, Position, Resets};

use super::record::invalid;

/// The longest wait of either process for the other's next message.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The version of the protocol. Other versions are refused. A new kind of window or unit is a new version.
pub(crate) const PROTOCOL: u32 = 2;

/// The longest payload that is accepted, in bytes.
const MAX_PAYLOAD_BYTES: u32 = 256 << 20;

/// The number of bytes before the payload.
const HEADER: usize = 5;

/// The most sockets in one frame.
const MAX_SOCKETS: usize = 8;

/// The first message of a new process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// [`PROTOCOL`].
    pub(crate) witgate_upgrade: u32,
    /// The version of the program, for the log.
    pub(crate) version: String,
    pub(crate) pid: u32,
}

/// A message of the old process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromOld {
    /// The handover is refused.
    Refused { reason: String },
    /// The offer; the frame carries the sockets, in the order of `sockets`.
    Offer(Offer),
    /// A part of the ledger's balances.
    Balances(Vec<Carried>),
    /// All balances have been sent.
    Ready,
    /// The old process has let go; the new one serves.
    Commit,
    /// The log is complete and acknowledged.
    Done,
}

/// The offer to a new process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// The version of the program, for the log.
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) sockets: Vec<Socket>,
    /// The file to which the old process writes records that the new one does not acknowledge.
    pub(crate) spool: PathBuf,
    pub(crate) open_holds: u64,
    /// The last step that the balances contain; zeros from a process without a lasting journal.
    #[serde(default)]
    pub(crate) position: Position,
    /// The resets that the balances contain.
    #[serde(default)]
    pub(crate) resets: Resets,
    /// What else the gateway tells its successor.
    #[serde(default)]
    pub(crate) notes: Value,
}

/// A socket in transit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Socket {
    Clients(SocketAddr),
    Admin(SocketAddr),
    Upgrade(PathBuf),
}

/// A message of the new process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromNew {
    /// The new process has taken over everything and can serve.
    Ready,
    /// All records up to this number are counted.
    Ack { through: u64 },
}

/// A frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A message in JSON.
    Message(Vec<u8>),
    /// Lines of the log.
    Log(Vec<u8>),
}

// === impl Frame ===

impl Frame {
    /// Returns a frame with a message.
    pub(crate) fn message(message: &impl Serialize) -> io::Result<Self> {
        Ok(Self::Message(serde_json::to_vec(message)?))
    }

    /// Reads the frame as a message.
    ///
    /// # Errors
    ///
    /// The frame is a log frame, or another message.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> io::Result<T> {
        match self {
            Self::Message(json) => Ok(serde_json::from_slice(json)?),
            Self::Log(_) => Err(invalid(
                "protocol error: expected a message, got a log frame",
            )),
        }
    }

    fn parts(&self) -> (u8, &[u8]) {
        match self {
            Self::Message(json) => (b'w', json),
            Self::Log(lines) => (b'l', lines),
        }
    }

    fn header(&self) -> io::Result<[u8; HEADER]> {
        let (kind, payload) = self.parts();
        let length = u32::try_from(payload.len())
            .ok()
            .filter(|length| *length <= MAX_PAYLOAD_BYTES)
            .ok_or_else(|| invalid("the frame is too long to send"))?;
        let [a, b, c, d] = length.to_be_bytes();
        Ok([a, b, c, d, kind])
    }

    /// Sends the frame.
    pub(crate) async fn send(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        to.write_all(&self.header()?).await?;
        to.write_all(self.parts().1).await?;
        to.flush().await
    }

    /// Sends the frame together with sockets.
    pub(crate) async fn send_with(
        &self,
        sockets: &[BorrowedFd<'_>],
        to: &mut UnixStream,
    ) -> io::Result<()> {
        let header = self.header()?;
        let sent = to
            .async_io(Interest::WRITABLE, || {
                let mut space =
                    [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !control.push(SendAncillaryMessage::ScmRights(sockets)) {
                    return Err(invalid("too many sockets for one frame"));
                }
                let header = [IoSlice::new(&header)];
                Ok(rustix::net::sendmsg(
                    &*to,
                    &header,
                    &mut control,
                    SendFlags::NOSIGNAL,
                )?)
            })
            .await?;
        // The sockets travel with the first byte; the system takes all five bytes of the header or none.
        to.write_all(header.get(sent..).unwrap_or_default()).await?;
        to.write_all(self.parts().1).await?;
        to.flush().await
    }

    /// Receives the next frame.
    pub(crate) async fn receive(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut header = [0; HEADER];
        from.read_exact(&mut header).await?;
        Self::after(header, from).await
    }

    /// Receives the next frame and its sockets.
    pub(crate) async fn receive_with(from: &mut UnixStream) -> io::Result<(Self, Vec<OwnedFd>)> {
        let mut header = [0; HEADER];
        let mut sockets = Vec::new();
        let read = from
            .async_io(Interest::READABLE, || {
                let mut space =
                    [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
                let mut control = RecvAncillaryBuffer::new(&mut space);
                let mut into = [IoSliceMut::new(&mut header)];
                let received =
                    rustix::net::recvmsg(&*from, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
                for message in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(fds) = message {
                        sockets.extend(fds);
                    }
                }
                Ok(received.bytes)
            })
            .await?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some(rest) = header.get_mut(read..) {
            from.read_exact(rest).await?;
        }
        Ok((Self::after(header, from).await?, sockets))
    }

    async fn after(
        [a, b, c, d, kind]: [u8; HEADER],
        from: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Self> {
        let length = u32::from_be_bytes([a, b, c, d]);
        if length > MAX_PAYLOAD_BYTES {
            return Err(invalid("the frame is too long"));
        }
        let mut payload = Vec::new();
        // The buffer grows with the data, so a wrong length alone takes no memory.
        let read = from.take(length.into()).read_to_end(&mut payload).await?;
        if read as u64 != u64::from(length) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match kind {
            b'w' => Ok(Self::Message(payload)),
            b'l' => Ok(Self::Log(payload)),
            _ => Err(invalid("the frame is of an unknown kind")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[tokio::test]
    async fn frames_arrive_as_they_were_sent_with_their_sockets() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let sent = Frame::message(&Socket::Clients(address)).unwrap();
        sent.send_with(&[socket.as_fd(), socket.as_fd()], &mut one)
            .await
            .unwrap();
        Frame::Log(b"a\nb\n".to_vec()).send(&mut one).await.unwrap();

        let (frame, sockets) = Frame::receive_with(&mut other).await.unwrap();
        assert_eq!(frame, sent, "the message");
        assert_eq!(sockets.len(), 2, "and its sockets");
        for fd in sockets {
            let listener = std::net::TcpListener::from(fd);
            assert_eq!(listener.local_addr().unwrap(), address, "the same socket");
        }
        assert_eq!(
            Frame::receive(&mut other).await.unwrap(),
            Frame::Log(b"a\nb\n".to_vec()),
            "the log"
        );
        drop(one);
        let end = Frame::receive(&mut other).await.unwrap_err();
        assert_eq!(end.kind(), ErrorKind::UnexpectedEof, "the end shows");
    }

    #[tokio::test]
    async fn a_frame_that_is_not_ours_is_an_error() {
        for bytes in [&b"\xff\xff\xff\xffw"[..], b"\0\0\0\0x", b"\0\0\0\x09wshort"] {
            let mut from = bytes;
            assert!(Frame::receive(&mut from).await.is_err(), "{bytes:?}");
        }
    }
}
