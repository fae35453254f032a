//! Redaction holds while the audit plugin faults: fields that it would drop or hash are not written.

use serde_json::{Value, json};
use witgate_artifacts::{AUDIT, ENVELOPE, HOSTILE, OLDER};

use crate::harness::{Caller, GatewayBuilder, TestGateway, Upstream};

const DROPPING: &str = "[settings]\ndrop = [\"metadata.*\", \"user\"]\n";

const SMALL: &str = "[hooks.audit]\ncopy_bytes = 6500\nreturn_bytes = 6500\n";

/// The other hooks of a suspended plugin fail open.
const OPEN: &str = "order = 900\n[hooks.envelope]\nfail = \"open\"\n[hooks.route]\nfail = \"open\"\n\
                    [hooks.budget]\nfail = \"open\"\n";

fn asking(gate: &TestGateway, how: &str) -> crate::harness::Request {
    gate.messages(&json!({
        "model": "claude-sonnet-5-5", "max_tokens": 5, "messages": [],
        "vmx": {"metadata": {"hostile": how, "secret": "hunter2"}},
    }))
}

fn held_back(receipt: &Value) {
    let text = receipt.to_string();
    assert!(
        !text.contains("hunter2"),
        "nothing of it is written: {text}"
    );
    for (name, value) in [
        ("/outcome", json!("answered")),
        ("/key", json!("alice")),
        ("/tenant", json!("acme")),
        ("/status", json!(200)),
    ] {
        assert_eq!(
            receipt.pointer(name),
            Some(&value),
            "what the host must keep is there: {text}"
        );
    }
    assert!(
        receipt["usage"]["output_tokens"].is_u64() && receipt["cost_picousd"].is_u64(),
        "money is there: {text}"
    );
    let mark = receipt["audit"].as_str().unwrap_or_default();
    assert!(mark.starts_with("held back"), "and a mark: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_faults_a_plugin_is_written_without_what_it_would_have_dropped() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .plugin("audit", AUDIT, DROPPING)
        .plugin("hostile", HOSTILE, "order = 900\n")
        .upstream("default", &upstream)
        .start()
        .await;
    for (count, how) in ["trap", "huge-string", "refuse"].into_iter().enumerate() {
        assert_eq!(gate.ask(&asking(&gate, how)).await.status, 200, "{how}");
        let receipts = gate.receipts_when(count + 1).await;
        let text = receipts[count].to_string();
        // The first plugin has dropped it; here it is the second that faults.
        assert!(!text.contains("hunter2"), "{how}: {text}");
    }
    drop(gate);

    let gate = GatewayBuilder::bare()
        .plugin("envelope", ENVELOPE, "")
        .plugin("hostile", HOSTILE, "order = 900\n")
        .upstream("default", &upstream)
        .start()
        .await;
    for (count, how) in ["trap", "huge-string", "nonsense", "refuse"]
        .into_iter()
        .enumerate()
    {
        assert_eq!(gate.ask(&asking(&gate, how)).await.status, 200, "{how}");
        held_back(&gate.receipts_when(count + 1).await[count]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_audit_plugin_lets_nothing_through_that_it_would_drop() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .plugin("envelope", ENVELOPE, "")
        .plugin("hostile", HOSTILE, OPEN)
        .upstream("default", &upstream)
        .start()
        .await;
    // Colluding tenants have it suspended for all by faults of another hook.
    let mut league = Vec::new();
    for tenant in ["bolt", "cord", "dock"] {
        league.push(Caller::admit(&gate, tenant, tenant, "").await);
    }
    let small = json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []});
    let mut asked = 0;
    loop {
        for caller in &league {
            let attack = caller
                .post("/v1/messages", &small)
                .header("x-hostile", "envelope:trap");
            assert_eq!(gate.ask(&attack).await.status, 200, "it fails open");
        }
        assert_eq!(gate.ask(&asking(&gate, "trap")).await.status, 200);
        asked += league.len() + 1;
        let receipts = gate.receipts_when(asked).await;
        let own: Vec<_> = receipts.iter().filter(|it| it["key"] == "alice").collect();
        own.iter().for_each(|receipt| held_back(receipt));
        // The suspension may have ended before the receipt came to it.
        if own
            .iter()
            .any(|it| it["audit"].to_string().contains("suspended"))
        {
            break;
        }
        assert!(asked < 200, "it is suspended by now: {own:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_one_tenant_that_fault_an_audit_plugin_cost_another_tenant_nothing() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .plugin("envelope", ENVELOPE, "")
        .plugin("hostile", HOSTILE, "order = 900\n")
        .upstream("default", &upstream)
        .start()
        .await;
    let other = Caller::admit(&gate, "bob", "bolt", "").await;
    for (count, how) in ["trap", "huge-string", "nonsense", "trap", "trap"]
        .into_iter()
        .enumerate()
    {
        assert_eq!(gate.ask(&asking(&gate, how)).await.status, 200, "{how}");
        held_back(&gate.receipts_when(count + 1).await[count]);
    }
    let body = json!({
        "model": "claude-sonnet-5-5", "max_tokens": 5, "messages": [],
        "vmx": {"metadata": {"note": "stays"}},
    });
    let asking = other.post("/v1/messages", &body);
    assert_eq!(gate.ask(&asking).await.status, 200);
    let written = gate.receipts_when(6).await.remove(5);
    assert_eq!(written["audit"], Value::Null, "it was audited: {written}");
    assert_eq!(written["metadata"]["note"], "stays", "whole: {written}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_over_a_plugins_limit_is_held_back_alone_and_suspends_nothing() {
    let upstream = Upstream::answering().await;
    // A plugin of the older contract gets receipts whole.
    let gate = GatewayBuilder::bare()
        .plugin("envelope", ENVELOPE, "")
        .plugin("older", OLDER, &format!("order = 900\n{SMALL}"))
        .upstream("default", &upstream)
        .start()
        .await;
    let large = large();
    for count in 0..5 {
        assert_eq!(gate.ask(&gate.messages(&large)).await.status, 200);
        held_back(&gate.receipts_when(count + 1).await[count]);
    }
    assert_eq!(gate.ask(&asking(&gate, "")).await.status, 200);
    let other = gate.receipts_when(6).await.remove(5);
    assert_eq!(other["audit"], Value::Null, "the other's passed: {other}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_any_size_is_redacted_by_a_plugin_that_reads_nothing_of_it() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .plugin("audit", AUDIT, &format!("{DROPPING}{SMALL}"))
        .upstream("default", &upstream)
        .start()
        .await;
    assert_eq!(gate.ask(&gate.messages(&large())).await.status, 200);
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(receipt["audit"], Value::Null, "it passed: {receipt}");
    assert_eq!(receipt["metadata"], Value::Null, "and was redacted");
    assert_eq!(
        receipt["correlation_id"], receipt["id"],
        "all else is there"
    );
}

/// A request whose receipt has more bytes than [`SMALL`] lets a plugin have.
fn large() -> Value {
    let metadata: serde_json::Map<_, _> = (0..40)
        .map(|index| (format!("m{index}"), json!("x".repeat(400))))
        .chain([("secret".to_owned(), json!("hunter2"))])
        .collect();
    json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": [], "vmx": {"metadata": metadata}})
}
