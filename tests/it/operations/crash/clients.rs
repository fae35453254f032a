//! The traffic: clients that ask until they are told to stop, and remember what they got.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::desk::{INPUT, OUTPUT, PROMPT, SHORT};
use super::dice::Dice;
use crate::harness::{Installation, Request, within_timeout};

/// Clients at once.
pub const CLIENTS: i64 = 6;

/// The exchanges as clients saw them, by the gateway's id.
#[derive(Default, Clone)]
pub struct Seen {
    /// Answers that arrived whole: their tags and what they cost.
    pub whole: HashMap<String, (String, i64)>,
    /// Answers of which a part arrived: their tags and what it is worth.
    pub parts: HashMap<String, (String, i64)>,
    pub batches: HashSet<String>,
    pub files: HashSet<String>,
}

/// The clients and what they share.
pub struct Clients {
    pub seen: Arc<Mutex<Seen>>,
    installation: Arc<Installation>,
    address: watch::Sender<Option<SocketAddr>>,
    is_over: Arc<AtomicBool>,
    running: Vec<JoinHandle<()>>,
}

/// A client.
struct Client {
    seen: Arc<Mutex<Seen>>,
    installation: Arc<Installation>,
    address: watch::Receiver<Option<SocketAddr>>,
    is_over: Arc<AtomicBool>,
    dice: Dice,
    asked: u64,
}

/// The point at which a client stops to read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    AtTheEnd,
    AfterBytes(u64),
}

// === impl Clients ===

impl Clients {
    pub fn new(installation: &Arc<Installation>) -> Self {
        Self {
            seen: Arc::default(),
            installation: Arc::clone(installation),
            address: watch::channel(None).0,
            is_over: Arc::default(),
            running: Vec::new(),
        }
    }

    /// Sends the clients to an address, or has them wait for one.
    pub fn go_to(&self, address: Option<SocketAddr>) {
        self.address.send_replace(address);
    }

    pub fn begin(&mut self, dice: &mut Dice) {
        self.is_over.store(false, SeqCst);
        self.running = (0..CLIENTS)
            .map(|_| {
                let client = Client {
                    seen: Arc::clone(&self.seen),
                    installation: Arc::clone(&self.installation),
                    address: self.address.subscribe(),
                    is_over: Arc::clone(&self.is_over),
                    dice: dice.split(),
                    asked: 0,
                };
                tokio::spawn(client.work())
            })
            .collect();
    }

    /// Lets each client ask for nothing more.
    pub fn end(&self) {
        self.is_over.store(true, SeqCst);
    }

    /// Waits until every client knows how its last request ended.
    pub async fn ended(&mut self) {
        self.go_to(None);
        for client in self.running.drain(..) {
            within_timeout("the end of a client", client)
                .await
                .expect("a client says what it saw");
        }
    }
}

// === impl Client ===

