//! An upstream is judged by how many of its requests fail, and what else could take them.

use serde_json::json;
use witgate_artifacts::ROUTE;

use crate::harness::{GatewayBuilder, Request, TestGateway, Upstream};
use crate::upstreams::{error, message, shown};

fn asking(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []}))
}

/// An upstream that fails every time but for the one in `good`.
async fn failing_but_for_one_in(good: usize) -> Upstream {
    let mut asked = 0;
    Upstream::start_with(move |_| {
        asked += 1;
        if asked % good == 0 {
            message()
        } else {
            error(500)
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_that_happen_to_stand_in_a_row_close_nothing() {
    let mut asked = 0;
    let upstream = Upstream::start_with(move |_| {
        asked += 1;
        // Five in a row among sixty are no more than eight in a hundred.
        if (31..=35).contains(&asked) {
            error(500)
        } else {
            message()
        }
    })
    .await;
    let gate = GatewayBuilder::bare()
        .upstream("only", &upstream)
        .start()
        .await;
    let mut client = gate.client().await;
    let mut good = 0;
    for _ in 0..60 {
        good += usize::from(client.ask(&asking(&gate)).await.status == 200);
    }
    assert_eq!(good, 55, "whatever the upstream answered is delivered");
    assert_eq!(upstream.requests().len(), 60, "it was asked each time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_upstream_is_asked_on_as_long_as_some_of_its_answers_are_good() {
    let upstream = failing_but_for_one_in(5).await;
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\nretry = {{ attempts = 0 }}\nbreaker = {{ open_ms = 600000, max_open_ms = 600000 }}\n",
        upstream.url()
    );
    let gate = GatewayBuilder::bare().extra(&table).start().await;
    let mut client = gate.client().await;
    for round in 1..=60 {
        let expected = if round % 5 == 0 { 200 } else { 500 };
        let response = client.ask(&asking(&gate)).await;
        assert_eq!(response.status, expected, "round {round}");
    }
    let shown = shown(&gate, "only").await;
    assert_eq!(shown["state"], "failing", "operators see it: {shown}");
    let why = shown["why"].as_str().unwrap_or_default();
    assert!(why.contains("requests failed within"), "and why: {shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_upstream_is_asked_where_the_next_target_fails_as_well() {
    let first = failing_but_for_one_in(3).await;
    let second = Upstream::start_with(|request| {
        let lost = request.headers.get("x-lost").is_some();
        if lost { error(529) } else { message() }
    })
    .await;
    let sidecar = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"first\" }, { upstream = \"second\" }]\n";
    let table = |name: &str, upstream: &Upstream| {
        format!(
            "[upstreams.{name}]\nbase_url = \"{}\"\nretry = {{ attempts = 0 }}\nbreaker = {{ open_ms = 600000, max_open_ms = 600000 }}\n",
            upstream.url()
        )
    };
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .top("default_upstream = \"first\"")
        .extra(&table("first", &first))
        .extra(&table("second", &second))
        .start()
        .await;
    let mut client = gate.client().await;
    for round in 0..30 {
        let response = client.ask(&asking(&gate)).await;
        assert_eq!(response.status, 200, "round {round} is served");
    }
    assert_eq!(shown(&gate, "first").await["state"], "failing", "the first");
    let before = first.requests().len();
    assert_eq!(client.ask(&asking(&gate)).await.status, 200, "served");
    assert_eq!(first.requests().len(), before, "by the second one");

    let lost = asking(&gate).header("x-lost", "1");
    let mut answered = 0;
    for _ in 0..6 {
        answered += usize::from(client.ask(&lost).await.status == 200);
    }
    assert_eq!(answered, 2, "what the first one answers is delivered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_fails_always_is_left_alone_whatever_else_there_is() {
    let upstream = Upstream::always(error(500)).await;
    let table = format!(
        "[upstreams.only]\nbase_url = \"{}\"\nretry = {{ attempts = 0 }}\nbreaker = {{ open_ms = 600000, max_open_ms = 600000 }}\n",
        upstream.url()
    );
    let gate = GatewayBuilder::bare().extra(&table).start().await;
    let mut client = gate.client().await;
    for round in 0..20 {
        let status = client.ask(&asking(&gate)).await.status;
        assert_eq!(status, 500, "round {round} is the upstream's word");
    }
    let refused = client.ask(&asking(&gate)).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(
        refused.text().contains("20 of 20 requests failed within"),
        "it says why: {}",
        refused.text()
    );
    let metrics = gate.admin("/metrics").await;
    let refusing = "witgate_upstream_refusing{upstream=\"only\"} 1";
    assert!(metrics.text().contains(refusing), "{}", metrics.text());
}
