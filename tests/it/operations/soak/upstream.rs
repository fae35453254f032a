//! The upstream of the soak: it does what each request tells it to in its `x-soak` header, and keeps nothing but counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::answers::{Fault, Shape, failing_streams};

/// The header with the number of the shape and the fault.
pub(super) const HEADER: &str = "x-soak";

pub(super) struct FaultyUpstream {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    shapes: Arc<Vec<Shape>>,
    failing: [Vec<u8>; 2],
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

/// Returns true if the connection stays open.
#[derive(PartialEq, Eq)]
enum Then {
    Next,
    Close,
}

// === impl FaultyUpstream ===

impl FaultyUpstream {
    pub(super) async fn start(shapes: Arc<Vec<Shape>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            shapes,
            failing: failing_streams(),
            calls: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((tcp, _)) = listener.accept().await else {
                    continue;
                };
                tokio::spawn(serve(tcp, Arc::clone(&serving)));
            }
        });
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// Requests that came, by fault; no fault has the empty name.
    pub(super) fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.shared.calls.lock().clone()
    }
}

impl Drop for FaultyUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves a connection. A client that leaves ends it at the next read or write.
async fn serve(mut tcp: TcpStream, shared: Arc<Shared>) {
    tcp.set_nodelay(true).expect("a fresh socket takes options");
    let mut buffer = Vec::with_capacity(16 * 1024);
    while let Some((shape, fault)) = request(&mut tcp, &mut buffer).await {
        *shared.calls.lock().entry(fault.name()).or_default() += 1;
        match answer(&mut tcp, &shared, shape, fault).await {
            Ok(Then::Next) => {}
            Ok(Then::Close) | Err(_) => return,
        }
    }
}

/// Reads a request to its end and gives what it asks for; nothing when the client closed instead.
async fn request(tcp: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(usize, Fault)> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if tcp.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let field = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted)
                .then(|| value.trim().to_owned())
        })
    };
    let length: usize =
        field("content-length").map_or(0, |length| length.parse().expect("a number"));
    buffer.drain(..end);
    let mut left = length;
    loop {
        let here = left.min(buffer.len());
        buffer.drain(..here);
        left -= here;
        if left == 0 {
            break;
        }
        if tcp.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let asked = field(HEADER).expect("the header passes");
    let (shape, fault) = asked.split_once(';').expect("a shape and a fault");
    Some((
        shape.parse().expect("a number"),
        Fault::parse(fault).expect("a fault"),
    ))
}

async fn answer(
    tcp: &mut TcpStream,
    shared: &Shared,
    shape: usize,
    fault: Fault,
) -> std::io::Result<Then> {
    let shape = &shared.shapes[shape];
    let [early, late] = &shared.failing;
    match fault {
        Fault::None => whole(tcp, shape).await,
        Fault::HangUp | Fault::Refused => Ok(Then::Close),
        Fault::Silence => {
            gone(tcp).await;
            Ok(Then::Close)
        }
        Fault::Malformed => {
            tcp.write_all(b"HTTP/1.1 banana\r\nno colon here\r\n\r\n")
                .await?;
            Ok(Then::Close)
        }
        Fault::Cut(place) => {
            part(tcp, shape, place).await?;
            Ok(Then::Close)
        }
        Fault::Stall(place) => {
            part(tcp, shape, place).await?;
            gone(tcp).await;
            Ok(Then::Close)
        }
        Fault::Status(status) => {
            let body = error_body(status);
            let head = format!(
                "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            tcp.write_all((head + body).as_bytes()).await?;
            Ok(Then::Next)
        }
        Fault::EarlyError => failing(tcp, early).await,
        Fault::LateError => failing(tcp, late).await,
    }
}

/// The body of an error answer.
pub(super) fn error_body(status: u16) -> &'static str {
    match status {
        429 => r#"{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}"#,
        529 => r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        _ => r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#,
    }
}

fn head(shape: &Shape) -> Vec<u8> {
    let lines: String = shape
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let framing = if shape.pieces.is_empty() {
        format!("content-length: {}", shape.body.len())
    } else {
        "transfer-encoding: chunked".to_owned()
    };
    format!("HTTP/1.1 200 OK\r\n{lines}{framing}\r\n\r\n").into_bytes()
}

fn chunk(piece: &[u8]) -> Vec<u8> {
    if piece.is_empty() {
        return Vec::new();
    }
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}

async fn whole(tcp: &mut TcpStream, shape: &Shape) -> std::io::Result<Then> {
    let mut wire = head(shape);
    let mut start = 0;
    for end in &shape.pieces {
        wire.extend(chunk(&shape.body[start..*end]));
        start = *end;
        tcp.write_all(&wire).await?;
        wire.clear();
    }
    wire.extend_from_slice(if shape.pieces.is_empty() {
        &shape.body
    } else {
        b"0\r\n\r\n"
    });
    tcp.write_all(&wire).await?;
    Ok(Then::Next)
}

/// So many thousandths of an answer's body, and never all of it.
async fn part(tcp: &mut TcpStream, shape: &Shape, thousandths: u64) -> std::io::Result<()> {
    let len = shape.body.len();
    let share = usize::try_from(thousandths).expect("a small number");
    let end = (len * share / 1000).min(len - 1);
    let mut wire = head(shape);
    let body = &shape.body[..end];
    wire.extend(if shape.pieces.is_empty() {
        body.to_vec()
    } else {
        chunk(body)
    });
    tcp.write_all(&wire).await
}

async fn failing(tcp: &mut TcpStream, body: &[u8]) -> std::io::Result<Then> {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
    tcp.write_all(&[head.as_slice(), &chunk(body), b"0\r\n\r\n"].concat())
        .await?;
    Ok(Then::Next)
}

/// Waits until the client has left.
async fn gone(tcp: &mut TcpStream) {
    let mut nothing = [0; 16];
    while tcp.read(&mut nothing).await.is_ok_and(|read| read > 0) {}
}
