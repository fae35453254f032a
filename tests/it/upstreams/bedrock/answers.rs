//! Answers: whole, streamed, and counts, each equal to the API's.

use serde_json::{Value, json};

use super::frames::{self, METRICS};
use super::standin::{self, events, message, start, start_with};
use super::{Account, body, keys, streamed};
use crate::harness::{Answer, Ending, Event, GatewayBuilder, Request, TestGateway, Upstream};

async fn gate(account: &Account, bedrock: &Upstream, more: &str) -> TestGateway {
    let table = account.table("aws", bedrock, more);
    GatewayBuilder::bare()
        .top("default_upstream = \"aws\"")
        .extra(&table)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_signed_for_bedrock_and_its_answer_is_the_apis() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let gate = gate(&account, &bedrock, "").await;
    let asking = gate
        .messages(&body())
        .set_header("anthropic-version", "2023-06-01")
        .header("user-agent", "a-client/1.0");
    let answered = gate.ask(&asking).await;
    assert_eq!(answered.status, 200, "served: {}", answered.text());
    assert_eq!(answered.json(), message(), "as Bedrock sent it");
    assert_eq!(
        answered.headers.get("request-id"),
        Some("0a1b2c3d-bedrock"),
        "under the API's name"
    );
    let sent = bedrock.requests().pop().unwrap();
    assert_eq!(
        sent.target(),
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke",
        "the profile of the region's geography"
    );
    assert_eq!(
        sent.json(),
        json!({
            "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}],
            "anthropic_version": "bedrock-2023-05-31",
        }),
        "in Bedrock's form"
    );
    assert_eq!(
        sent.headers.get("user-agent"),
        Some("a-client/1.0"),
        "the rest goes on"
    );
    let receipt = gate.only_receipt().await;
    let attempt = &receipt["attempts"]["0"];
    assert_eq!(attempt["upstream"], "aws", "{receipt}");
    assert_eq!(attempt["provider"], "bedrock", "{receipt}");
    assert_eq!(
        attempt["sent_model"], "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "as it was sent"
    );
    assert_eq!(attempt["latency_ms"], 1500, "Bedrock's own figure");
    assert_eq!(
        receipt["model"]["requested"], "claude-sonnet-4-5",
        "as it was asked for"
    );
    assert_eq!(
        receipt["cost_picousd"].as_u64(),
        Some(25 * 3_000_000 + 2 * 15_000_000),
        "at the API's prices"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_that_of_the_api_event_for_event() {
    let account = Account::new();
    let (bedrock, api) = (
        start(keys()).await,
        Upstream::always(Answer::sse(&events())).await,
    );
    let table = account.table("aws", &bedrock, "");
    let gate = GatewayBuilder::bare()
        .upstream("api", &api)
        .extra(&table)
        .start()
        .await;
    let expected = gate.ask(&gate.messages(&streamed())).await;
    drop(gate);
    let gate = super::answers::gate(&account, &bedrock, "").await;
    let given = gate.ask(&gate.messages(&streamed())).await;
    assert_eq!(given.status, 200, "served: {}", given.text());
    for name in ["content-type", "transfer-encoding"] {
        assert_eq!(
            given.headers.get(name),
            expected.headers.get(name),
            "{name}"
        );
    }
    assert_eq!(given.text(), expected.text(), "to the byte");
    assert_eq!(given.events(), expected.events(), "event for event");
    assert_eq!(given.ending, Ending::Complete, "to its end");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "answered", "{receipt}");
    let attempt = &receipt["attempts"]["0"];
    assert_eq!(
        (
            attempt["latency_ms"].as_u64(),
            attempt["first_byte_ms"].as_u64()
        ),
        (Some(1500), Some(300)),
        "Bedrock's own figures: {receipt}"
    );
    assert_eq!(receipt["usage"]["output_tokens"], 7, "metered: {receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_the_same_however_it_is_cut() {
    let account = Account::new();
    let whole = frames::of(&events()).concat();
    let headers = [("content-type", "application/vnd.amazon.eventstream")];
    for size in [1, 7, 4096, whole.len()] {
        let (body, sent) = (whole.clone(), headers);
        let bedrock = start_with(keys(), move |_, _| {
            Answer::chunked(&sent, body.clone()).in_pieces_of(size)
        })
        .await;
        let gate = gate(&account, &bedrock, "").await;
        let given = gate.ask(&gate.messages(&streamed())).await;
        assert_eq!(given.body, events().to_bytes(), "in pieces of {size}");
        assert!(!given.text().contains(METRICS), "nothing of Bedrock's own");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_the_client_before_the_next_one_is_there() {
    let account = Account::new();
    let pause = crate::harness::Pause::new();
    let frames = frames::of(&events());
    let first = frames[0].len();
    let held = pause.clone();
    let bedrock = start_with(keys(), move |_, _| {
        frames::answer(&frames).pause_in_body(first, &held)
    })
    .await;
    let gate = gate(&account, &bedrock, "").await;
    let mut client = gate.client().await;
    client.send(&gate.messages(&streamed())).await;
    let mut reply = client.reply().await;
    let event: Option<Event> = reply.event().await;
    assert_eq!(event.unwrap().name, "message_start", "it waits for nothing");
    pause.resume();
    assert_eq!(
        reply.rest().await.body,
        events().to_bytes(),
        "and then the rest"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_counted_by_bedrocks_own_count() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let gate = gate(&account, &bedrock, "").await;
    let mut asked = body();
    asked.as_object_mut().unwrap().remove("max_tokens");
    let request = Request {
        target: "/v1/messages/count_tokens?beta=true".into(),
        ..gate.messages(&asked)
    };
    let answered = gate.ask(&request).await;
    assert_eq!(answered.status, 200, "served: {}", answered.text());
    assert_eq!(
        answered.json(),
        json!({"input_tokens": 14}),
        "in the API's form"
    );
    let sent = bedrock.requests().pop().unwrap();
    assert_eq!(
        sent.target(),
        "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens",
        "of the foundation model"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_key_is_sent_as_a_bearer_and_nothing_is_signed() {
    let bedrock = start(standin::Takes::ApiKey("upstream-secret")).await;
    let credential = "credential = { file = \"upstream.key\" }";
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"aws\"")
        .extra(&super::bedrock("aws", &bedrock, credential))
        .start()
        .await;
    let answered = gate.ask(&gate.messages(&body())).await;
    assert_eq!(answered.status, 200, "served: {}", answered.text());
    let sent = bedrock.requests().pop().unwrap();
    assert_eq!(sent.headers.get("x-amz-date"), None, "no signature");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_request_reaches_bedrock_in_the_clear() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let gate = gate(&account, &bedrock, "").await;
    let plain = body().to_string();
    let request = gate
        .messages(&body())
        .header("content-encoding", "gzip")
        .body(crate::harness::compressed("gzip", plain.as_bytes()));
    let answered = gate.ask(&request).await;
    assert_eq!(answered.status, 200, "served: {}", answered.text());
    let sent: Value = bedrock.requests().pop().unwrap().json();
    assert_eq!(sent["max_tokens"], 64, "decoded");
}
