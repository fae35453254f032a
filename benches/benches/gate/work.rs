//! The works: requests, and the way in which they are made.

use std::time::Duration;

use crate::answers;

/// A kind of traffic.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// The name on the command line.
    pub name: &'static str,
    /// The description in the output.
    pub what: &'static str,
    /// Bytes of a request's body.
    pub request: usize,
    /// Deltas of a streamed answer, or `None` for a JSON answer.
    pub deltas: Option<usize>,
    /// The time between two deltas.
    pub pace: Duration,
    /// Number of connections.
    pub connections: usize,
    /// Requests a second, or `None` for a closed loop.
    pub rate: Option<u32>,
    /// The time that the upstream takes for a JSON answer.
    pub hold: Duration,
    /// Set if the upstream says when it read the request and wrote each part of the answer. Streams then begin one after the other,
    /// so that their events do not come all at once.
    pub stamped: bool,
    /// Set if a stream does not end.
    pub stays: bool,
    /// The unit that costs are given for.
    pub per: Per,
}

/// A request with the body of its answer.
pub(crate) struct Exchange {
    /// The bytes of the request.
    pub request: Vec<u8>,
    /// The body of the answer; its stamps are zero.
    pub expected: Vec<u8>,
    /// Set if the answer has stamps.
    pub stamped: bool,
}

/// The unit that costs are given for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Per {
    /// A request and its answer.
    Request,
    /// An event of a stream.
    Event,
}

/// Returns a work of short requests and JSON answers, in a closed loop.
pub(crate) const fn work(
    name: &'static str,
    what: &'static str,
    request: usize,
    connections: usize,
) -> Work {
    Work {
        name,
        what,
        request,
        deltas: None,
        pace: Duration::ZERO,
        connections,
        rate: None,
        hold: Duration::ZERO,
        stamped: false,
        stays: false,
        per: Per::Request,
    }
}

/// All works.
pub(crate) const WORKS: [Work; 5] = [
    work("A", "2 KB request, 1 KB JSON answer", 2 << 10, 32),
    work("B", "200 KB request, 1 KB JSON answer", 200 << 10, 16),
    Work {
        deltas: Some(100),
        ..work("C", "2 KB request, SSE answer of 100 deltas", 2 << 10, 32)
    },
    Work {
        deltas: Some(50),
        pace: Duration::from_millis(20),
        per: Per::Event,
        ..work(
            "D",
            "500 streams at once, a delta every 20 ms",
            2 << 10,
            500,
        )
    },
    Work {
        rate: Some(100),
        ..work("L", "as A, at 100 requests a second", 2 << 10, 64)
    },
];

// === impl Work ===

impl Work {
    /// Returns the request, for a host and with a key, and its answer.
    pub(crate) fn exchange(&self, host: &str, key: &str) -> Exchange {
        Exchange {
            request: self.bytes(host, key),
            expected: match self.deltas {
                None => answers::json(),
                Some(deltas) if self.stamped => answers::stamped(deltas).concat(),
                Some(deltas) => answers::events(deltas).concat(),
            },
            stamped: self.stamped,
        }
    }

    /// Number of events of an answer, or 0 if it is no stream.
    pub(crate) fn events(&self) -> u64 {
        self.deltas
            .map_or(0, |deltas| answers::events(deltas).len() as u64)
    }

    /// The time that a stream takes.
    pub(crate) fn length(&self) -> Duration {
        self.pace * u32::try_from(self.events()).expect("few")
    }

    /// Returns the bytes of a request.
    fn bytes(&self, host: &str, key: &str) -> Vec<u8> {
        let body = self.body();
        let mut wishes = String::new();
        let mut wish = |name: &str, value: u128| wishes += &format!("{name}: {value}\r\n");
        if let Some(deltas) = self.deltas {
            wish("x-deltas", deltas as u128);
            wish("x-pace-ms", self.pace.as_millis());
        }
        if !self.hold.is_zero() {
            wish("x-hold-us", self.hold.as_micros());
        }
        if self.stamped {
            wish("x-stamp", 1);
        }
        if self.stays {
            wish("x-stay", 1);
        }
        format!(
            "POST /v1/messages?beta=true HTTP/1.1\r\nAccept: application/json\r\nContent-Type: application/json\r\n\
             User-Agent: bench\r\nX-Stainless-Lang: js\r\nX-Stainless-Runtime: node\r\nanthropic-beta: a-1,b-2\r\n\
             anthropic-version: 2023-06-01\r\nx-api-key: {key}\r\nx-app: cli\r\n{wishes}Connection: keep-alive\r\n\
             Host: {host}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// Returns a Messages body of about the size: several turns of prose, code with escapes, and text beyond ASCII.
    fn body(&self) -> String {
        const TURNS: [&str; 4] = [
            r#"{"role":"user","content":[{"type":"text","text":"The quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs.\nThen tell me why."}]},"#,
            r#"{"role":"assistant","content":[{"type":"text","text":"Because \"pangrams\" use every letter:\n\n```rust\nfn main() {\n\tprintln!(\"{}\", 1 << 4);\n}\n```\n"}]},"#,
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"src/lib.rs:12:5\tError: \u001b[31mmismatched types\u001b[0m: expected `&str`\r\n"}]},"#,
            r#"{"role":"assistant","content":[{"type":"text","text":"Größe, naïveté, 日本語のテキスト, и кириллица: все они — обычный текст. 🙂"}]},"#,
        ];
        let mut text = format!(
            r#"{{"model":"claude-haiku-4-5","max_tokens":64,"stream":{},"messages":["#,
            self.deltas.is_some()
        );
        let end = r#"{"role":"user","content":"go on"}]}"#;
        for turn in TURNS.iter().cycle() {
            if text.len() + turn.len() + end.len() > self.request {
                break;
            }
            text.push_str(turn);
        }
        text + end
    }
}
