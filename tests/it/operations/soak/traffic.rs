//! The clients of the soak: what they ask for, and whether what they got was right.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::answers::{Fault, MODEL, Shape, failing_streams};
use super::upstream::{HEADER, error_body};
use crate::harness::{Client, Ending, Request, Response};

/// The number of requests of which one has a fault: 5 %.
const FAULTY: u64 = 20;

/// Numbers that are the same for the same seed (splitmix64).
pub(super) struct Random(pub(super) u64);

/// A client's behaviour towards its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Reads,
    /// Waits before it reads on.
    Slow,
    /// Closes after so many parts of the body, or without reading at all.
    Leaves(Option<u64>),
    /// Presents a key that nobody knows.
    Unknown,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seen {
    /// The right bytes to their end, an error of the upstream included.
    Right,
    /// An error in the known shape.
    Error,
    /// A visible cut after right bytes.
    Cut,
    /// The client did not wait for the end.
    Left,
}

/// A client with its connection.
pub(super) struct Worker {
    pub(super) random: Random,
    pub(super) shapes: Arc<Vec<Shape>>,
    pub(super) gateway: SocketAddr,
    pub(super) key: String,
    kept: Option<Client>,
    failing: [Vec<u8>; 2],
}

/// A request that was made.
pub(super) struct Made {
    pub(super) shape: &'static str,
    pub(super) fault: Fault,
    pub(super) seen: Result<Seen, String>,
}

/// The beginning of the event with which the gateway ends a stream whose upstream stalls.
const TIMED_OUT: &str =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"timeout_error\"";

/// The gateway's message about an upstream that it does not ask.
const LEFT_ALONE: &str = "is not taking requests now";

// === impl Random ===

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

// === impl Worker ===

impl Worker {
    pub(super) fn new(
        seed: u64,
        shapes: Arc<Vec<Shape>>,
        gateway: SocketAddr,
        key: String,
    ) -> Self {
        Self {
            random: Random(seed),
            shapes,
            gateway,
            key,
            kept: None,
            failing: failing_streams(),
        }
    }

    /// Makes one request.
    pub(super) async fn once(&mut self, id: &str) -> Made {
        let index = self.shape();
        let shapes = Arc::clone(&self.shapes);
        let shape = &shapes[index];
        let fault = self.fault(shape);
        let manner = self.manner(fault);
        let request = self.request(index, fault, manner, id);
        let seen = self.ask(shape, fault, manner, &request).await;
        Made {
            shape: shape.name,
            fault,
            seen: seen
                .map_err(|why| format!("{id}, {} with {fault:?}, {manner:?}: {why}", shape.name)),
        }
    }

    fn shape(&mut self) -> usize {
        let mut left = self.random.below(100);
        for (index, shape) in self.shapes.iter().enumerate() {
            if left < shape.weight {
                return index;
            }
            left -= shape.weight;
        }
        0
    }

    fn fault(&mut self, shape: &Shape) -> Fault {
        let kind = self.random.next();
        let place = self.random.below(1000);
        // A list of models is asked of the default upstream only, which then has to be there.
        if self.random.below(FAULTY) > 0 || shape.method == "GET" {
            return Fault::None;
        }
        Fault::of(usize::try_from(kind % 4096).expect("a small number"), place)
    }

    fn manner(&mut self, fault: Fault) -> Manner {
        let parts = self.random.below(6);
        match self.random.below(100) {
            _ if fault != Fault::None => Manner::Reads,
            0 => Manner::Leaves(None),
            1..=3 => Manner::Leaves(Some(parts)),
            4 | 5 => Manner::Slow,
            6 => Manner::Unknown,
            _ => Manner::Reads,
        }
    }

