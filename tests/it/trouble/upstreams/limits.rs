//! Limits that a caller, a plan or the exchange as a whole set say nothing about the upstream.

use serde_json::{Value, json};
use tokio::task::JoinSet;
use witgate_artifacts::{ENVELOPE, ROUTE};

use crate::harness::{
    Answer, Client, Events, GatewayBuilder, Pause, Request, TestGateway, Upstream,
};
use crate::upstreams::{message, shown};

const MODEL: &str = "claude-haiku-4-5";

/// A number of requests that is enough for any breaker.
const MANY: usize = 25;

/// An upstream that never answers those who are in a hurry, and answers others at once.
async fn slow_for_some() -> Upstream {
    Upstream::start_with(|request| {
        if request.headers.get("x-hurry").is_some() {
            Answer::never()
        } else {
            message()
        }
    })
    .await
}

/// The shipped plugins; every caller may set a limit of its own.
fn with_timeouts() -> GatewayBuilder {
    let settings = "[settings]\ntimeout = { anyone = true }\n";
    GatewayBuilder::shipped().plugin("envelope", ENVELOPE, settings)
}

fn events() -> Events {
    Events::begin(MODEL).text(&["one", "two"]).end("end_turn")
}

fn patient(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": MODEL, "max_tokens": 5, "messages": []}))
}

fn hurried(gate: &TestGateway) -> Request {
    patient(gate).header("x-hurry", "1")
}

/// The same, with a limit of the caller's own.
fn impatient(gate: &TestGateway) -> Request {
    let body = json!({"model": MODEL, "max_tokens": 5, "messages": [], "vmx": {"timeoutMs": 100}});
    gate.messages(&body).header("x-hurry", "1")
}

/// Asks the same many times at once and gives the answers' statuses and texts.
async fn at_once(gate: &TestGateway, request: &Request) -> Vec<(u16, String)> {
    let mut asking = JoinSet::new();
    for _ in 0..MANY {
        let (address, request) = (gate.address(), request.clone());
        asking.spawn(async move {
            let response = Client::connect(address).await.ask(&request).await;
            (response.status, response.text().to_owned())
        });
    }
    asking.join_all().await
}

/// Checks that nothing of what happened so far is held against the upstream.
async fn nothing_was_learned(gate: &TestGateway) -> Value {
    let shown = shown(gate, "only").await;
    assert_eq!(shown["state"], "available", "it takes requests: {shown}");
    let minute = &shown["last_minute"];
    assert_eq!(minute["errors"], 0, "no error is counted: {shown}");
    assert_eq!(minute["requests"], 0, "nor any success: {shown}");
    assert_eq!(shown["latency_ms"], Value::Null, "nor a time: {shown}");
    assert_eq!(shown["in_flight"], 0, "and nothing is left there: {shown}");
    shown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_own_limit_closes_the_upstream_for_nobody() {
    let upstream = slow_for_some().await;
    let gate = with_timeouts().upstream("only", &upstream).start().await;
    for (status, text) in at_once(&gate, &impatient(&gate)).await {
        assert_eq!(status, 504, "the caller's limit: {text}");
        assert!(
            text.contains("that the request allows"),
            "the answer says whose limit it was: {text}"
        );
    }
    nothing_was_learned(&gate).await;
    let response = gate.ask(&patient(&gate)).await;
    assert_eq!(response.status, 200, "another one: {}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plans_limit_closes_the_upstream_for_nobody() {
    let upstream = slow_for_some().await;
    let sidecar = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"only\", timeout_ms = 200 }]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .upstream("only", &upstream)
        .start()
        .await;
    for (status, text) in at_once(&gate, &hurried(&gate)).await {
        assert_eq!(status, 504, "the plan's limit: {text}");
        assert!(
            text.contains("that the plan allows"),
            "the answer says whose limit it was: {text}"
        );
    }
    nothing_was_learned(&gate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateways_own_total_time_closes_the_upstream_for_nobody() {
    let upstream = slow_for_some().await;
    let gate = GatewayBuilder::bare()
        .upstream("only", &upstream)
        .extra("[streams]\ntotal_timeout_ms = 200\n")
        .start()
        .await;
    for (status, text) in at_once(&gate, &hurried(&gate)).await {
        assert_eq!(status, 504, "the total time: {text}");
    }
    nothing_was_learned(&gate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_the_total_time_ends_in_its_middle_is_not_the_upstreams_failure() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(3, &pause)).await;
    let gate = GatewayBuilder::bare()
        .upstream("only", &upstream)
        .extra("[streams]\ntotal_timeout_ms = 500\n")
        .start()
        .await;
    at_once(&gate, &patient(&gate)).await;
    gate.receipts_when(MANY).await;
    let shown = shown(&gate, "only").await;
    assert_eq!(shown["state"], "available", "it takes requests: {shown}");
    assert_eq!(shown["last_minute"]["errors"], 0, "no failure: {shown}");
    pause.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_the_upstream_breaks_off_is_its_failure_and_no_success() {
    let upstream = Upstream::always(Answer::sse(&events()).stop_at_event(3)).await;
    let gate = GatewayBuilder::bare()
        .upstream("only", &upstream)
        .start()
        .await;
    at_once(&gate, &patient(&gate)).await;
    gate.receipts_when(MANY).await;
    let shown = shown(&gate, "only").await;
    assert_eq!(shown["state"], "open", "it is left alone: {shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_are_neither_a_success_nor_a_failure() {
    let upstream = Upstream::always(Answer::never()).await;
    let gate = GatewayBuilder::bare()
        .upstream("only", &upstream)
        .start()
        .await;
    for round in 0..3 {
        let mut client = gate.client().await;
        client.send(&patient(&gate)).await;
        upstream.next_request().await;
        client.close();
        gate.receipts_when(round + 1).await;
    }
    nothing_was_learned(&gate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_own_limit_spends_nothing_of_the_retry_budget() {
    let upstream = slow_for_some().await;
    let retry = "retry = { attempts = 2, base_ms = 1, cap_ms = 1, budget_ratio = 0 }\n";
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\n{retry}",
        upstream.url()
    );
    let gate = with_timeouts().extra(&table).start().await;
    at_once(&gate, &impatient(&gate)).await;
    let shown = nothing_was_learned(&gate).await;
    assert_eq!(shown["retries_left"], 10, "the floor is untouched: {shown}");
    assert_eq!(upstream.requests().len(), MANY, "each was sent once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstreams_own_limit_counts_also_where_a_callers_is_as_long() {
    let upstream = slow_for_some().await;
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\nhead_timeout_ms = 100\nretry = {{ attempts = 0 }}\n",
        upstream.url()
    );
    let gate = with_timeouts().extra(&table).start().await;
    for (status, text) in at_once(&gate, &impatient(&gate)).await {
        assert!(
            [503, 504].contains(&status),
            "no answer in time, or not asked any more: {status} {text}"
        );
    }
    let shown = shown(&gate, "only").await;
    assert_eq!(shown["state"], "open", "it is left alone: {shown}");
    assert!(
        shown["last_minute"]["errors"].as_u64() >= Some(20),
        "and its failures are counted: {shown}"
    );
}
