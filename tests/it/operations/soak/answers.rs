//! The requests of the soak, the answers that the upstream gives, and the faults that it is told to make.

use serde_json::{Value, json};

use crate::harness::{Events, compressed};

pub(super) const MODEL: &str = "claude-haiku-4-5";

/// A kind of request with its right answer.
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// The share of requests of this kind, in percent.
    pub(super) weight: u64,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) request: Value,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) body: Vec<u8>,
    /// The ends of the upstream's writes; an answer in one piece has a length, others are chunked.
    pub(super) pieces: Vec<usize>,
}

/// A fault of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The upstream's port is closed.
    Refused,
    /// The connection ends before a head.
    HangUp,
    /// No head comes.
    Silence,
    /// The head is no HTTP.
    Malformed,
    /// The body ends after so many thousandths, with its connection.
    Cut(u64),
    /// The body stands still after so many thousandths.
    Stall(u64),
    Status(u16),
    /// A stream whose first event is an error.
    EarlyError,
    /// A stream with an error after some content.
    LateError,
}

pub(super) const FAULTS: usize = 12;

// === impl Fault ===

impl Fault {
    /// Picks a kind at random.
    pub(super) fn of(kind: usize, thousandths: u64) -> Self {
        match kind % FAULTS {
            0 => Self::Refused,
            1 => Self::HangUp,
            2 => Self::Silence,
            3 => Self::Malformed,
            4 | 5 => Self::Cut(thousandths),
            6 => Self::Stall(thousandths),
            7 => Self::Status(429),
            8 => Self::Status(500),
            9 => Self::Status(529),
            10 => Self::EarlyError,
            _ => Self::LateError,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Refused => "refused connection",
            Self::HangUp => "hang-up before the head",
            Self::Silence => "no head",
            Self::Malformed => "malformed head",
            Self::Cut(_) => "cut body",
            Self::Stall(_) => "stalled body",
            Self::Status(429) => "429",
            Self::Status(529) => "529",
            Self::Status(_) => "500",
            Self::EarlyError => "early error event",
            Self::LateError => "late error event",
        }
    }

    /// Returns the fault as the client names it to the upstream, in a header.
    pub(super) fn code(self) -> String {
        let (kind, number) = match self {
            Self::None => ("none", 0),
            Self::Refused => ("refused", 0),
            Self::HangUp => ("hang-up", 0),
            Self::Silence => ("silence", 0),
            Self::Malformed => ("malformed", 0),
            Self::Cut(place) => ("cut", place),
            Self::Stall(place) => ("stall", place),
            Self::Status(status) => ("status", u64::from(status)),
            Self::EarlyError => ("early-error", 0),
            Self::LateError => ("late-error", 0),
        };
        format!("{kind}={number}")
    }

    pub(super) fn parse(code: &str) -> Option<Self> {
        let (kind, number) = code.split_once('=')?;
        let number: u64 = number.parse().ok()?;
        Some(match kind {
            "none" => Self::None,
            "refused" => Self::Refused,
            "hang-up" => Self::HangUp,
            "silence" => Self::Silence,
            "malformed" => Self::Malformed,
            "cut" => Self::Cut(number),
            "stall" => Self::Stall(number),
            "status" => Self::Status(u16::try_from(number).ok()?),
            "early-error" => Self::EarlyError,
            "late-error" => Self::LateError,
            _ => return None,
        })
    }
}

/// A stream that fails with its first event, and one that fails after some content.
pub(super) fn failing_streams() -> [Vec<u8>; 2] {
    let begun = || Events::begin(MODEL);
    [
        begun().error("overloaded_error", "Overloaded").to_bytes(),
        begun()
            .text(&["This will ", "not en"])
            .error("api_error", "Internal server error")
            .to_bytes(),
    ]
}

