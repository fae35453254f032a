//! Guards that fail.

use witgate_artifacts::WARDEN;

use super::{MODEL, asking, sidecar, streaming};
use crate::harness::{Answer, Ending, Events, GatewayBuilder, TestGateway, Upstream};

async fn failing(upstream: &Upstream, content: &str, fail: &str) -> TestGateway {
    let settings = format!("content = [\"{content}\"]\nhold = 4\nboom = \"BOOM\"\n");
    let sidecar = format!("{}[hooks.guard]\nfail = \"{fail}\"\n", sidecar(&settings));
    GatewayBuilder::bare()
        .plugin("warden", WARDEN, &sidecar)
        .upstream("default", upstream)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_at_which_a_guard_fails_is_refused_or_goes_on_without_it() {
    let upstream = Upstream::answering().await;
    let gate = failing(&upstream, "user", "closed").await;
    let response = gate.ask(&asking(&gate, "a BOOM")).await;
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(upstream.requests().is_empty(), "nothing was sent");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["refusal"]["plugin"], "warden", "{receipt}");

    let gate = failing(&upstream, "user", "open").await;
    let request = asking(&gate, "a BOOM");
    let response = gate.ask(&request).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(upstream.requests()[0].body, request.body, "as it came");
    let receipt = gate.only_receipt().await;
    assert!(receipt["skipped"]["warden"].is_string(), "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_at_which_a_guard_fails_ends_with_an_error_or_goes_on_without_it() {
    let events = Events::begin(MODEL)
        .text(&["some words ", "and a BOOM ", "and more"])
        .end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events)).await;
    let gate = failing(&upstream, "text", "closed").await;
    let response = gate.ask(&streaming(&gate)).await;
    let last = response.events().pop().expect("events");
    assert_eq!(last.name, "error", "{}", response.text());
    assert_eq!(last.json()["error"]["type"], "api_error", "{}", last.data);
    assert!(!response.text().contains("BOOM"), "{}", response.text());
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "refused", "{receipt}");
    assert_eq!(receipt["refusal"]["blame"], "plugin", "{receipt}");

    let gate = failing(&upstream, "text", "open").await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(response.body, events.to_bytes(), "as it came");
    assert_eq!(response.ending, Ending::Complete, "to its end");
    let receipt = gate.only_receipt().await;
    assert!(receipt["skipped"]["warden"].is_string(), "{receipt}");
}
