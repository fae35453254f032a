//! Health checks: an upstream is taken out and comes back without any traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{GatewayBuilder, Upstream, within_timeout};
use crate::upstreams::{asking, error, message, shown, table, until_state};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_take_an_upstream_out_and_in_again_without_traffic() {
    let healthy = Arc::new(AtomicBool::new(true));
    let checks = Arc::new(AtomicUsize::new(0));
    let (state, count) = (Arc::clone(&healthy), Arc::clone(&checks));
    let a = Upstream::start_with(move |request| {
        if request.target() != "/base/health" {
            return message();
        }
        assert_eq!(
            request.headers.get("x-api-key"),
            Some("upstream-secret"),
            "as requests are"
        );
        count.fetch_add(1, Ordering::SeqCst);
        // A 401 comes from a server that lives.
        error(if state.load(Ordering::SeqCst) {
            401
        } else {
            503
        })
    })
    .await;
    let b = Upstream::answering().await;
    let health = "health = { path = \"/health\", interval_ms = 5, timeout_ms = 5000, unhealthy_after = 2, healthy_after = 2 }";
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"pool\"")
        .extra(&table("a", &format!("{}/base", a.url()), health))
        .extra(&table("b", &b.url(), ""))
        .extra("[groups.pool]\nmembers = [{ upstream = \"a\" }, { upstream = \"b\" }]\nchoice = \"order\"\n")
        .start()
        .await;
    within_timeout("checks", async {
        while checks.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let checked = shown(&gate, "a").await;
    assert_eq!(checked["state"], "available", "a 401 is a sign of life");
    assert!(
        checked["latency_ms"].is_null(),
        "only requests count for the latency: {checked}"
    );

    healthy.store(false, Ordering::SeqCst);
    let out = until_state(&gate, "a", "unhealthy").await;
    assert!(
        out["why"].as_str().unwrap().contains("503"),
        "it says what was seen: {out}"
    );
    assert_eq!(gate.ask(&asking(&gate)).await.status, 200, "served");
    assert_eq!(b.requests().len(), 1, "by the other one");

    healthy.store(true, Ordering::SeqCst);
    until_state(&gate, "a", "available").await;
    assert_eq!(gate.ask(&asking(&gate)).await.status, 200, "served");
    assert_eq!(b.requests().len(), 1, "by the first one again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_find_an_upstream_that_is_not_there_and_follow_a_reload() {
    let dead = Upstream::refusing().await;
    let health = "health = { interval_ms = 5, unhealthy_after = 1, healthy_after = 1 }";
    let url = format!("http://{dead}");
    let gate = GatewayBuilder::bare()
        .extra(&table("only", &url, health))
        .start()
        .await;
    until_state(&gate, "only", "unhealthy").await;
    let refused = gate.ask(&asking(&gate)).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(
        refused.text().contains("health checks"),
        "{}",
        refused.text()
    );

    let upstream = Upstream::answering().await;
    let file = gate.file("witgate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&url, &upstream.url())).unwrap();
    gate.running().reload().await.expect("it is right");
    assert_eq!(
        gate.ask(&asking(&gate)).await.status,
        200,
        "a new upstream starts healthy"
    );
    within_timeout("checks of the new upstream", async {
        while upstream.next_request().await.target() != "/v1/models" {}
    })
    .await;
}
