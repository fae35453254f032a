//! Betas and members that clouds refuse: left out, or a reason to ask another upstream or none.

use serde_json::json;

use super::{BOTH, Cloud, Kind, body};
use crate::harness::{Answer, Capture, GatewayBuilder, TestGateway, Upstream};

/// Returns a beta that this cloud refuses.
fn refused(kind: Kind) -> &'static str {
    match kind {
        Kind::Vertex => "files-api-2025-04-14",
        Kind::Foundry => "advisor-tool-2026-03-01",
    }
}

async fn group(cloud: &Cloud, more: &str, api: &Upstream) -> TestGateway {
    let group = "[groups.all]\nmembers = [{ upstream = \"cloud\" }, { upstream = \"api\" }]\nchoice = \"order\"\nallow_provider_change = true\n";
    GatewayBuilder::bare()
        .top("default_upstream = \"all\"")
        .extra(
            &(cloud.table("cloud", more) + &crate::upstreams::table("api", &api.url(), "") + group),
        )
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_request_of_messages_is_taken_and_the_receipt_says_what_was_left_out() {
    let captures = Capture::all();
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        let gate = cloud.gate("").await;
        let of_messages = captures
            .iter()
            .filter(|capture| {
                capture.request.method == "POST"
                    && capture.request.target.starts_with("/v1/messages")
            })
            .filter(|capture| !capture.request.target.contains("batches"));
        let mut asked = 0;
        let mut client = gate.client().await;
        for capture in of_messages {
            let name = &capture.name;
            let request = capture.request_for("gateway.test", gate.key());
            let answered = client.ask(&request).await;
            let is_unknown = name.contains("unknown") && answered.status == 404;
            assert!(
                answered.status == 200 || is_unknown,
                "{kind:?} {name}: {} {}",
                answered.status,
                answered.text()
            );
            asked += 1;
        }
        client.finish().await;
        assert!(asked > 30, "all recorded requests: {asked}");
        let receipts = gate.receipts_when(asked).await;
        let removed: Vec<_> = receipts
            .iter()
            .filter_map(|receipt| receipt["attempts"]["0"]["removed"].as_str())
            .collect();
        match kind {
            Kind::Vertex => {
                for name in [
                    "service_tier",
                    "redact-thinking-2026-02-12",
                    "afk-mode-2026-01-31",
                ] {
                    let found = removed.iter().any(|removed| removed.contains(name));
                    assert!(found, "{name}: {removed:?}");
                }
            }
            // Its models are Anthropic's own.
            Kind::Foundry => assert!(removed.is_empty(), "{removed:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beta_that_a_cloud_refuses_is_left_out_by_default() {
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        let gate = cloud.gate("").await;
        let betas = format!("interleaved-thinking-2025-05-14,{}", refused(kind));
        let asking = gate.messages(&body()).header("anthropic-beta", &betas);
        let answered = gate.ask(&asking).await;
        assert_eq!(answered.status, 200, "{kind:?}: {}", answered.text());
        let sent = cloud.upstream.requests().pop().unwrap();
        let kept = sent.headers.get("anthropic-beta");
        assert_eq!(kept, Some("interleaved-thinking-2025-05-14"), "{kind:?}");
        let receipt = gate.only_receipt().await;
        assert_eq!(
            receipt["attempts"]["0"]["removed"],
            refused(kind),
            "{receipt}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_that_skips_leaves_the_request_to_the_next_upstream_and_one_that_fails_refuses() {
    for kind in BOTH {
        let (cloud, api) = (Cloud::start(kind).await, Upstream::answering().await);
        let gate = group(&cloud, "on_unsupported = \"skip\"", &api).await;
        let asking = gate
            .messages(&body())
            .header("anthropic-beta", refused(kind));
        assert_eq!(gate.ask(&asking).await.status, 200, "{kind:?}: served");
        assert_eq!(cloud.upstream.requests().len(), 0, "{kind:?}: not asked");
        let sent = api.requests().pop().unwrap();
        assert_eq!(sent.json(), body(), "{kind:?}: the client's own body");
        let receipt = gate.only_receipt().await;
        let why = receipt["passed_over"]["cloud"].as_str().unwrap_or_default();
        assert!(why.contains(refused(kind)), "{receipt}");
        drop(gate);

        let gate = group(&cloud, "on_unsupported = \"fail\"", &api).await;
        let asking = gate
            .messages(&body())
            .header("anthropic-beta", refused(kind));
        let answered = gate.ask(&asking).await;
        assert_eq!(answered.status, 400, "{kind:?}: {}", answered.text());
        for part in ["upstream cloud", refused(kind)] {
            assert!(
                answered.text().contains(part),
                "{part}: {}",
                answered.text()
            );
        }
        assert_eq!(api.requests().len(), 1, "{kind:?}: nobody else was asked");
        drop(gate);

        let more = format!("supported = [\"{}\"]", refused(kind));
        let gate = group(&cloud, &more, &api).await;
        let asking = gate
            .messages(&body())
            .header("anthropic-beta", refused(kind));
        let answered = gate.ask(&asking).await;
        assert_eq!(
            answered.status,
            400,
            "{kind:?}: the cloud decides: {}",
            answered.text()
        );
        assert!(
            answered.text().contains("Unexpected value"),
            "{}",
            answered.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_thinking_stays_with_its_provider() {
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        let api = Upstream::always(Answer::error(529, "overloaded_error", "busy")).await;
        let group = "[groups.all]\nmembers = [{ upstream = \"api\" }, { upstream = \"cloud\" }]\nchoice = \"order\"\n";
        let table = cloud.table("cloud", "");
        let gate = GatewayBuilder::bare()
            .top("default_upstream = \"all\"")
            .extra(&(table + &crate::upstreams::table("api", &api.url(), "") + group))
            .start()
            .await;
        let mut asked = body();
        let plain = gate.ask(&gate.messages(&asked)).await;
        assert_eq!(
            plain.status,
            200,
            "{kind:?}: nothing binds it: {}",
            plain.text()
        );
        asked["messages"] = json!([{"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "Eo"}]}]);
        let bound = gate.ask(&gate.messages(&asked)).await;
        assert_eq!(bound.status, 529, "{kind:?}: the API's own answer");
        assert_eq!(
            cloud.upstream.requests().len(),
            1,
            "{kind:?}: the first alone"
        );
    }
}