impl Client {
    async fn work(mut self) {
        while !self.is_over.load(SeqCst) {
            let Some(address) = *self.address.borrow_and_update() else {
                return;
            };
            let done = match self.dice.below(100) {
                0..45 => self.message(address, "plain", true).await,
                45..60 => self.message(address, "plain", false).await,
                60..75 => self.message(address, "retry", true).await,
                75..80 => self.message(address, "fault", false).await,
                80..88 => self.upload(address).await,
                88..96 => self.create_batch(address).await,
                _ => self.read_batch(address).await,
            };
            if done.is_none() {
                // There is no gateway for a moment.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }

    async fn message(&mut self, address: SocketAddr, kind: &str, stream: bool) -> Option<()> {
        self.asked += 1;
        let tag = format!("{kind}-{:x}-{}", self.dice.below(u64::MAX), self.asked);
        let tokens = 10 + self.dice.below(3_000);
        let body = json!({
            "model": "claude-haiku-4-5", "max_tokens": tokens, "stream": stream,
            "messages": [{"role": "user", "content": tag}],
        });
        let stop = match self.dice.below(8) {
            0 if stream => Stop::AfterBytes(self.dice.below(200_000)),
            _ => Stop::AtTheEnd,
        };
        let request = self.installation.messages(&body);
        let answer = exchange(address, &request, stop).await?;
        let id = header(&answer, "witgate-request-id")?;
        let (text, is_whole) = body_of(&answer);
        let mut seen = self.seen.lock();
        if text.contains("overloaded_error") {
            seen.whole.insert(id, (tag, 0));
        } else if is_whole {
            let output = if stream { reported(&text) } else { SHORT };
            let cost = PROMPT * INPUT + output * OUTPUT;
            seen.whole.insert(id, (tag, cost));
        } else if text.contains("event: message_start\n") {
            let tokens = text.matches("\"text\":\"and \"").count();
            let cost = PROMPT * INPUT + i64::try_from(tokens).unwrap() * OUTPUT;
            seen.parts.insert(id, (tag, cost));
        }
        Some(())
    }

    async fn upload(&mut self, address: SocketAddr) -> Option<()> {
        let body = vec![b'x'; usize::try_from(self.dice.below(20_000)).unwrap()];
        let request = self.to("POST", "/v1/files").body(body);
        let file = self.json(address, &request).await?;
        let id = file["id"].as_str()?.to_owned();
        self.seen.lock().files.insert(id);
        Some(())
    }

    async fn create_batch(&mut self, address: SocketAddr) -> Option<()> {
        let params = json!({"model": "claude-haiku-4-5", "max_tokens": 50, "messages": []});
        let body = json!({"requests": [{"custom_id": "one", "params": params}]});
        let request = self
            .to("POST", "/v1/messages/batches")
            .body(body.to_string());
        let batch = self.json(address, &request).await?;
        let id = batch["id"].as_str()?.to_owned();
        self.seen.lock().batches.insert(id);
        Some(())
    }

    /// Reads the results of a batch, if they are there.
    async fn read_batch(&mut self, address: SocketAddr) -> Option<()> {
        let known: Vec<_> = self.seen.lock().batches.iter().cloned().collect();
        if known.is_empty() {
            return Some(());
        }
        let place = self.dice.below(known.len() as u64);
        let id = &known[usize::try_from(place).unwrap()];
        let path = format!("/v1/messages/batches/{id}/results");
        exchange(address, &self.to("GET", &path), Stop::AtTheEnd)
            .await
            .map(drop)
    }

    fn to(&self, method: &str, path: &str) -> Request {
        let like = self.installation.messages(&json!({}));
        let request = Request::new(method, path).header("Host", "gateway.test");
        let key = like.headers.get("x-api-key").expect("a key");
        request
            .header("x-api-key", key)
            .header("anthropic-version", "2023-06-01")
    }

    /// The body of an answer that arrived whole.
    async fn json(&self, address: SocketAddr, request: &Request) -> Option<Value> {
        let answer = exchange(address, request, Stop::AtTheEnd).await?;
        header(&answer, "witgate-request-id")?;
        let (body, is_whole) = body_of(&answer);
        let body = serde_json::from_str(&body).ok();
        body.filter(|_| is_whole)
    }
}

/// Returns the bytes that come in answer to a request, or `None` if there is no connection.
pub async fn exchange(address: SocketAddr, request: &Request, stop: Stop) -> Option<Vec<u8>> {
    let mut tcp = TcpStream::connect(address).await.ok()?;
    let request = request.clone().set_header("connection", "close").to_bytes();
    tcp.write_all(&request).await.ok()?;
    let mut answer = Vec::new();
    let most = match stop {
        Stop::AtTheEnd => u64::MAX,
        Stop::AfterBytes(bytes) => bytes,
    };
    // A killed process resets the connection.
    let _ = within_timeout(
        "the answer or its end",
        tcp.take(most).read_to_end(&mut answer),
    )
    .await;
    Some(answer)
}

/// Returns the text of a body as far as it came, and whether it is whole.
fn body_of(answer: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(answer);
    let (head, mut rest) = text.split_once("\r\n\r\n").expect("it has a head");
    if !head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        return (rest.to_owned(), rest.ends_with('}'));
    }
    let mut body = String::new();
    while let Some((size, chunk)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        if size == 0 {
            return (body, true);
        }
        body += &chunk[..size.min(chunk.len())];
        rest = chunk.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}

/// The output tokens that the end of a stream reports.
fn reported(text: &str) -> i64 {
    let at = text
        .rfind("\"output_tokens\":")
        .expect("a whole stream reports them");
    let digits = text[at + 16..]
        .split(|char: char| !char.is_ascii_digit())
        .next();
    digits.unwrap().parse().unwrap()
}

fn header(answer: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let head = text.split_once("\r\n\r\n")?.0;
    let line = head.lines().find_map(|line| {
        line.split_once(": ")
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
    })?;
    Some(line.1.to_owned())
}
