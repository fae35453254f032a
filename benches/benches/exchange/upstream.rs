//! The upstream, on a thread of this process.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::codings;
use crate::proxies::runtime;

/// A server that answers at once with what it has ready.
pub(crate) struct Upstream {
    address: SocketAddr,
    _runtime: Runtime,
}

// === impl Upstream ===

impl Upstream {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let runtime = runtime("upstream");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a socket");
                tokio::spawn(answer(stream));
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn answer(mut stream: TcpStream) {
    let ready = codings::all();
    let mut request = Vec::with_capacity(256 * 1024);
    loop {
        request.clear();
        let (streamed, coding) = loop {
            match stream.read_buf(&mut request).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
            let length: usize = field("content-length: ")
                .and_then(|length| length.trim().parse().ok())
                .expect("requests have a length");
            if request.len() >= end + 4 + length {
                let streamed = request[end..]
                    .windows(13)
                    .take(128)
                    .any(|window| window == b"\"stream\":true");
                break (streamed, field("x-coding: ").map(str::to_owned));
            }
        };
        let answer = ready
            .iter()
            .find(|answer| Some(answer.coding) == coding.as_deref())
            .expect("requests name a coding");
        let writes = if streamed {
            &answer.stream
        } else {
            &answer.whole
        };
        for write in writes {
            if stream.write_all(write).await.is_err() {
                return;
            }
        }
    }
}
