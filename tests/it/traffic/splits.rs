//! Recorded answers through the gateway, split and cut at every byte: the client's bytes are the upstream's, what they
//! cost is the same, and what was cut never looks whole.
//!
//! A request says in a header which answer it wants and where that is to be split or cut, so that one gateway and one
//! upstream serve all of them, several at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use witgate_messages::{Meter, Source};

use crate::harness::{
    Answer, Ending, GatewayBuilder, Pause, Request, TestGateway, Upstream, compressed,
};

/// Clients that ask at a time.
const CLIENTS: usize = 8;
const PLACE: &str = "x-test-place";
const CORRELATION_ID: &str = "x-vmx-correlation-id";

/// A recorded answer.
#[derive(Clone)]
struct Recorded {
    name: String,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

// === impl Recorded ===

impl Recorded {
    fn load(file: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/streams");
        let kind = if file.ends_with(".sse") {
            "text/event-stream; charset=utf-8"
        } else {
            "application/json"
        };
        Self {
            name: file.to_owned(),
            body: std::fs::read(folder.join(file)).unwrap(),
            headers: vec![("content-type", kind.to_owned())],
        }
    }

    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/streams");
        let names = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names
            .filter(|name| name.ends_with(".sse") || name.ends_with(".json"))
            .collect();
        names.sort();
        names.iter().map(|name| Self::load(name)).collect()
    }

    /// The same in a content coding.
    fn coded(mut self, coding: &'static str) -> Self {
        self.body = compressed(coding, &self.body);
        self.headers.push(("content-encoding", coding.to_owned()));
        self.name = format!("{} in {coding}", self.name);
        self
    }

    /// Returns the answer as a stream, or with its length if it is a whole one.
    fn answer(&self) -> Answer {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        if self.name.contains(".sse") {
            Answer::chunked(&headers, self.body.clone())
        } else {
            Answer::bytes(200, &headers, self.body.clone())
        }
    }
}

/// The upstream's settings, none of which keeps a request from it, however often it fails.
const UPSTREAM: &str = "breaker = false\nretry = { attempts = 0 }\n";

/// A gateway for a tier whose budget is large enough.
async fn gate(upstream: &Upstream) -> Arc<TestGateway> {
    let table = format!(
        "[upstreams.default]\nbase_url = \"{}\"\n{UPSTREAM}",
        upstream.url()
    );
    let builder = GatewayBuilder::shipped().tier("enterprise").extra(&table);
    Arc::new(builder.start().await)
}

fn request(gate: &TestGateway, id: &str, place: usize) -> Request {
    let body =
        json!({"model": "claude-opus-5-5", "max_tokens": 50, "messages": [], "stream": true});
    gate.messages(&body)
        .header(CORRELATION_ID, id)
        .header(PLACE, &place.to_string())
}

fn place(request: &crate::harness::Recorded) -> usize {
    request
        .headers
        .get(PLACE)
        .and_then(|place| place.parse().ok())
        .expect("the header passes")
}

/// The places, shared out among the clients.
fn shares(places: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut shares = vec![Vec::new(); CLIENTS];
    for (index, place) in places.into_iter().enumerate() {
        shares[index % CLIENTS].push(place);
    }
    shares
}

/// Returns the end of the answer's first content, up to which a gateway may hold it back.
fn first_content(body: &[u8]) -> usize {
    let find = |from: usize, wanted: &[u8]| {
        let windows = body[from..].windows(wanted.len());
        let found = windows.clone().position(|window| window == wanted);
        from + found.expect("the stream has content") + wanted.len()
    };
    find(find(0, b"event: content_block_delta"), b"\n\n")
}

