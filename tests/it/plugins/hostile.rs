//! A guest that misbehaves costs its own call only, is named, and its fail policy decides the answer.

use serde_json::json;
use witgate_artifacts::{HOSTILE, SWAP_A};

use crate::harness::{GatewayBuilder, Request, TestGateway, Upstream};

/// Behaviours that trap a call, with the kind of fault that is reported.
const BEHAVIOURS: [(&str, &[&str]); 5] = [
    ("trap", &["trap"]),
    ("loop", &["deadline"]),
    ("memory", &["memory"]),
    ("huge", &["return-limit", "copy-limit", "memory"]),
    ("recurse", &["stack-overflow"]),
];

fn asking(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": "m", "max_tokens": 5, "messages": []}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_hook_costs_its_own_call_and_is_answered_by_name() {
    let upstream = Upstream::answering().await;
    for hook in ["envelope", "route", "budget"] {
        for (behaviour, kinds) in BEHAVIOURS {
            // A gate of its own for each, so that the breaker has no say here.
            let gate = GatewayBuilder::bare()
                .plugin("bad", HOSTILE, "[limits]\ndeadline_ms = 100\n")
                .plugin("good", SWAP_A, "order = 200\n")
                .upstream("default", &upstream)
                .start()
                .await;
            let hostile = asking(&gate).header("x-hostile", &format!("{hook}:{behaviour}"));
            let response = gate.ask(&hostile).await;
            let what = format!("{hook}:{behaviour}");
            assert_eq!(
                response.status,
                503,
                "{what} fails closed: {}",
                response.text()
            );
            let body = response.json();
            assert_eq!(
                body["type"], "error",
                "{what} is answered in the shape that clients know: {body}"
            );
            let message = body["error"]["message"].as_str().unwrap();
            assert!(
                message.contains("`bad`") && message.contains(hook),
                "{what} names plugin and hook: {message}"
            );

            let receipt = gate.receipts_when(1).await.remove(0);
            let kind = receipt["refusal"]["fault"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(
                kinds.contains(&kind.as_str()),
                "{what} is reported as one of {kinds:?}: {receipt}"
            );
            assert_eq!(receipt["refusal"]["hook"], hook, "{what}: {receipt}");
            assert_eq!(
                gate.plugin_status("bad").await["metrics"]["faults"][&kind],
                1,
                "{what} is counted"
            );
            let metrics = gate.admin("/metrics").await;
            let metrics = metrics.text();
            let line = format!("witgate_plugin_faults_total{{plugin=\"bad\",kind=\"{kind}\"}} 1");
            assert!(metrics.contains(&line), "{what}: {line} in {metrics}");

            let next = gate.ask(&asking(&gate)).await;
            assert_eq!(
                next.status,
                200,
                "the call after {what} goes well: {}",
                next.text()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_fails_open_is_skipped_and_the_receipt_says_so() {
    let upstream = Upstream::answering().await;
    let sidecar = "[hooks.envelope]\nfail = \"open\"\n[hooks.route]\nfail = \"open\"\n[hooks.budget]\nfail = \"open\"\n";
    let gate = GatewayBuilder::bare()
        .plugin("bad", HOSTILE, sidecar)
        .upstream("default", &upstream)
        .start()
        .await;
    for (index, hook) in ["envelope", "route"].into_iter().enumerate() {
        let response = gate
            .ask(&asking(&gate).header("x-hostile", &format!("{hook}:trap")))
            .await;
        assert_eq!(
            response.status,
            200,
            "{hook} is skipped: {}",
            response.text()
        );
        let receipt = gate.receipts_when(index + 1).await.remove(index);
        assert_eq!(receipt["skipped"]["bad"], "trap", "{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_hook_that_fails_loses_no_receipt() {
    let upstream = Upstream::answering().await;
    for (behaviour, _) in BEHAVIOURS {
        let vmx = json!({"model": "m", "max_tokens": 5, "messages": [], "vmx": {"metadata": {"hostile": behaviour}}});
        let gate = GatewayBuilder::bare()
            .plugin("envelope", witgate_artifacts::ENVELOPE, "")
            .plugin("bad", HOSTILE, "[limits]\ndeadline_ms = 100\n")
            .upstream("default", &upstream)
            .start()
            .await;
        assert_eq!(
            gate.ask(&gate.messages(&vmx)).await.status,
            200,
            "the client does not notice"
        );
        let receipt = gate.receipts_when(1).await.remove(0);
        assert_eq!(
            receipt["outcome"], "answered",
            "written as it was: {receipt}"
        );
        assert!(
            receipt["audit"]
                .as_str()
                .unwrap_or_default()
                .contains("bad"),
            "and marked: {receipt}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_keeps_failing_is_suspended_and_its_policy_still_holds() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .plugin("bad", HOSTILE, "")
        .upstream("default", &upstream)
        .start()
        .await;
    let hostile = asking(&gate).header("x-hostile", "envelope:trap");
    for _ in 0..4 {
        assert_eq!(gate.ask(&hostile).await.status, 503, "closed");
    }
    let plugin = gate.plugin_status("bad").await;
    assert_eq!(plugin["state"], "suspended", "visible: {plugin}");
    assert_eq!(
        plugin["metrics"]["faults"]["trap"], 3,
        "the fourth call did not reach it: {plugin}"
    );
    assert_eq!(
        gate.ask(&asking(&gate)).await.status,
        503,
        "fail closed holds meanwhile"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_the_host_does_not_know_are_the_operators_to_mend_not_a_crash() {
    let upstream = Upstream::answering().await;
    for (hook, told) in [
        ("envelope", "edit"),
        ("route", "no such upstream"),
        ("budget", "fortnight"),
    ] {
        let gate = GatewayBuilder::bare()
            .plugin("bad", HOSTILE, "")
            .upstream("default", &upstream)
            .start()
            .await;
        let response = gate
            .ask(&asking(&gate).header("x-hostile", &format!("{hook}:nonsense")))
            .await;
        assert_eq!(response.status, 503, "{hook}: {}", response.text());
        assert!(
            response.text().contains(told),
            "{hook}: the answer says what: {}",
            response.text()
        );
        assert_eq!(
            gate.ask(&asking(&gate)).await.status,
            200,
            "{hook}: the next request goes well"
        );
    }
}
