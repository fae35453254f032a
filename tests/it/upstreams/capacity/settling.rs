//! A lease counts with an estimate until its exchange ends, however it ends, and then with what was used.

use serde_json::json;

use super::{answer, ask, body, capacity, sharing, used};
use crate::harness::{Answer, Events, GatewayBuilder, Pause, TestGateway, Upstream};
use crate::upstreams::{error, shown, table};

const OUTPUT: &str = "output_tokens_per_minute = 1000";

fn streaming(gate: &TestGateway, max_tokens: u64) -> crate::harness::Request {
    let mut body = body("chat", max_tokens);
    body["stream"] = true.into();
    gate.messages(&body)
}

fn events() -> Events {
    let usage = json!({"input_tokens": 10, "output_tokens": 1});
    Events::begin_with_usage("m", usage)
        .text(&["one ", "two ", "three"])
        .end("end_turn")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_expected_and_not_used_is_free_again() {
    let upstream = Upstream::always(answer(10)).await;
    let gate = sharing(&upstream, OUTPUT).await;
    for round in 0..4 {
        assert_eq!(ask(&gate, "chat", 600).await, 200, "{round}");
    }
    assert_eq!(used(&gate).await, 40, "as the answers say");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_used_and_not_expected_counts() {
    let upstream = Upstream::always(answer(990)).await;
    let gate = sharing(&upstream, OUTPUT).await;
    assert_eq!(ask(&gate, "chat", 5).await, 200, "expected to be short");
    assert_eq!(used(&gate).await, 990, "it was not");
    assert_eq!(ask(&gate, "chat", 20).await, 429, "ten are left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_counts_with_its_estimate_while_it_runs() {
    let pause = Pause::new();
    let upstream = Upstream::always(answer(10).pause_before_head(&pause)).await;
    let gate = sharing(&upstream, OUTPUT).await;
    let mut client = gate.client().await;
    client.send(&gate.messages(&body("chat", 600))).await;
    pause.reached().await;
    assert_eq!(used(&gate).await, 600, "all that it may use");
    assert_eq!(ask(&gate, "chat", 600).await, 429, "no second one fits");
    pause.resume();
    assert_eq!(client.receive().await.status, 200, "it ends");
    client.finish().await;
    assert_eq!(used(&gate).await, 10, "and what it used is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_counts_with_what_its_events_report() {
    let upstream = Upstream::always(Answer::sse(&events())).await;
    let gate = sharing(&upstream, OUTPUT).await;
    let response = gate.ask(&streaming(&gate, 600)).await;
    assert_eq!(response.body, events().to_bytes(), "as it came");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["usage"]["source"], "reported", "{receipt}");
    assert_eq!(
        receipt["usage"]["output_tokens"],
        used(&gate).await,
        "the same on both: {receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_counts_with_what_was_read_of_it() {
    let upstream = Upstream::always(Answer::sse(&events()).stop_at_event(4)).await;
    let gate = sharing(&upstream, OUTPUT).await;
    gate.ask(&streaming(&gate, 600)).await;
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "cut", "{receipt}");
    let used = used(&gate).await;
    assert_eq!(receipt["usage"]["output_tokens"], used, "{receipt}");
    assert!((1..600).contains(&used), "less than was expected: {used}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_a_stream_used_what_was_read_of_it() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(4, &pause)).await;
    let gate = sharing(&upstream, OUTPUT).await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate, 600)).await;
    pause.reached().await;
    client.close();
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "client-gone", "{receipt}");
    let used = used(&gate).await;
    assert!((1..600).contains(&used), "less than was expected: {used}");
    pause.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_before_an_answer_leaves_the_estimate_standing() {
    let pause = Pause::new();
    let upstream = Upstream::always(answer(10).pause_before_head(&pause)).await;
    let gate = sharing(&upstream, OUTPUT).await;
    let mut client = gate.client().await;
    client.send(&gate.messages(&body("chat", 600))).await;
    pause.reached().await;
    client.close();
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "client-gone", "{receipt}");
    assert_eq!(used(&gate).await, 600, "nobody knows what it used");
    pause.resume();
}

/// Returns what is used of each limit of the upstream `default`.
async fn each(gate: &TestGateway) -> Vec<u64> {
    let shown = shown(gate, "default").await;
    let limits = shown["capacity"]["limits"].as_array().expect("limits");
    let used = limits.iter().map(|limit| limit["used"].as_u64());
    used.map(|used| used.expect("a use")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_counts_as_a_request_without_tokens_and_each_retry_as_another() {
    let upstream = Upstream::start([error(500), answer(7)]).await;
    let table = format!(
        "[upstreams.default]\nbase_url = \"{}\"\nretry = {{ attempts = 1, base_ms = 1 }}\n",
        upstream.url()
    );
    let limits = "requests_per_minute = 10\noutput_tokens_per_minute = 1000";
    let gate = GatewayBuilder::bare()
        .extra(&table)
        .extra(&capacity("default", limits))
        .start()
        .await;
    // Two estimates of this size would not fit.
    assert_eq!(ask(&gate, "chat", 600).await, 200, "at the second try");
    assert_eq!(each(&gate).await, [2, 7], "two requests, and one answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_could_not_be_sent_counts_for_nothing() {
    let nobody = Upstream::refusing().await;
    let limits = "requests_per_minute = 10\noutput_tokens_per_minute = 1000";
    let gate = GatewayBuilder::bare()
        .extra(&table("default", &format!("http://{nobody}"), ""))
        .extra(&capacity("default", limits))
        .start()
        .await;
    assert_eq!(ask(&gate, "chat", 600).await, 502, "nobody is there");
    assert_eq!(each(&gate).await, [0, 0], "and nothing was used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_the_upstream_does_not_take_counts_for_nothing() {
    let pause = Pause::new();
    let upstream = Upstream::always(answer(10).pause_before_head(&pause)).await;
    let gate = GatewayBuilder::bare()
        .extra(&table("default", &upstream.url(), "max_in_flight = 1"))
        .extra(&capacity("default", "requests_per_minute = 10"))
        .start()
        .await;
    let mut client = gate.client().await;
    client.send(&gate.messages(&body("chat", 5))).await;
    pause.reached().await;
    assert_eq!(ask(&gate, "chat", 5).await, 503, "it has one already");
    assert_eq!(used(&gate).await, 1, "the one that it has");
    pause.resume();
    assert_eq!(client.receive().await.status, 200, "it ends");
}
