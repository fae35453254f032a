//! One way to ask an upstream, whatever is asked for: its admission decides, and its credential is renewed once.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use witgate_artifacts::ROUTE;

use super::{asking, error, message, shown, table, until_state};
use crate::harness::{
    Answer, Caller, FakeOrganization, GatewayBuilder, Pause, Request, TestGateway, Upstream,
};

const STATE: &str = "[state]\ndirectory = \"state\"\n";
const OPENS_AT_ONCE: &str =
    "breaker = { min_requests = 1, open_ms = 600000, max_open_ms = 600000 }";

/// More than is kept of an upload so that it can be sent once more.
const LARGE: usize = 300_000;

/// A batch of one request.
fn batch() -> Value {
    json!({"requests": [{"custom_id": "a", "params": {"model": "claude-haiku-4-5", "max_tokens": 1, "messages": []}}]})
}

/// A request for each way in which a request is sent and its answer read.
fn of_every_kind(caller: &Caller) -> [Request; 7] {
    let chunked = caller
        .request("POST", "/v1/files")
        .header("Transfer-Encoding", "chunked");
    [
        caller.post("/v1/messages", &super::body()),
        caller.post("/v1/messages/batches", &batch()),
        caller.request("GET", "/v1/models"),
        caller.request("POST", "/v1/files").body("a file"),
        chunked.body_unframed("6\r\na file\r\n0\r\n\r\n"),
        caller.request("POST", "/v1/skills").body("a skill"),
        caller
            .request("POST", "/v1/other")
            .body("what passes through"),
    ]
}

