//! The upstream: a process that answers at once, or at the pace that a request asks for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::{answers, clock};

/// The answer that a request asks for by its headers.
struct Wish {
    /// Deltas of a stream, or `None` for JSON.
    deltas: Option<usize>,
    /// The time between two events.
    pace: Duration,
    /// The time before a JSON answer.
    hold: Duration,
    /// Set if the answer says when it was written.
    stamped: bool,
    /// Set if the stream never ends.
    stays: bool,
    /// The moment at which the request was there.
    read_at: u64,
}

/// Serves until the process is killed, and prints its address.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a thread");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("bound"));
        let json: Arc<[u8]> = json("").into();
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket");
            tokio::spawn(answer(stream, Arc::clone(&json)));
        }
    });
}

/// Returns the JSON answer with further headers.
fn json(headers: &str) -> Vec<u8> {
    let body = answers::json();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nrequest-id: req_1\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

async fn answer(mut stream: TcpStream, json: Arc<[u8]>) {
    let mut request = Vec::with_capacity(8 * 1024);
    while let Some(wish) = read(&mut stream, &mut request).await {
        if !wish.hold.is_zero() {
            tokio::time::sleep(wish.hold).await;
        }
        let written = match wish.deltas {
            None if wish.stamped => stream.write_all(&self::json(&stamps(&wish))).await,
            None => stream.write_all(&json).await,
            Some(deltas) => events(&mut stream, deltas, &wish).await,
        };
        if written.is_err() {
            return;
        }
    }
}

/// Returns the headers of a stamped answer that is written now.
fn stamps(wish: &Wish) -> String {
    format!(
        "x-read-ns: {}\r\nx-wrote-ns: {}\r\n",
        wish.read_at,
        clock::now()
    )
}

/// Reads a request. Returns what it asks for, or `None` at the connection's end.
async fn read(stream: &mut TcpStream, request: &mut Vec<u8>) -> Option<Wish> {
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
        return Some(Wish {
            deltas: field("x-deltas:"),
            pace: Duration::from_millis(field("x-pace-ms:").unwrap_or(0) as u64),
            hold: Duration::from_micros(field("x-hold-us:").unwrap_or(0) as u64),
            stamped: field("x-stamp:").is_some(),
            stays: field("x-stay:").is_some(),
            read_at: clock::now(),
        });
    }
}

async fn events(stream: &mut TcpStream, deltas: usize, wish: &Wish) -> io::Result<()> {
    let (stamps, events) = if wish.stamped {
        (stamps(wish), answers::stamped(deltas))
    } else {
        (String::new(), answers::events(deltas))
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nrequest-id: req_1\r\n{stamps}Transfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut due = Instant::now();
    // A stream that stays has all its deltas, and no end.
    let shown = if wish.stays { deltas + 2 } else { events.len() };
    for mut event in events.into_iter().take(shown) {
        if !wish.pace.is_zero() {
            due += wish.pace;
            tokio::time::sleep_until(due).await;
        }
        if wish.stamped {
            let now = format!("{:020}", clock::now());
            answers::stamp(&mut event).copy_from_slice(now.as_bytes());
        }
        let chunk = [format!("{:x}\r\n", event.len()).as_bytes(), &event, b"\r\n"].concat();
        stream.write_all(&chunk).await?;
    }
    if wish.stays {
        // The client ends it.
        while stream.read(&mut [0; 64]).await? > 0 {}
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    stream.write_all(b"0\r\n\r\n").await
}