fn asking(stream: bool, words: usize) -> Value {
    let prompt = "The quick brown fox. ".repeat(words / 4 + 1);
    json!({"model": MODEL, "max_tokens": 64, "stream": stream, "messages": [{"role": "user", "content": prompt}]})
}

fn message() -> Vec<u8> {
    json!({
        "id": "msg_01Soak", "type": "message", "role": "assistant", "model": MODEL,
        "content": [{"type": "text", "text": "word ".repeat(200)}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 500, "output_tokens": 200, "cache_read_input_tokens": 90},
    })
    .to_string()
    .into_bytes()
}

fn stream(deltas: usize) -> Events {
    let words: Vec<String> = (0..deltas)
        .map(|index| format!("wörd {index} and another "))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Events::begin(MODEL).ping().text(&words).end("end_turn")
}

fn ends(events: &Events) -> Vec<usize> {
    let ends = events.frames().iter().scan(0, |end, frame| {
        *end += frame.len();
        Some(*end)
    });
    ends.collect()
}

const JSON: (&str, &str) = ("content-type", "application/json");
const SSE: (&str, &str) = ("content-type", "text/event-stream; charset=utf-8");

/// All kinds. Their weights add up to a hundred.
pub(super) fn shapes() -> Vec<Shape> {
    let shape = |name, weight, request, headers: &[_], body: Vec<u8>, pieces| Shape {
        name,
        weight,
        method: "POST",
        path: "/v1/messages",
        request,
        headers: headers.to_vec(),
        body,
        pieces,
    };
    let sse = |name, weight, words, events: &Events| {
        shape(
            name,
            weight,
            asking(true, words),
            &[SSE],
            events.to_bytes(),
            ends(events),
        )
    };
    let tools = Events::begin(MODEL)
        .thinking(&["Let me look.", " At the file."])
        .tool_use("Read", &["", "{\"file_path\": \"/", "a.rs\"}"])
        .end("tool_use");
    let small = stream(12);
    let halves = |body: &[u8]| vec![body.len() / 2, body.len()];
    let [gzip, br, zstd] =
        ["gzip", "br", "zstd"].map(|coding| compressed(coding, &small.to_bytes()));
    let zipped = compressed("gzip", &message());
    let coding = |coding| ("content-encoding", coding);
    let mut shapes = vec![
        shape("JSON", 26, asking(false, 400), &[JSON], message(), vec![]),
        sse("small stream", 26, 400, &small),
        sse("large stream", 6, 400, &stream(400)),
        sse("tool calls", 8, 2_000, &tools),
        sse("large request", 2, 100_000, &small),
        shape(
            "gzip stream",
            4,
            asking(true, 40),
            &[SSE, coding("gzip")],
            gzip.clone(),
            halves(&gzip),
        ),
        shape(
            "brotli stream",
            4,
            asking(true, 40),
            &[SSE, coding("br")],
            br.clone(),
            halves(&br),
        ),
        shape(
            "zstd stream",
            4,
            asking(true, 40),
            &[SSE, coding("zstd")],
            zstd.clone(),
            halves(&zstd),
        ),
        shape(
            "gzip JSON",
            4,
            asking(false, 40),
            &[JSON, coding("gzip")],
            zipped,
            vec![],
        ),
    ];
    shapes.push(Shape {
        path: "/v1/messages/count_tokens",
        ..shape(
            "count_tokens",
            10,
            asking(false, 400),
            &[JSON],
            b"{\"input_tokens\":2095}".to_vec(),
            vec![],
        )
    });
    let models = json!({"data": [{"type": "model", "id": MODEL, "display_name": "Haiku", "created_at": "2025-10-01T00:00:00Z"}],
        "has_more": false, "first_id": MODEL, "last_id": MODEL});
    shapes.push(Shape {
        method: "GET",
        path: "/v1/models?limit=1000",
        ..shape(
            "models",
            6,
            Value::Null,
            &[JSON],
            models.to_string().into_bytes(),
            vec![],
        )
    });
    shapes
}