/// Answers as an organization does, and takes whatever else it is sent.
fn organization() -> impl FnMut(&crate::harness::Recorded) -> Answer + Send + 'static {
    let mut script = FakeOrganization::with_models(&["claude-haiku-4-5"]).script();
    move |request| {
        if request.target() == "/v1/other" {
            return Answer::json(200, &[], &json!({}));
        }
        script(request)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_models_goes_to_the_next_target_when_the_breaker_of_the_first_is_open() {
    let first = Upstream::always(error(500)).await;
    let second = Upstream::start_with(organization()).await;
    let sidecar = "[[settings.rules]]\nname = \"models\"\nwhen = [{ field = \"endpoint\", is = [\"models\"] }]\n\
                   targets = [{ upstream = \"first\" }, { upstream = \"second\" }]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .top("default_upstream = \"first\"")
        .extra(&table("first", &first.url(), OPENS_AT_ONCE))
        .extra(&table("second", &second.url(), ""))
        .start()
        .await;
    let bob = Caller::admit(&gate, "bob", "bolt", "models = [\"*\"]").await;
    assert_eq!(gate.ask(&asking(&gate)).await.status, 500, "it opens");
    let list = gate.ask(&bob.request("GET", "/v1/models")).await;
    assert_eq!(list.status, 200, "{}", list.text());
    assert_eq!(
        list.json()["data"][0]["id"],
        "claude-haiku-4-5",
        "the second one's: {}",
        list.text()
    );
    assert_eq!(first.requests().len(), 1, "the first is left alone");
    let receipts = gate.receipts_when(2).await;
    let receipt = receipts.iter().find(|receipt| receipt["key"] == "bob");
    let receipt = receipt.expect("a receipt of the list");
    assert!(
        receipt["passed_over"].to_string().contains("first"),
        "and the receipt says so: {receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_breaker_keeps_requests_of_every_kind_away_from_the_upstream() {
    let upstream = Upstream::always(error(500)).await;
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &upstream.url(), OPENS_AT_ONCE))
        .extra(STATE)
        .extra("[passthrough]\npaths = [\"/v1/other\"]")
        .start()
        .await;
    let bob = Caller::admit(&gate, "bob", "bolt", "models = [\"*\"]").await;
    assert_eq!(gate.ask(&asking(&gate)).await.status, 500, "it opens");
    for request in of_every_kind(&bob) {
        let refused = gate.ask(&request).await;
        let what = String::from_utf8_lossy(&request.to_bytes()).into_owned();
        assert_eq!(refused.status, 503, "{what}: {}", refused.text());
        assert!(
            refused.headers.get("retry-after").is_some(),
            "{what}: it says when to come back"
        );
    }
    assert_eq!(upstream.requests().len(), 1, "it was not asked again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_on_requests_in_flight_counts_requests_of_every_kind() {
    let pause = Pause::new();
    let held = message().pause_before_head(&pause);
    let mut organization = organization();
    let upstream = Upstream::start_with(move |request| {
        if request.target() == "/v1/messages" {
            return held.clone();
        }
        organization(request)
    })
    .await;
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &upstream.url(), "max_in_flight = 1"))
        .extra(STATE)
        .extra("[passthrough]\npaths = [\"/v1/other\"]")
        .start()
        .await;
    let bob = Caller::admit(&gate, "bob", "bolt", "models = [\"*\"]").await;
    let mut first = gate.client().await;
    first.send(&asking(&gate)).await;
    pause.reached().await;
    for request in of_every_kind(&bob) {
        let refused = gate.ask(&request).await;
        let what = String::from_utf8_lossy(&request.to_bytes()).into_owned();
        assert_eq!(refused.status, 503, "{what}: {}", refused.text());
        assert_eq!(
            refused.headers.get("retry-after"),
            Some("1"),
            "{what}: soon again"
        );
    }
    assert_eq!(upstream.requests().len(), 1, "only the first was sent");
    pause.resume();
    assert_eq!(first.receive().await.status, 200, "the first is served");
    until_state(&gate, "only", "available").await;
    for request in of_every_kind(&bob) {
        let served = gate.ask(&request).await;
        assert_eq!(served.status, 200, "and the next: {}", served.text());
        // The client may have its answer a moment before the upstream is free.
        until_state(&gate, "only", "available").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_takes_the_place_of_another_request() {
    let upstream = Upstream::start_with(organization()).await;
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &upstream.url(), "max_in_flight = 1"))
        .extra(STATE)
        .start()
        .await;
    let alice = Caller::first(&gate);
    let head = alice
        .request("POST", "/v1/files")
        .header("Content-Length", "10");
    let mut upload = gate.client().await;
    upload.write(&head.to_bytes()).await;
    upload.write(b"01234").await;
    until_state(&gate, "only", "full").await;
    let refused = gate.ask(&asking(&gate)).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    upload.write(b"56789").await;
    let response = upload.receive().await;
    assert_eq!(response.status, 200, "{}", response.text());
    until_state(&gate, "only", "available").await;
    assert_eq!(gate.ask(&asking(&gate)).await.status, 200, "then the next");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_full_is_not_asked_about_its_batches() {
    let pause = Pause::new();
    let held = message().pause_before_head(&pause);
    let upstream = Upstream::start_with(move |request| match request.method() {
        "GET" => Answer::json(
            200,
            &[],
            &json!({"id": "msgbatch_1", "processing_status": "in_progress"}),
        ),
        _ if request.target() == "/v1/messages" => held.clone(),
        _ => Answer::json(200, &[], &json!({"id": "msgbatch_1"})),
    })
    .await;
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &upstream.url(), "max_in_flight = 1"))
        .extra(STATE)
        .extra("[batches]\npoll_ms = 2")
        .start()
        .await;
    let alice = Caller::first(&gate);
    let created = gate
        .ask(&alice.post("/v1/messages/batches", &batch()))
        .await;
    assert_eq!(created.status, 200, "{}", created.text());
    let message = asking(&gate);
    let mut client = gate.client().await;
    loop {
        client.send(&message).await;
        tokio::select! {
            () = pause.reached() => break,
            // A look at the batch was under way.
            response = client.receive() => assert_eq!(response.status, 503, "{}", response.text()),
        }
    }
    let before = upstream.requests().len();
    for _ in 0..50 {
        assert_eq!(shown(&gate, "only").await["in_flight"], 1, "the message");
    }
    assert_eq!(upstream.requests().len(), before, "no look at the batch");
    pause.resume();
    assert_eq!(client.receive().await.status, 200, "the message is served");
    crate::harness::within_timeout("a look at the batch", async {
        while upstream.requests().len() == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// An upstream whose credential changes whenever the test wants it to: the request that comes then is refused.
struct Rotating {
    upstream: Upstream,
    file: Arc<OnceLock<PathBuf>>,
    due: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
}

// === impl Rotating ===

impl Rotating {
    async fn start() -> Self {
        let file = Arc::new(OnceLock::<PathBuf>::new());
        let due = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(AtomicUsize::new(0));
        let mut organization = organization();
        let mut valid = "upstream-secret".to_owned();
        let upstream = Upstream::start_with({
            let (file, due, refused) = (Arc::clone(&file), Arc::clone(&due), Arc::clone(&refused));
            move |request| {
                if due.swap(false, Ordering::SeqCst) {
                    let count = refused.fetch_add(1, Ordering::SeqCst) + 1;
                    valid = format!("secret-{count}");
                    std::fs::write(file.get().expect("the gateway has started"), &valid).unwrap();
                }
                if request.headers.get("x-api-key") != Some(&valid) {
                    return Answer::error(401, "authentication_error", "revoked");
                }
                organization(request)
            }
        })
        .await;
        Self {
            upstream,
            file,
            due,
            refused,
        }
    }

    async fn gate(&self) -> TestGateway {
        let gate = GatewayBuilder::bare()
            .extra(&table("only", &self.upstream.url(), ""))
            .extra(STATE)
            .extra("[passthrough]\npaths = [\"/v1/other\"]")
            .start()
            .await;
        self.file.set(gate.file("upstream.key")).expect("one gate");
        gate
    }

    /// Refuses the next request.
    fn rotate(&self) {
        self.due.store(true, Ordering::SeqCst);
    }

    fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_renews_the_credential_once_and_repeats_requests_of_every_kind() {
    let rotating = Rotating::start().await;
    let gate = rotating.gate().await;
    let bob = Caller::admit(&gate, "bob", "bolt", "models = [\"*\"]").await;
    for (place, request) in of_every_kind(&bob).into_iter().enumerate() {
        rotating.rotate();
        let before = rotating.upstream.requests().len();
        let response = gate.ask(&request).await;
        let what = String::from_utf8_lossy(&request.to_bytes()).into_owned();
        assert_eq!(response.status, 200, "{what}: {}", response.text());
        assert_eq!(rotating.refused(), place + 1, "{what}: one refusal");
        let sent = rotating.upstream.requests().split_off(before);
        assert_eq!(sent.len(), 2, "{what}: sent twice");
        assert_eq!(sent[0].body, sent[1].body, "{what}: the same body");
        let receipts = gate.receipts_when(place + 1).await;
        let receipt = receipts.last().expect("a receipt");
        assert_eq!(
            [
                &receipt["attempts"]["0"]["status"],
                &receipt["attempts"]["1"]["status"]
            ],
            [401, 200],
            "{what}: both are on the receipt: {receipt}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_401_to_an_upload_that_is_not_in_hand_any_more_is_the_clients_and_renews_the_credential()
{
    let rotating = Rotating::start().await;
    let gate = rotating.gate().await;
    let alice = Caller::first(&gate);
    let upload = alice.request("POST", "/v1/files").body("x".repeat(LARGE));
    rotating.rotate();
    let response = gate.ask(&upload).await;
    assert_eq!(response.status, 401, "{}", response.text());
    assert_eq!(rotating.upstream.requests().len(), 1, "sent once");
    let response = gate.ask(&upload).await;
    assert_eq!(
        response.status,
        200,
        "the next has the new credential: {}",
        response.text()
    );
}
