//! What the two processes say: frames of a length, a kind and a payload.
//!
//! A frame is four bytes of length (big-endian, of the payload), one byte of kind, the payload. Words are JSON; a piece
//! of the log is the lines that a spool would have. The hello and the refusal keep their form in every version, so that
//! any two processes can tell each other that they do not understand each other.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::UnixStream;

use super::record::CarriedRecord;

/// The version of all this. Another one is refused.
pub(super) const PROTOCOL: u32 = 1;

/// Longest payload. What is longer is no frame of ours.
const LONGEST: u32 = 256 << 20;

/// Bytes before the payload.
const HEADER: usize = 5;

/// Most sockets that come with one frame.
const MOST_SOCKETS: usize = 8;

/// The first word of a new process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// [`PROTOCOL`].
    pub(super) witgate_upgrade: u32,
    /// The version of the program, for the log.
    pub(super) version: String,
    pub(super) pid: u32,
}

/// Words of the old process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromOld {
    /// No, and why.
    Refused { reason: String },
    /// What there is; the sockets come with this frame, in the order of `sockets`.
    Offer(Offer),
    /// A part of the ledger's balances.
    Balances(Vec<CarriedRecord>),
    /// All of the ledger has been said.
    Ready,
    /// It is yours.
    Commit,
    /// All is said and acknowledged.
    Done,
}

/// What a new process is offered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Offer {
    /// The version of the program, for the log.
    pub(super) version: String,
    pub(super) pid: u32,
    pub(super) sockets: Vec<Socket>,
    /// Where the old process writes what the new one does not acknowledge.
    pub(super) spool: PathBuf,
    pub(super) open_holds: u64,
}

/// A socket that is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Socket {
    Clients(SocketAddr),
    Admin(SocketAddr),
    Upgrade(PathBuf),
}

/// Words of the new process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromNew {
    /// It has taken everything over and could serve.
    Ready,
    /// Every record up to this one is counted.
    Ack { through: u64 },
}

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A word in JSON.
    Word(Vec<u8>),
    /// Lines of the log.
    Log(Vec<u8>),
}

// === impl Frame ===

impl Frame {
    /// A word.
    pub(super) fn word(word: &impl Serialize) -> io::Result<Self> {
        Ok(Self::Word(serde_json::to_vec(word)?))
    }

    /// Reads it as a word.
    pub(super) fn read<T: DeserializeOwned>(&self) -> io::Result<T> {
        match self {
            Self::Word(json) => Ok(serde_json::from_slice(json)?),
            Self::Log(_) => Err(invalid("a piece of the log came where a word was due")),
        }
    }

    fn parts(&self) -> (u8, &[u8]) {
        match self {
            Self::Word(json) => (b'w', json),
            Self::Log(lines) => (b'l', lines),
        }
    }

    fn header(&self) -> io::Result<[u8; HEADER]> {
        let (kind, payload) = self.parts();
        let length = u32::try_from(payload.len())
            .ok()
            .filter(|length| *length <= LONGEST)
            .ok_or_else(|| invalid("a frame would be too long"))?;
        let [a, b, c, d] = length.to_be_bytes();
        Ok([a, b, c, d, kind])
    }

    /// Sends it.
    pub(super) async fn send(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        to.write_all(&self.header()?).await?;
        to.write_all(self.parts().1).await?;
        to.flush().await
    }

    /// Sends it, and sockets with it.
    pub(super) async fn send_with(
        &self,
        sockets: &[BorrowedFd<'_>],
        to: &mut UnixStream,
    ) -> io::Result<()> {
        let header = self.header()?;
        let sent = to
            .async_io(Interest::WRITABLE, || {
                let mut space =
                    [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
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
        // Sockets go with the first byte; the system takes five at once or none.
        to.write_all(header.get(sent..).unwrap_or_default()).await?;
        to.write_all(self.parts().1).await?;
        to.flush().await
    }

    /// Reads the next one.
    pub(super) async fn receive(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut header = [0; HEADER];
        from.read_exact(&mut header).await?;
        Self::after(header, from).await
    }

    /// Reads the next one, and the sockets that come with it.
    pub(super) async fn receive_with(from: &mut UnixStream) -> io::Result<(Self, Vec<OwnedFd>)> {
        let mut header = [0; HEADER];
        let mut sockets = Vec::new();
        let read = from
            .async_io(Interest::READABLE, || {
                let mut space =
                    [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
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
        if length > LONGEST {
            return Err(invalid("a frame is too long"));
        }
        let mut payload = Vec::new();
        // It grows as it comes: a wrong length alone takes no memory.
        let read = from.take(length.into()).read_to_end(&mut payload).await?;
        if read as u64 != u64::from(length) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match kind {
            b'w' => Ok(Self::Word(payload)),
            b'l' => Ok(Self::Log(payload)),
            _ => Err(invalid("a frame is of no known kind")),
        }
    }
}

/// The other side said what it should not have.
pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_owned())
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
        let sent = Frame::word(&Socket::Clients(address)).unwrap();
        sent.send_with(&[socket.as_fd(), socket.as_fd()], &mut one)
            .await
            .unwrap();
        Frame::Log(b"a\nb\n".to_vec()).send(&mut one).await.unwrap();

        let (frame, sockets) = Frame::receive_with(&mut other).await.unwrap();
        assert_eq!(frame, sent, "the word");
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
        assert_eq!(end.kind(), ErrorKind::UnexpectedEof, "the end is told");
    }

    #[tokio::test]
    async fn a_frame_that_is_not_ours_is_an_error() {
        for bytes in [&b"\xff\xff\xff\xffw"[..], b"\0\0\0\0x", b"\0\0\0\x09wshort"] {
            let mut from = bytes;
            assert!(Frame::receive(&mut from).await.is_err(), "{bytes:?}");
        }
    }
}
