//! Upstreams in trouble: left alone, tried again, never overfilled, and what operators see of it.

use std::path::Path;

use serde_json::Value;
use witgate_gateway::config::Config;

use super::{asking, error, message, shown, table, until_state};
use crate::harness::{Answer, Events, GatewayBuilder, Pause, Upstream, within_timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_fails_again_and_again_is_left_alone_and_everybody_sees_why() {
    let upstream = Upstream::always(error(500)).await;
    let breaker = "breaker = { min_requests = 3, open_ms = 600000, max_open_ms = 600000 }";
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &upstream.url(), breaker))
        .start()
        .await;
    for round in 0..3 {
        let response = gate.ask(&asking(&gate)).await;
        assert_eq!(
            response.status, 500,
            "failure {round} is the client's to see"
        );
    }
    let refused = gate.ask(&asking(&gate)).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(
        refused.text().contains("only")
            && refused.text().contains("3 of 3 requests failed within 10s"),
        "it says who and why: {}",
        refused.text()
    );
    let wait: u64 = refused.headers.get("retry-after").unwrap().parse().unwrap();
    assert!((1..=600).contains(&wait), "and when to come back: {wait}");
    assert_eq!(
        refused.headers.get("x-should-retry"),
        Some("true"),
        "which is worth it"
    );
    assert_eq!(
        upstream.requests().len(),
        3,
        "the upstream was not asked again"
    );

    let shown = shown(&gate, "only").await;
    assert_eq!(shown["state"], "open", "{shown}");
    assert_eq!(shown["why"], "3 of 3 requests failed within 10s", "{shown}");
    assert!(
        shown["since_unix_ms"].as_u64().unwrap() > 1_700_000_000_000,
        "{shown}"
    );
    assert!(shown["retries_left"].as_u64().unwrap() >= 10, "{shown}");
    let metrics = gate.admin("/metrics").await;
    assert!(
        metrics
            .text()
            .contains("witgate_upstream_available{upstream=\"only\"} 0"),
        "{}",
        metrics.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_comes_back_is_found_by_one_request() {
    let upstream = Upstream::start([error(500), error(502), message(), message()]).await;
    let breaker = "breaker = { min_requests = 2, open_ms = 10 }";
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &upstream.url(), breaker))
        .start()
        .await;
    for _ in 0..2 {
        gate.ask(&asking(&gate)).await;
    }
    within_timeout("the trial", async {
        while gate.ask(&asking(&gate)).await.status != 200 {}
    })
    .await;
    assert_eq!(
        gate.ask(&asking(&gate)).await.status,
        200,
        "it is in use again"
    );
    assert_eq!(upstream.requests().len(), 4, "one trial was enough");
    let shown = shown(&gate, "only").await;
    assert_eq!(shown["state"], "available", "{shown}");
    assert_eq!(shown["why"], Value::Null, "{shown}");
    assert!(
        shown["latency_ms"].is_u64(),
        "the time to an answer is known: {shown}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trial_that_streams_lets_others_in_as_soon_as_its_head_is_there() {
    let pause = Pause::new();
    let events = Events::begin("claude-haiku-4-5")
        .text(&["one", "two"])
        .end("end_turn");
    let stream = Answer::sse(&events).pause_at_event(3, &pause);
    let upstream = Upstream::start([error(500), stream, message()]).await;
    let breaker = "breaker = { min_requests = 1, open_ms = 10 }";
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &upstream.url(), breaker))
        .start()
        .await;
    assert_eq!(gate.ask(&asking(&gate)).await.status, 500, "it opens");
    let mut client = gate.client().await;
    within_timeout("the trial", async {
        loop {
            client.send(&asking(&gate)).await;
            let reply = client.reply().await;
            if reply.status == 200 {
                return;
            }
            reply.rest().await;
        }
    })
    .await;
    pause.reached().await;
    assert_eq!(
        gate.ask(&asking(&gate)).await.status,
        200,
        "the stream is still running"
    );
    pause.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_busy_is_not_taken_for_broken() {
    for (kind, status) in [("anthropic", 529), ("anthropic", 429), ("messages", 503)] {
        let upstream = Upstream::always(error(status)).await;
        let more = format!(
            "kind = \"{kind}\"\nbreaker = {{ min_requests = 2, open_ms = 600000, max_open_ms = 600000 }}"
        );
        let gate = GatewayBuilder::bare()
            .extra(&table("only", &upstream.url(), &more))
            .start()
            .await;
        for _ in 0..6 {
            assert_eq!(
                gate.ask(&asking(&gate)).await.status,
                status,
                "its own word"
            );
        }
        assert_eq!(
            shown(&gate, "only").await["state"],
            "available",
            "{kind} {status}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breaker_that_is_switched_off_never_opens() {
    let upstream = Upstream::always(error(500)).await;
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &upstream.url(), "breaker = false"))
        .start()
        .await;
    for _ in 0..20 {
        assert_eq!(
            gate.ask(&asking(&gate)).await.status,
            500,
            "asked each time"
        );
    }
    assert_eq!(upstream.requests().len(), 20, "each time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_says_nothing_about_the_upstream() {
    let upstream = Upstream::always(Answer::never()).await;
    let breaker = "breaker = { min_requests = 1, open_ms = 600000, max_open_ms = 600000 }";
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &upstream.url(), breaker))
        .start()
        .await;
    for round in 0..3 {
        let mut client = gate.client().await;
        client.send(&asking(&gate)).await;
        upstream.next_request().await;
        client.close();
        gate.receipts_when(round + 1).await;
    }
    let shown = shown(&gate, "only").await;
    assert_eq!(shown["state"], "available", "{shown}");
    assert_eq!(shown["in_flight"], 0, "nothing is left there: {shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_has_no_more_requests_than_it_may_have() {
    let pause = Pause::new();
    let answer = message().pause_before_head(&pause);
    let upstream = Upstream::always(answer).await;
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &upstream.url(), "max_in_flight = 1"))
        .start()
        .await;
    let mut first = gate.client().await;
    first.send(&asking(&gate)).await;
    pause.reached().await;
    assert_eq!(
        shown(&gate, "only").await["state"],
        "full",
        "it has its one"
    );
    let refused = gate.ask(&asking(&gate)).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.headers.get("retry-after"), Some("1"), "soon again");
    pause.resume();
    assert_eq!(first.receive().await.status, 200, "the first is served");
    until_state(&gate, "only", "available").await;
    assert_eq!(gate.ask(&asking(&gate)).await.status, 200, "and the next");
}

