//! Clients in a closed loop: plain blocking sockets, as little work as possible beside the proxy's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use parking_lot::Mutex;

/// A client's request.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// The name in the output.
    pub name: &'static str,
    /// Bytes of the request's body.
    pub request: usize,
    /// Deltas of the streamed answer; none for a JSON answer.
    pub events: Option<usize>,
    /// The coding of the answer; `identity` for none.
    pub coding: &'static str,
}

/// Open connections that ask for some work.
pub(crate) struct Load {
    connections: Vec<Mutex<TcpStream>>,
    request: Vec<u8>,
}

// === impl Work ===

impl Work {
    /// A Messages body of about the size.
    fn body(self) -> String {
        let start = format!(
            r#"{{"model":"claude-haiku-4-5","max_tokens":64,"stream":{},"messages":[{{"role":"user","content":""#,
            self.events.is_some()
        );
        // Prose with an escape in each line, as prompts have.
        let line = "The quick brown fox jumps over the lazy dog; pack my box with liquor jugs.\\n";
        let count = (self.request.saturating_sub(start.len() + 4)) / line.len();
        format!("{start}{}\"}}]}}", line.repeat(count))
    }
}

// === impl Load ===

impl Load {
    /// Opens the connections.
    pub(crate) fn open(address: SocketAddr, work: Work, connections: usize, key: &str) -> Self {
        let body = work.body();
        let request = format!(
            "POST /v1/messages?beta=true HTTP/1.1\r\nAccept: application/json\r\nContent-Type: application/json\r\n\
             User-Agent: bench\r\nX-Stainless-Lang: js\r\nX-Stainless-Runtime: node\r\nanthropic-beta: a-1,b-2\r\n\
             anthropic-version: 2023-06-01\r\nx-api-key: {key}\r\nx-app: cli\r\nx-coding: {}\r\n\
             Connection: keep-alive\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}",
            work.coding,
            body.len()
        );
        let connect = || {
            let stream = TcpStream::connect(address).expect("the proxy listens");
            stream.set_nodelay(true).expect("a socket");
            Mutex::new(stream)
        };
        Self {
            connections: (0..connections).map(|_| connect()).collect(),
            request: request.into_bytes(),
        }
    }

    /// Makes so many requests, spread over the connections, and reads their answers.
    pub(crate) fn run(&self, count: u64) {
        if let [only] = self.connections.as_slice() {
            (0..count).for_each(|_| ask(&mut only.lock(), &self.request));
            return;
        }
        let share = self.connections.len() as u64;
        std::thread::scope(|scope| {
            for (index, connection) in self.connections.iter().enumerate() {
                let mine = count / share + u64::from((index as u64) < count % share);
                scope.spawn(move || {
                    let mut stream = connection.lock();
                    (0..mine).for_each(|_| ask(&mut stream, &self.request));
                });
            }
        });
    }
}

/// Asks once and reads the answer to its end.
fn ask(stream: &mut TcpStream, request: &[u8]) {
    stream
        .write_all(request)
        .expect("the proxy takes the request");
    let mut answer = Vec::with_capacity(32 * 1024);
    let mut buffer = [0; 32 * 1024];
    loop {
        let read = stream.read(&mut buffer).expect("the proxy answers");
        assert!(
            read > 0,
            "the proxy closed the connection: {}",
            String::from_utf8_lossy(&answer)
        );
        answer.extend_from_slice(&buffer[..read]);
        if is_whole(&answer) {
            assert!(
                answer.starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
            return;
        }
    }
}

fn is_whole(answer: &[u8]) -> bool {
    if answer.ends_with(b"\r\n0\r\n\r\n") {
        return true;
    }
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.lines().find_map(|line| {
        line.strip_prefix("content-length: ")?
            .trim()
            .parse::<usize>()
            .ok()
    });
    length.is_some_and(|length| answer.len() == end + 4 + length)
}
