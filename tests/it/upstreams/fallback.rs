//! Retries and fallbacks: which requests are sent again, to which target, how often, and which never are.

use serde_json::json;
use witgate_artifacts::ROUTE;

use crate::harness::{Answer, Events, GatewayBuilder, Request, TestGateway, Upstream};

const MODEL: &str = "claude-haiku-4-5";

fn events() -> Events {
    Events::begin(MODEL).text(&["one ", "two"]).end("end_turn")
}

fn early_error() -> Events {
    Events::begin(MODEL)
        .ping()
        .error("overloaded_error", "Overloaded")
}

fn streaming(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": MODEL, "max_tokens": 50, "messages": [], "stream": true}))
}

/// A gateway whose plan is `first`, then `second`.
async fn two_targets(first: &Upstream, second: &Upstream) -> TestGateway {
    let sidecar = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"first\" }, { upstream = \"second\" }]\n";
    GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .upstream("first", first)
        .upstream("second", second)
        .start()
        .await
}

/// A gateway with one upstream that is tried again.
async fn one_target(upstream: &Upstream, retry: &str) -> TestGateway {
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\nretry = {{ {retry} }}\n",
        upstream.url()
    );
    GatewayBuilder::shipped().extra(&table).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_fails_before_its_first_content_is_tried_at_the_next_target() {
    let first = Upstream::always(Answer::sse(&early_error())).await;
    let second = Upstream::always(Answer::sse(&events())).await;
    let gate = two_targets(&first, &second).await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(
        response.body,
        events().to_bytes(),
        "the client sees the second answer and nothing of the first"
    );
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "answered", "{receipt}");
    assert_eq!(receipt["attempts"]["1"]["upstream"], "second", "{receipt}");
    assert!(
        receipt["attempts"]["0"]["error"]
            .as_str()
            .is_some_and(|error| error.contains("overloaded_error")),
        "the first try is on the receipt as what it was: {receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_before_its_first_content_is_tried_at_the_next_target() {
    let first = Upstream::always(Answer::sse(&events()).stop_at_event(1)).await;
    let second = Upstream::always(Answer::sse(&events())).await;
    let gate = two_targets(&first, &second).await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.body, events().to_bytes(), "the second answer");
    assert_eq!(gate.only_receipt().await["outcome"], "answered", "recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_after_the_first_content_passes_and_nothing_is_tried_again() {
    let failing = Events::begin(MODEL)
        .text(&["one"])
        .error("overloaded_error", "Overloaded");
    let first = Upstream::always(Answer::sse(&failing)).await;
    let second = Upstream::answering().await;
    let gate = two_targets(&first, &second).await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(
        response.body,
        failing.to_bytes(),
        "it is the client's to see"
    );
    assert!(second.requests().is_empty(), "nobody else is asked");
    assert_eq!(
        gate.only_receipt().await["outcome"],
        "stream-error",
        "recorded as failed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_targets_early_error_passes_as_it_came() {
    let first = Upstream::always(Answer::sse(&early_error())).await;
    let second = Upstream::always(Answer::sse(&early_error())).await;
    let gate = two_targets(&first, &second).await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.status, 200, "as it came");
    assert_eq!(response.body, early_error().to_bytes(), "every byte of it");
    assert_eq!(
        gate.only_receipt().await["outcome"],
        "stream-error",
        "recorded as failed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_error_of_the_clients_own_making_is_not_tried_elsewhere() {
    let wrong = Events::begin(MODEL).error("invalid_request_error", "no");
    let first = Upstream::always(Answer::sse(&wrong)).await;
    let second = Upstream::answering().await;
    let gate = two_targets(&first, &second).await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.body, wrong.to_bytes(), "as it came");
    assert!(second.requests().is_empty(), "nobody else is asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_answer_that_is_cut_is_tried_at_the_next_target() {
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let cut = Answer::message(MODEL, "never complete", &usage);
    let cut = cut.clone().stop_at_byte(cut.head_len() + 20);
    let first = Upstream::always(cut).await;
    let second = Upstream::answering().await;
    let gate = two_targets(&first, &second).await;
    let body = json!({"model": MODEL, "max_tokens": 5, "messages": []});
    let response = gate.ask(&gate.messages(&body)).await;
    assert_eq!(response.json()["content"][0]["text"], "hi", "the second's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_clients_making_is_never_tried_again() {
    for status in [400, 401, 403, 404, 413, 422] {
        let first = Upstream::always(Answer::error(status, "some_error", "no")).await;
        let second = Upstream::answering().await;
        let gate = two_targets(&first, &second).await;
        let response = gate.ask(&streaming(&gate)).await;
        assert_eq!(response.status, status, "passed on");
        assert_eq!(response.json()["error"]["message"], "no", "unmodified");
        assert_eq!(first.requests().len(), 1, "{status}: asked once");
        assert!(second.requests().is_empty(), "{status}: nobody else");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_pass_is_tried_at_the_next_target() {
    for status in [408, 409, 429, 500, 502, 503, 504, 529] {
        let first = Upstream::always(Answer::error(status, "api_error", "no")).await;
        let second = Upstream::answering().await;
        let gate = two_targets(&first, &second).await;
        assert_eq!(gate.ask(&streaming(&gate)).await.status, 200, "{status}");
        assert_eq!(first.requests().len(), 1, "{status}: asked once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_says_not_to_try_again_is_believed() {
    let body = json!({"type": "error", "error": {"type": "overloaded_error", "message": "no"}});
    let stop = Answer::json(529, &[("x-should-retry", "false")], &body);
    let first = Upstream::always(stop).await;
    let second = Upstream::answering().await;
    let gate = two_targets(&first, &second).await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.status, 529, "passed on");
    assert!(second.requests().is_empty(), "nobody else is asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overloaded_upstream_is_tried_again_as_often_as_its_configuration_says() {
    let overloaded = Answer::error(529, "overloaded_error", "Overloaded");
    let well = Answer::sse(&events());
    let upstream = Upstream::start([overloaded.clone(), overloaded.clone(), well]).await;
    let gate = one_target(&upstream, "attempts = 2, base_ms = 1, cap_ms = 2").await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.body, events().to_bytes(), "the third try's answer");
    assert_eq!(upstream.requests().len(), 3, "three tries");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["attempts"]["2"]["status"], 200, "{receipt}");

    let upstream = Upstream::always(overloaded).await;
    let gate = one_target(&upstream, "attempts = 2, base_ms = 1, cap_ms = 2").await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.status, 529, "the last try's answer");
    assert_eq!(
        response.json()["error"]["message"],
        "Overloaded",
        "as it is"
    );
    assert_eq!(upstream.requests().len(), 3, "and no more tries than that");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_such_a_configuration_an_upstream_is_tried_twice_more() {
    let overloaded = Answer::error(529, "overloaded_error", "Overloaded");
    let well = Answer::sse(&events());
    let upstream = Upstream::start([overloaded.clone(), overloaded.clone(), well]).await;
    let gate = one_target(&upstream, "base_ms = 1, cap_ms = 2").await;
    assert_eq!(gate.ask(&streaming(&gate)).await.status, 200, "it recovers");
    assert_eq!(upstream.requests().len(), 3, "as the SDKs do by default");

    let upstream = Upstream::always(overloaded).await;
    let gate = one_target(&upstream, "attempts = 0").await;
    assert_eq!(gate.ask(&streaming(&gate)).await.status, 529, "passed on");
    assert_eq!(upstream.requests().len(), 1, "retries can be switched off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_retry_after_is_waited_for_and_a_long_one_is_the_clients_to_wait() {
    let body = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}});
    let short = Answer::json(429, &[("retry-after-ms", "5")], &body);
    let upstream = Upstream::start([short, Answer::sse(&events())]).await;
    let gate = one_target(&upstream, "attempts = 1, base_ms = 60000, cap_ms = 60000").await;
    assert_eq!(gate.ask(&streaming(&gate)).await.status, 200, "tried again");

    let long = Answer::json(429, &[("retry-after", "3600")], &body);
    let upstream = Upstream::always(long).await;
    let gate = one_target(&upstream, "attempts = 5, base_ms = 1").await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.status, 429, "passed on");
    assert_eq!(
        response.headers.get("retry-after"),
        Some("3600"),
        "with what the upstream asks for"
    );
    assert_eq!(upstream.requests().len(), 1, "nobody waits an hour here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_how_often_and_after_what_something_else_is_tried() {
    let overloaded = Answer::error(529, "overloaded_error", "Overloaded");
    let upstream = Upstream::start([overloaded.clone(), Answer::sse(&events())]).await;
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\nretry = {{ attempts = 0, base_ms = 1 }}\n",
        upstream.url()
    );
    let sidecar = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"only\" }]\nretries = 1\nretry_on = [\"overloaded\"]\n";
    let plan = |sidecar: &str| {
        GatewayBuilder::shipped()
            .plugin("route", ROUTE, sidecar)
            .extra(&table)
    };
    let gate = plan(sidecar).start().await;
    assert_eq!(gate.ask(&streaming(&gate)).await.status, 200, "once more");

    let never = sidecar.replace("overloaded", "connect");
    let upstream = Upstream::always(overloaded).await;
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\nretry = {{ base_ms = 1, cap_ms = 1 }}\n",
        upstream.url()
    );
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, &never)
        .extra(&table)
        .start()
        .await;
    assert_eq!(
        gate.ask(&streaming(&gate)).await.status,
        529,
        "not after this"
    );
    assert_eq!(upstream.requests().len(), 1, "one try");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_never_multiply_an_outage() {
    let upstream = Upstream::always(Answer::error(500, "api_error", "down")).await;
    let retry = "attempts = 3, base_ms = 1, cap_ms = 1, budget_ratio = 0.1";
    let breaker = "breaker = false\n";
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\nretry = {{ {retry} }}\n{breaker}",
        upstream.url()
    );
    let gate = GatewayBuilder::shipped().extra(&table).start().await;
    let mut client = gate.client().await;
    for _ in 0..100 {
        assert_eq!(client.ask(&streaming(&gate)).await.status, 500, "down");
    }
    let asked = upstream.requests().len();
    assert!(
        asked < 200,
        "a hundred requests with three retries each are far less than four hundred tries: {asked}"
    );
    assert!(asked > 100, "some retries were made: {asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_cannot_be_resolved_is_left_for_the_next_target_within_the_connect_timeout() {
    let second = Upstream::answering().await;
    // RFC 6761, section 6.4: such a name never exists.
    let table = "[upstreams.first]\nbase_url = \"http://nowhere.invalid\"\nconnect_timeout_ms = 1000\nretry = { attempts = 0 }\n";
    let sidecar = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"first\" }, { upstream = \"second\" }]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .upstream("second", &second)
        .extra(table)
        .start()
        .await;
    assert_eq!(gate.ask(&streaming(&gate)).await.status, 200, "answered");
    let receipt = gate.only_receipt().await;
    let first = receipt["attempts"]["0"]["error"]
        .as_str()
        .unwrap_or_default();
    assert!(first.contains("name"), "it says what is wrong: {receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_not_asked_is_on_the_receipt_with_the_reason_and_costs_nothing() {
    let upstream = Upstream::always(Answer::error(500, "api_error", "down")).await;
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\nretry = {{ attempts = 0 }}\nbreaker = {{ min_requests = 1, open_ms = 60000 }}\n",
        upstream.url()
    );
    let gate = GatewayBuilder::shipped().extra(&table).start().await;
    assert_eq!(gate.ask(&streaming(&gate)).await.status, 500, "it fails");
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(
        response.status,
        503,
        "and is left alone: {}",
        response.text()
    );
    assert!(
        response.headers.get("retry-after").is_some(),
        "the client is told when to come back"
    );
    assert_eq!(upstream.requests().len(), 1, "it was not asked");
    let receipts = gate.receipts_when(2).await;
    let refused = receipts.iter().find(|receipt| receipt["status"] == 503);
    let refused = refused.expect("a receipt of the refusal");
    assert!(
        refused["passed_over"]["only"].is_string() && refused["attempts"].is_null(),
        "on the receipt: {refused}"
    );
}
