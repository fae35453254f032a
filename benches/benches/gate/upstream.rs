//! The upstream: a process that answers at once, or at the pace that a request asks for.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::answers;

/// Serves until the process is killed, and prints its address.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a thread");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("bound"));
        let body = answers::json();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nrequest-id: req_1\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let json: Arc<[u8]> = [head.into_bytes(), body].concat().into();
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket");
            tokio::spawn(answer(stream, Arc::clone(&json)));
        }
    });
}

async fn answer(mut stream: TcpStream, json: Arc<[u8]>) {
    let mut request = Vec::with_capacity(8 * 1024);
    while let Some((deltas, pace)) = read(&mut stream, &mut request).await {
        let written = match deltas {
            None => stream.write_all(&json).await,
            Some(deltas) => events(&mut stream, deltas, pace).await,
        };
        if written.is_err() {
            return;
        }
    }
}

/// Reads a request. Returns the number of deltas that it asks for and the time between them, or `None` at the connection's end.
async fn read(stream: &mut TcpStream, request: &mut Vec<u8>) -> Option<(Option<usize>, Duration)> {
    request.clear();
    loop {
        if stream.read_buf(request).await.ok()? == 0 {
            return None;
        }
        let Some(end) = memchr::memmem::find(request, b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let field = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().parse::<usize>().expect("a number"))
        };
        let (deltas, pace) = (field("x-deltas:"), field("x-pace-ms:").unwrap_or(0));
        let chunked = head.contains("transfer-encoding: chunked");
        let mut left = match field("content-length:") {
            Some(length) => (end + 4 + length).saturating_sub(request.len()),
            None => 0,
        };
        request.drain(..end + 4);
        if chunked {
            while !request.ends_with(b"0\r\n\r\n") {
                if stream.read_buf(request).await.ok()? == 0 {
                    return None;
                }
            }
        }
        while left > 0 {
            request.clear();
            let read = stream.read_buf(request).await.ok()?;
            if read == 0 {
                return None;
            }
            left -= read.min(left);
        }
        return Some((deltas, Duration::from_millis(pace as u64)));
    }
}

async fn events(stream: &mut TcpStream, deltas: usize, pace: Duration) -> std::io::Result<()> {
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nrequest-id: req_1\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await?;
    let begun = Instant::now();
    let mut due = begun;
    for event in answers::events(deltas) {
        if !pace.is_zero() {
            due += pace;
            tokio::time::sleep_until(due).await;
        }
        let chunk = [format!("{:x}\r\n", event.len()).as_bytes(), &event, b"\r\n"].concat();
        stream.write_all(&chunk).await?;
    }
    stream.write_all(b"0\r\n\r\n").await
}
