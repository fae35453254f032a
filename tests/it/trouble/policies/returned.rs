//! A value that the gateway cannot use is its plugin's fault, by name, and its fail policy holds.

use serde_json::{Value, json};
use witgate_artifacts::HOSTILE;

use super::{asking, told};
use crate::harness::{GatewayBuilder, TestGateway, Upstream};

/// A hook, settings under which it returns something that makes no sense, and what has to be told of it.
const WRONG: [(&str, &str, &[&str]); 8] = [
    (
        "envelope",
        "[settings.edits]\nmodel = '{not json'",
        &["edit", "`model`", "not JSON"],
    ),
    (
        "envelope",
        "[settings.edits]\nmax_tokens = '\"many\"'",
        &["edit", "`max_tokens`", "a whole number"],
    ),
    (
        "envelope",
        "[settings.edits]\nmodel = '\"\"'",
        &["edit", "`model`", "empty"],
    ),
    (
        "route",
        "[settings]\ntargets = [\"bedrock\", \"vertex\"]",
        &["`bedrock`", "`vertex`", "use `default`"],
    ),
    (
        "route",
        "[settings]\ntargets = [\"default/\"]",
        &["empty model"],
    ),
    (
        "budget",
        "[settings]\ncharges = [\"key:a fortnight requests 10 1\"]",
        &["`key:a`", "window `fortnight`", "minute"],
    ),
    (
        "budget",
        "[settings]\ncharges = [\"key:a day bananas 10 1\"]",
        &["`key:a`", "unit `bananas`", "picousd"],
    ),
    (
        "budget",
        "[settings]\ncharges = [\"key:b day requests 10 1\", \"key:a day bananas 10 1\"]",
        &["`key:a`"],
    ),
];

async fn gate(settings: &str, more: &str, upstream: &Upstream) -> TestGateway {
    GatewayBuilder::bare()
        .plugin("bad", HOSTILE, &format!("{settings}\n{more}"))
        .upstream("default", upstream)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_a_fault_of_the_plugin_with_hook_and_cure() {
    let upstream = Upstream::answering().await;
    for (hook, settings, tells) in WRONG {
        // Shown by the header only, so that the smoke test sees nothing of it.
        let gate = gate(settings, "[settings.only]\nheader = \"x-wrong\"", &upstream).await;
        let request = asking(&gate, "claude-haiku-4-5").header("x-wrong", "1");
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 503, "{settings}: {}", response.text());
        let told = told(&response);
        for part in tells.iter().chain(&["`bad`", hook]) {
            assert!(told.contains(part), "{settings}: {part} in: {told}");
        }
        let receipt = gate.receipts_when(1).await.remove(0);
        for (field, value) in [
            ("blame", "plugin"),
            ("plugin", "bad"),
            ("hook", hook),
            ("fault", "contract"),
        ] {
            assert_eq!(receipt["refusal"][field], value, "{settings}: {receipt}");
        }
        let faults = &gate.plugin_status("bad").await["metrics"]["faults"];
        assert_eq!(faults["contract"], 1, "{settings}: it is counted: {faults}");
        let next = gate.ask(&asking(&gate, "claude-haiku-4-5")).await;
        assert_eq!(next.status, 200, "{settings}: {}", next.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fail_policy_and_the_breaker_hold_for_it_as_for_every_fault() {
    let upstream = Upstream::answering().await;
    let open: String = ["envelope", "route", "budget"]
        .iter()
        .map(|hook| format!("[hooks.{hook}]\nfail = \"open\"\n"))
        .collect();
    for (_, settings, _) in WRONG {
        let more = format!("[settings.only]\nheader = \"x-wrong\"\n{open}");
        let gate = gate(settings, &more, &upstream).await;
        for _ in 0..4 {
            let request = asking(&gate, "claude-haiku-4-5").header("x-wrong", "1");
            let response = gate.ask(&request).await;
            assert_eq!(response.status, 200, "{settings}: {}", response.text());
        }
        let receipt = gate.receipts_when(4).await.remove(0);
        assert_eq!(receipt["skipped"]["bad"], "contract", "{receipt}");
        let bad = gate.plugin_status("bad").await;
        assert_eq!(bad["state"], "suspended", "{settings}: {bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_target_with_a_fallback_behind_it_is_passed_over_and_counted() {
    let upstream = Upstream::answering().await;
    let settings = "[settings]\ntargets = [\"bedrock\", \"default/claude-haiku-4-5\"]";
    let gate = gate(settings, "", &upstream).await;
    let response = gate.ask(&asking(&gate, "claude-opus-4-1")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let sent = upstream.requests().pop().expect("it was forwarded");
    let sent: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(sent["model"], "claude-haiku-4-5", "to the next target");
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(
        receipt["passed_over"]["bedrock"], "not configured",
        "{receipt}"
    );
    let metrics = gate.admin("/metrics").await;
    let line = "witgate_unknown_targets_total{plugin=\"bad\"} 1";
    assert!(
        metrics.text().contains(line),
        "{line} in {}",
        metrics.text()
    );
    let faults = &gate.plugin_status("bad").await["metrics"]["faults"];
    assert_eq!(faults, &json!({}), "it is no fault: {faults}");
}