    fn request(&self, index: usize, fault: Fault, manner: Manner, id: &str) -> Request {
        let shape = &self.shapes[index];
        let key = match manner {
            Manner::Unknown => "wgk-nobody",
            _ => &self.key,
        };
        let request = Request::new(shape.method, shape.path)
            .header("Host", "gateway.test")
            .header("x-api-key", key)
            .header("anthropic-version", "2023-06-01")
            .header("x-vmx-correlation-id", id)
            .header(HEADER, &format!("{index};{}", fault.code()));
        if shape.method == "GET" {
            return request;
        }
        let mut body = shape.request.clone();
        if fault == Fault::Refused {
            body["model"] = format!("dead/{MODEL}").into();
        }
        request
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    async fn ask(
        &mut self,
        shape: &Shape,
        fault: Fault,
        manner: Manner,
        request: &Request,
    ) -> Result<Seen, String> {
        let mut client = match self.kept.take() {
            Some(client) => client,
            None => Client::connect(self.gateway).await,
        };
        if !client.try_write(&request.to_bytes()).await {
            return Err("the connection was closed to a request".into());
        }
        if let Manner::Leaves(parts) = manner {
            leave(client, parts).await;
            return Ok(Seen::Left);
        }
        if manner == Manner::Slow {
            // The head comes, and more than the sockets hold is not taken for a while.
            let mut reply = client.reply().await;
            for _ in 0..20 {
                if reply.chunk().await.is_none() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let response = reply.rest().await;
            let seen = self.judge(shape, fault, manner, Some(&response));
            self.kept = Some(client);
            return seen;
        }
        let response = client.try_receive().await;
        let seen = self.judge(shape, fault, manner, response.as_ref());
        let goes_on = response.is_some_and(|response| {
            let closes = response
                .headers
                .get("connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("close"));
            response.ending == Ending::Complete && !closes
        });
        self.kept = goes_on.then_some(client);
        seen
    }

    /// Returns true if the answer is a possible one.
    fn judge(
        &self,
        shape: &Shape,
        fault: Fault,
        manner: Manner,
        response: Option<&Response>,
    ) -> Result<Seen, String> {
        let partial = matches!(fault, Fault::Cut(_) | Fault::Stall(_));
        let Some(response) = response else {
            let why = || "the connection ended without an answer".to_owned();
            return partial.then_some(Seen::Cut).ok_or_else(why);
        };
        let is = |status: u16, body: &[u8]| {
            response.status == status
                && response.ending == Ending::Complete
                && response.body == body
        };
        let [early, late] = &self.failing;
        // Only the upstream that is never there may be left alone; the other one fails for one in twenty.
        if fault != Fault::Refused && String::from_utf8_lossy(&response.body).contains(LEFT_ALONE) {
            return Err("the upstream was not asked although it answers".into());
        }
        let right = match fault {
            _ if manner == Manner::Unknown => false,
            Fault::None => is(200, &shape.body),
            Fault::Status(status) => is(status, error_body(status).as_bytes()),
            Fault::EarlyError => is(200, early),
            Fault::LateError => is(200, late),
            _ => false,
        };
        if right {
            return Ok(Seen::Right);
        }
        if partial && response.status == 200 && response.ending == Ending::Cut {
            // An upstream that stands still between two events is given up with an event of the gateway's own.
            let own = TIMED_OUT.as_bytes();
            let mut places = response.body.windows(own.len());
            let told = matches!(fault, Fault::Stall(_))
                .then(|| places.position(|window| window == own))
                .flatten();
            let passed = told.map_or(&response.body[..], |place| &response.body[..place]);
            if shape.body.starts_with(passed) {
                return Ok(Seen::Cut);
            }
        }
        let may_fail =
            !matches!(fault, Fault::None | Fault::LateError) || manner == Manner::Unknown;
        if may_fail && is_error(response) {
            return Ok(Seen::Error);
        }
        let shown =
            String::from_utf8_lossy(&response.body[..response.body.len().min(300)]).into_owned();
        Err(format!(
            "{} {:?}, {} bytes: {shown}",
            response.status,
            response.ending,
            response.body.len()
        ))
    }
}

/// Reads some parts of the body, or nothing, and closes.
async fn leave(mut client: Client, parts: Option<u64>) {
    if let Some(parts) = parts {
        let mut reply = client.reply().await;
        for _ in 0..parts {
            if reply.chunk().await.is_none() {
                break;
            }
        }
    }
    client.close();
}

/// Returns true if the body is a whole error in the API's shape.
fn is_error(response: &Response) -> bool {
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(&response.body) else {
        return false;
    };
    response.status >= 400
        && response.ending == Ending::Complete
        && body["type"] == "error"
        && body["error"]["type"].is_string()
        && body["error"]["message"].is_string()
}
