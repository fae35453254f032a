//! However an exchange ends, it leaves one receipt, a settled hold and an answer in the known shape.

use serde_json::json;
use witgate_artifacts::ROUTE;

use crate::harness::{
    Answer, Ending, Events, GatewayBuilder, Pause, Request, TestGateway, Upstream,
};

fn streaming(gate: &TestGateway) -> Request {
    gate.messages(
        &json!({"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [], "stream": true}),
    )
}

fn events() -> Events {
    let usage = json!({"input_tokens": 100, "output_tokens": 1});
    Events::begin_with_usage("claude-haiku-4-5", usage)
        .text(&["one ", "two ", "three "])
        .end("end_turn")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_complete_stream_is_answered_and_metered() {
    let upstream = Upstream::always(Answer::sse(&events())).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.ending, Ending::Complete, "a clean end");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "answered", "{receipt}");
    assert_eq!(receipt["usage"]["input_tokens"], 100, "{receipt}");
    assert_eq!(receipt["stop_reason"], "end_turn", "{receipt}");
    assert!(
        receipt["time"]["total_us"].as_i64().unwrap() > 0,
        "{receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_upstream_never_looks_like_a_clean_end_and_is_not_billed_from_the_placeholder() {
    let whole = events();
    for stop in 1..whole.count() {
        let upstream = Upstream::always(Answer::sse(&whole).stop_at_event(stop)).await;
        let gate = GatewayBuilder::shipped()
            .upstream("default", &upstream)
            .start()
            .await;
        let response = gate.ask(&streaming(&gate)).await;
        assert_eq!(response.ending, Ending::Cut, "cut after {stop} events");
        let receipt = gate.only_receipt().await;
        assert_eq!(receipt["outcome"], "cut", "after {stop}: {receipt}");
        assert_ne!(
            receipt["usage"]["source"], "reported",
            "after {stop}: {receipt}"
        );
        assert_eq!(
            receipt["usage"]["input_tokens"], 100,
            "the prompt is known from the start: {receipt}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_ends_the_upstreams_work_and_is_on_the_receipt() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(4, &pause)).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate)).await;
    let mut reply = client.reply().await;
    for _ in 0..3 {
        reply.event().await.expect("an event");
    }
    drop(reply);
    client.close();
    upstream.client_left(0).await;
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "client-gone", "{receipt}");
    assert_eq!(
        receipt["usage"]["source"], "estimated",
        "what was delivered is accounted for: {receipt}"
    );
    pause.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_before_the_answer_ends_the_wait() {
    let upstream = Upstream::always(Answer::never()).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate)).await;
    upstream.next_request().await;
    client.close();
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "client-gone", "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_event_in_the_stream_passes_and_is_recorded_as_a_failure() {
    let events = Events::begin("claude-haiku-4-5")
        .text(&["one"])
        .error("overloaded_error", "Overloaded");
    let upstream = Upstream::always(Answer::sse(&events)).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(
        response.body,
        events.to_bytes(),
        "it is the client's to see"
    );
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "stream-error", "{receipt}");
    assert_eq!(receipt["error"]["type"], "overloaded_error", "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_cannot_be_reached_is_a_502_that_says_so() {
    let dead = Upstream::refusing().await;
    let gate = GatewayBuilder::shipped()
        .upstream_at("default", &format!("http://{dead}"))
        .start()
        .await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.status, 502, "{}", response.text());
    assert_eq!(
        response.json()["error"]["type"],
        "api_error",
        "{}",
        response.text()
    );
    assert!(
        response.text().contains("default"),
        "the upstream is named: {}",
        response.text()
    );
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["refusal"]["blame"], "upstream", "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_does_not_answer_in_time_is_a_504() {
    let upstream = Upstream::always(Answer::never()).await;
    let sidecar = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"default\", timeout_ms = 50 }]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .upstream("default", &upstream)
        .start()
        .await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.status, 504, "{}", response.text());
    assert_eq!(
        response.json()["error"]["type"],
        "timeout_error",
        "{}",
        response.text()
    );
    assert_eq!(
        gate.only_receipt().await["outcome"],
        "refused",
        "on the receipt"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooled_connection_that_the_upstream_closed_is_replaced_without_the_client_noticing() {
    let answer =
        Answer::message("m", "hi", &json!({"input_tokens": 1, "output_tokens": 1})).then_close();
    let upstream = Upstream::always(answer).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    for round in 0..5 {
        assert_eq!(
            gate.ask(&streaming(&gate)).await.status,
            200,
            "round {round}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_stands_still_for_too_long_is_cut() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(3, &pause)).await;
    let slow = format!(
        "[upstreams.slow]\nbase_url = \"{}\"\nidle_timeout_ms = 100\n",
        upstream.url()
    );
    let gate = GatewayBuilder::shipped().extra(&slow).start().await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.ending, Ending::Cut, "it is not waited for");
    assert_eq!(
        gate.only_receipt().await["outcome"],
        "cut",
        "on the receipt"
    );
    pause.resume();
}
