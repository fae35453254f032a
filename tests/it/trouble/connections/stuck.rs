//! An upstream that takes the head of an upload and nothing of its body. It answers everything else.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::harness::{Pause, within_timeout};

/// The receive buffer of a connection that is not read, small enough to be filled by a short body.
const BUFFER: u32 = 16 * 1024;

const MESSAGE: &str = r#"{"type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}"#;

/// The upstream. Dropping it closes its port and its connections.
pub(super) struct Stuck {
    address: SocketAddr,
    uploads: watch::Receiver<usize>,
    accepting: JoinHandle<()>,
}

// === impl Stuck ===

impl Stuck {
    /// Starts one that says nothing to uploads.
    pub(super) async fn start() -> Self {
        Self::start_saying("", Pause::new()).await
    }

    /// Starts one that writes `answer` to an upload after a pause.
    pub(super) async fn start_saying(answer: &'static str, pause: Pause) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .set_recv_buffer_size(BUFFER)
            .expect("a fresh socket takes options");
        socket
            .bind((Ipv4Addr::LOCALHOST, 0).into())
            .expect("a free port");
        let listener = socket.listen(128).expect("a bound socket listens");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let (seen, uploads) = watch::channel(0);
        Self {
            address,
            uploads,
            accepting: tokio::spawn(accept(listener, seen, answer, pause)),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the heads of so many uploads have come.
    pub(super) async fn uploads_when(&self, count: usize) {
        let mut uploads = self.uploads.clone();
        within_timeout(
            "uploads at the upstream",
            uploads.wait_for(|seen| *seen >= count),
        )
        .await
        .expect("this upstream holds its sender");
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    seen: watch::Sender<usize>,
    answer: &'static str,
    pause: Pause,
) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let (seen, pause) = (seen.clone(), pause.clone());
        connections.spawn(async move {
            // A client that leaves ends its connection and nothing else.
            let _ = serve(tcp, &seen, answer, &pause).await;
        });
    }
}

async fn serve(
    mut tcp: TcpStream,
    seen: &watch::Sender<usize>,
    answer: &str,
    pause: &Pause,
) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        if head.starts_with("post /v1/files") || head.starts_with("post /v1/messages/batches") {
            seen.send_modify(|count| *count += 1);
            pause.hold().await;
            tcp.write_all(answer.as_bytes()).await?;
            return std::future::pending().await;
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.trim().parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        tcp.read_exact(&mut body).await?;
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{MESSAGE}",
            MESSAGE.len()
        );
        tcp.write_all(answer.as_bytes()).await?;
    }
}
