//! An upstream that answers by script and remembers exactly what it was sent.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::answer::{Act, Answer};
use super::wire::{Headers, Incoming};
use super::within_timeout;

/// A server on a port of the kernel's choice. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The number of requests that `next_request` has returned.
    given: AtomicUsize,
    accepting: JoinHandle<()>,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The connection it came on, counted from 0 in the order of arrival.
    pub connection: usize,
    /// The request line as it came.
    pub start: String,
    pub headers: Headers,
    /// The head's bytes as they came, through the empty line.
    pub raw_head: Vec<u8>,
    /// The body without its coding.
    pub body: Vec<u8>,
    /// The body's hash, in hexadecimal.
    pub sha256: String,
}

type Script = Box<dyn FnMut(&Recorded) -> Answer + Send>;

struct Shared {
    script: Mutex<Script>,
    seen: watch::Sender<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Recorded>,
    connections: usize,
    /// Connections that the client closed or reset while an answer was under way.
    left: Vec<usize>,
}

/// The reason why the upstream is done with a connection.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    ByScript,
    ByClient,
}

// === impl Upstream ===

impl Upstream {
    /// Answers with these, in order. A request too many gets a 500 that says so.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        Self::start_with(move |_| {
            answers
                .pop_front()
                .unwrap_or_else(|| Answer::error(500, "api_error", "the script has no answer left"))
        })
        .await
    }

    /// Gives every request the same answer.
    pub async fn always(answer: Answer) -> Self {
        Self::start_with(move |_| answer.clone()).await
    }

    /// Starts one that gives a small whole message to every request, for tests of something else.
    pub async fn answering() -> Self {
        let usage = serde_json::json!({"input_tokens": 1, "output_tokens": 1});
        Self::always(Answer::message("claude-sonnet-5-5", "hi", &usage)).await
    }

    /// Asks the script for each answer. Requests come in the order in which their bodies were complete.
    pub async fn start_with(script: impl FnMut(&Recorded) -> Answer + Send + 'static) -> Self {
        let (listener, address) = listen().await;
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            seen: watch::Sender::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            given: AtomicUsize::new(0),
            accepting,
        }
    }

    /// An address at which nobody listens.
    pub async fn refusing() -> SocketAddr {
        listen().await.1
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.seen.borrow().requests.clone()
    }

    /// The first request that this function has not given yet; waits for it.
    pub async fn next_request(&self) -> Recorded {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        let mut seen = self.shared.seen.subscribe();
        let arrived = seen.wait_for(|seen| seen.requests.len() > number);
        let seen = within_timeout("a request at the upstream", arrived)
            .await
            .expect("this upstream holds its sender");
        seen.requests[number].clone()
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.shared.seen.borrow().connections
    }

    /// Waits until the client has left this connection while an answer was under way.
    pub async fn client_left(&self, connection: usize) {
        let mut seen = self.shared.seen.subscribe();
        let left = seen.wait_for(|seen| seen.left.contains(&connection));
        within_timeout("the client to leave", left)
            .await
            .expect("this upstream holds its sender");
    }

    /// Stops listening and drops every connection, as a server that dies.
    pub async fn die(self) -> SocketAddr {
        let address = self.address;
        let accepting = &self.accepting;
        accepting.abort();
        within_timeout("the port to close", async {
            while !accepting.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

/// Opens a port of the kernel's choice.
pub(super) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let address = listener
        .local_addr()
        .expect("a bound socket has an address");
    (listener, address)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and every connection with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (tcp, _) = listener
            .accept()
            .await
            .expect("a test doesn't run out of sockets");
        let mut number = 0;
        shared.seen.send_modify(|seen| {
            number = seen.connections;
            seen.connections += 1;
        });
        connections.spawn(serve(tcp, number, Arc::clone(&shared)));
    }
}

async fn serve(tcp: TcpStream, connection: usize, shared: Arc<Shared>) {
    tcp.set_nodelay(true).expect("a fresh socket takes options");
    let (source, mut outgoing) = tcp.into_split();
    let mut incoming = Incoming::new(source);
    // A request that breaks off is not recorded: nobody could compare it with what was sent.
    while let Ok(Some(head)) = incoming.head().await {
        if head.headers.get("expect").is_some() {
            outgoing
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .await
                .ok();
        }
        let Ok(body) = incoming.request_body(head.headers.framing()).await else {
            return;
        };
        let sha256 = hex(&Sha256::digest(&body));
        let recorded = Recorded {
            connection,
            start: head.start,
            headers: head.headers,
            raw_head: head.raw,
            body,
            sha256,
        };
        let answer = shared.script.lock()(&recorded);
        shared.seen.send_modify(|seen| seen.requests.push(recorded));
        match perform(&answer, &mut incoming, &mut outgoing).await {
            None => {}
            Some(Done::ByScript) => return,
            Some(Done::ByClient) => {
                shared.seen.send_modify(|seen| seen.left.push(connection));
                return;
            }
        }
    }
}

/// Takes the steps, watching for the client to leave while it waits. Nothing means that the connection lives on.
async fn perform(
    answer: &Answer,
    incoming: &mut Incoming<OwnedReadHalf>,
    outgoing: &mut OwnedWriteHalf,
) -> Option<Done> {
    for act in answer.acts() {
        match act {
            Act::Write(bytes) => {
                // A write that breaks off may have sent all of it.
                if let Some(sent) = answer.sent() {
                    sent.fetch_add(bytes.len(), Ordering::SeqCst);
                }
                if outgoing.write_all(&bytes).await.is_err() {
                    return Some(Done::ByClient);
                }
            }
            Act::Wait(pause) => {
                tokio::select! {
                    () = pause.hold() => {}
                    () = departure(incoming) => return Some(Done::ByClient),
                }
            }
            Act::Rest(time) => {
                tokio::select! {
                    () = tokio::time::sleep(time) => {}
                    () = departure(incoming) => return Some(Done::ByClient),
                }
            }
            Act::WaitForever => {
                departure(incoming).await;
                return Some(Done::ByClient);
            }
            Act::Close => return Some(Done::ByScript),
        }
    }
    None
}

/// Ready once the client has closed or reset. What it sends meanwhile is kept as the next request.
async fn departure(incoming: &mut Incoming<OwnedReadHalf>) {
    while incoming.fill().await.is_ok_and(|read| read > 0) {}
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

// === impl Recorded ===

impl Recorded {
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}