/// Asserts one receipt for each id, and no open hold; gives the receipts by their ids.
async fn settled(gate: &TestGateway, ids: &BTreeSet<String>) -> BTreeMap<String, Value> {
    let receipts = gate.receipts_when(ids.len()).await;
    assert_eq!(receipts.len(), ids.len(), "one receipt a request");
    let by_id: BTreeMap<String, Value> = receipts
        .into_iter()
        .map(|receipt| {
            (
                receipt["correlation_id"].as_str().unwrap().to_owned(),
                receipt,
            )
        })
        .collect();
    assert!(by_id.keys().eq(ids), "each request has its own");
    let budgets = gate.admin("/budgets").await.json();
    assert_eq!(budgets["open_holds"], 0, "no hold is open: {budgets}");
    by_id
}

/// Returns the usage and cost on a receipt.
fn bill(receipt: &Value) -> (&Value, &Value) {
    (&receipt["usage"], &receipt["cost_picousd"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_split_at_any_byte_reaches_the_client_at_once_and_costs_the_same() {
    let whole = Arc::new(Recorded::load("unicode.sse"));
    let len = whole.body.len();
    let pauses: Arc<Vec<Pause>> = Arc::new((0..=len).map(|_| Pause::new()).collect());
    let (answer, at) = (whole.answer(), Arc::clone(&pauses));
    let upstream = Upstream::start_with(move |request| {
        let place = place(request);
        answer.clone().pause_in_body(place, &at[place])
    })
    .await;
    let gate = gate(&upstream).await;
    let released = first_content(&whole.body);

    let clients = shares(0..=len).into_iter().map(|share| {
        let (gate, whole, pauses) = (Arc::clone(&gate), Arc::clone(&whole), Arc::clone(&pauses));
        tokio::spawn(async move {
            let mut client = gate.client().await;
            for place in share {
                if place < released {
                    pauses[place].resume();
                }
                client
                    .send(&request(&gate, &format!("split-{place}"), place))
                    .await;
                let mut reply = client.reply().await;
                let mut came = 0;
                while came < place {
                    came += reply.chunk().await.expect("the upstream waits").len();
                }
                pauses[place].resume();
                let response = reply.rest().await;
                assert_eq!(response.body, whole.body, "split at {place}");
                assert_eq!(response.ending, Ending::Complete, "split at {place}");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("every split gives the same bytes");
    }

    let ids = (0..=len).map(|place| format!("split-{place}")).collect();
    let receipts = settled(&gate, &ids).await;
    let first = &receipts["split-0"];
    assert_eq!(first["usage"]["source"], "reported", "{first}");
    // 25 tokens of input and 44 of output, at 4 and 20 USD a million.
    assert_eq!(first["cost_picousd"], 980_000_000, "{first}");
    for (id, receipt) in &receipts {
        assert_eq!(bill(receipt), bill(first), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_answer_comes_back_as_it_is_in_pieces_of_any_size() {
    let mut recorded = Recorded::all();
    for coding in ["gzip", "br", "zstd"] {
        for file in ["compaction.sse", "tools.sse", "answer.json"] {
            recorded.push(Recorded::load(file).coded(coding));
        }
    }
    let answers = recorded.clone();
    let upstream = Upstream::start_with(move |request| {
        let recorded = &answers[place(request)];
        match request.headers.get("x-test-pieces").unwrap() {
            "0" => recorded.answer(),
            size => recorded.answer().in_pieces_of(size.parse().unwrap()),
        }
    })
    .await;
    let gate = gate(&upstream).await;
    let mut client = gate.client().await;
    let mut ids = BTreeSet::new();
    for (place, recorded) in recorded.iter().enumerate() {
        let smallest = if recorded.body.len() > 10_000 { 61 } else { 1 };
        for size in [0, smallest, 7, 1000] {
            let id = format!("{place}-{size}");
            let request = request(&gate, &id, place).header("x-test-pieces", &size.to_string());
            let response = client.ask(&request).await;
            let what = format!("{} in pieces of {size}", recorded.name);
            assert_eq!(response.status, 200, "{what}");
            assert_eq!(response.body, recorded.body, "{what}");
            assert_eq!(response.ending, Ending::Complete, "{what}");
            ids.insert(id);
        }
    }
    let receipts = settled(&gate, &ids).await;
    for (id, receipt) in &receipts {
        let (place, _) = id.split_once('-').unwrap();
        let whole = &receipts[&format!("{place}-0")];
        let name = &recorded[place.parse::<usize>().unwrap()].name;
        assert_eq!(bill(receipt), bill(whole), "{name} as {id}");
    }
}

/// Cuts an answer at each of the places, and gives what the receipts say, by place. Asserts that no client saw a clean
/// end: what it got is what there was, or an error in the known shape instead of a beginning.
async fn cut(recorded: &Recorded, places: Vec<usize>) -> BTreeMap<usize, Value> {
    let (answer, name) = (recorded.answer(), &recorded.name);
    let upstream = Upstream::start_with(move |request| {
        let place = place(request);
        answer.clone().stop_in_body(place)
    })
    .await;
    let gate = gate(&upstream).await;
    let body = Arc::new(recorded.body.clone());
    let clients = shares(places.iter().copied()).into_iter().map(|share| {
        let (gate, body, name) = (Arc::clone(&gate), Arc::clone(&body), name.clone());
        tokio::spawn(async move {
            for place in share {
                let mut client = gate.client().await;
                client
                    .send(&request(&gate, &format!("cut-{place}"), place))
                    .await;
                let Some(response) = client.try_receive().await else {
                    // A connection that ends before a head is no clean end either.
                    continue;
                };
                if response.status == 200 {
                    assert_eq!(response.ending, Ending::Cut, "{name} cut at {place}");
                    assert_eq!(response.body, body[..place], "{name} cut at {place}");
                } else {
                    assert!(response.status >= 500, "{name} cut at {place}");
                    assert_eq!(response.json()["type"], "error", "{name} cut at {place}");
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("no cut looks like an end");
    }
    assert!(
        upstream.requests().len() >= places.len(),
        "{name}: every cut came from the upstream"
    );
    let ids = places.iter().map(|place| format!("cut-{place}")).collect();
    let mut receipts = settled(&gate, &ids).await;
    let receipt = |place| receipts.remove(&format!("cut-{place}")).unwrap();
    let by_place: Vec<_> = places.iter().copied().map(receipt).collect();
    for receipt in &by_place {
        let outcome = receipt["outcome"].as_str().unwrap();
        assert!(matches!(outcome, "cut" | "refused"), "{name}: {receipt}");
    }
    places.into_iter().zip(by_place).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_cut_at_any_byte_never_looks_whole_and_its_receipt_has_what_was_delivered() {
    let recorded = Recorded::load("compaction.sse");
    let receipts = cut(&recorded, (0..=recorded.body.len()).collect()).await;
    let released = first_content(&recorded.body);
    for (place, receipt) in receipts {
        assert!(
            place < released || receipt["status"] == 200,
            "content is passed on, at {place}: {receipt}"
        );
        let mut meter = Meter::sse();
        meter.feed(&recorded.body[..place]);
        let reading = meter.finish();
        // All events may be there when the end of the body's framing is not.
        let complete = reading.source == Source::Reported;
        let usage = &receipt["usage"];
        assert_eq!(
            usage["source"] == "reported",
            complete,
            "at {place}: {receipt}"
        );
        if receipt["status"] == 200 && reading.source != Source::None {
            let tokens = reading.usage.tokens;
            assert_eq!(
                (&usage["input_tokens"], &usage["output_tokens"]),
                (&json!(tokens.input), &json!(tokens.output)),
                "at {place}: {receipt}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_with_a_length_that_is_cut_at_any_byte_never_looks_whole() {
    let recorded = Recorded::load("answer.json");
    let receipts = cut(&recorded, (0..recorded.body.len()).collect()).await;
    for (place, receipt) in receipts {
        assert_ne!(
            receipt["usage"]["source"], "reported",
            "at {place}: {receipt}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_stream_that_is_cut_never_looks_whole() {
    for (coding, stride) in [("gzip", 1), ("br", 7), ("zstd", 7)] {
        let recorded = Recorded::load("compaction.sse").coded(coding);
        let places = (0..=recorded.body.len()).step_by(stride);
        cut(&recorded, places.collect()).await;
    }
}