#[test]
fn every_wrong_key_of_an_upstream_is_told_at_once_with_its_line() {
    let text = r#"
[listen]
address = "127.0.0.1:0"
[keys]
insecure_open = true
[plugins]
directory = "."
[limits]
in_flight = 999999999999
decoded_bytes = 0
[upstreams.a]
base_url = "http://x"
kind = "openai"
max_in_flight = 0
retry = { attempts = 99, base_ms = 10, cap_ms = 5, budget_ratio = 1.5, max_wait_ms = 0 }
breaker = { min_requests = 0, error_percent = 101, panic_percent = 3, window_ms = 0, open_ms = 10, max_open_ms = 5, failures = 1 }
health = { path = "models", interval_ms = 0 }
credential = { command = [], refresh_ms = 5 }
[upstreams.b]
base_url = "http://x"
credential = "server"
[upstreams.c]
base_url = "http://x"
credential = { env = "PATH", refresh_ms = 5, colour = 1 }
[groups.a]
members = [{ upstream = "a", weight = 0 }, { upstream = "a" }, { upstream = "nobody" }]
choice = "best"
[groups.g]
members = []
"#;
    let problems = Config::parse(Path::new("w.toml"), text)
        .unwrap_err()
        .to_string();
    for told in [
        "limits.in_flight",
        "limits.decoded_bytes",
        "upstreams.a.kind",
        "upstreams.a.max_in_flight",
        "upstreams.a.retry.attempts",
        "upstreams.a.retry.cap_ms",
        "upstreams.a.retry.budget_ratio",
        "upstreams.a.retry.max_wait_ms",
        "upstreams.a.breaker.min_requests",
        "upstreams.a.breaker.error_percent",
        "upstreams.a.breaker.panic_percent",
        "upstreams.a.breaker.window_ms",
        "upstreams.a.breaker.max_open_ms",
        "upstreams.a.breaker.failures",
        "upstreams.a.health.path",
        "upstreams.a.health.interval_ms",
        "upstreams.a.credential.command",
        "upstreams.b.credential",
        "upstreams.c.credential.refresh_ms",
        "upstreams.c.credential.colour",
        "groups.a.members[0].weight",
        "groups.a.members[1].upstream",
        "groups.a.members[2].upstream",
        "groups.a.choice",
        "groups.g.members",
    ] {
        assert!(problems.contains(told), "{told} is told in:\n{problems}");
    }
    assert!(
        problems.lines().all(|line| line.starts_with("w.toml:")),
        "each with its line:\n{problems}"
    );
}
