//! Values of a request that are longer than anything can be made of: the caller's mistake, and nobody else's trouble.

use serde_json::json;
use witgate_artifacts::BUDGET;

use crate::harness::{Answer, Caller, GatewayBuilder, Request, TestGateway, Upstream};

async fn gate(limits: &str) -> (TestGateway, Upstream) {
    let usage = json!({"input_tokens": 10, "output_tokens": 2});
    let upstream = Upstream::always(Answer::message("claude-haiku-4-5", "hi", &usage)).await;
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, limits)
        .upstream("default", &upstream)
        .start()
        .await;
    (gate, upstream)
}

fn plain(gate: &TestGateway) -> Request {
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
    gate.messages(&body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_makes_an_account_too_long_is_a_400_that_names_it() {
    let limits = ["session", "user", "metadata.team"].map(|account| {
        format!(
            "[[settings.tiers.pro.limits]]\naccount = \"{account}\"\nwindow = \"day\"\nrequests = 9\n"
        )
    });
    let (gate, upstream) = gate(&limits.concat()).await;
    let long = "x".repeat(1_100);
    let nameless = Caller::admit(&gate, "carol", "acme", "").await;
    let with_user = json!({
        "model": "claude-haiku-4-5", "max_tokens": 5, "messages": [], "metadata": {"user_id": long},
    });
    // The user of a key goes before what the client says, so this key must have none.
    let keys = gate.file("keys.toml");
    let text = std::fs::read_to_string(&keys).unwrap();
    std::fs::write(&keys, text.replace("user = \"carol\"\n", "")).unwrap();
    gate.running().reload().await.unwrap();
    for (request, named) in [
        (
            plain(&gate).header("x-claude-code-session-id", &long),
            "the session",
        ),
        (
            plain(&gate).header("x-vmx-metadata-team", &long),
            "the metadata value `team`",
        ),
        (nameless.post("/v1/messages", &with_user), "the user"),
    ] {
        let response = gate.ask(&request).await;
        let text = response.text();
        assert_eq!(response.status, 400, "{named}: {text}");
        assert!(text.contains(named), "{named} in: {text}");
        assert!(text.contains("1100 bytes"), "how long it is: {text}");
        assert_eq!(
            response.headers.get("x-should-retry"),
            Some("false"),
            "{named}: it would be refused again"
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
    assert_eq!(
        gate.ask(&plain(&gate)).await.status,
        200,
        "others are served"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_to_be_read_is_refused_as_the_callers_and_suspends_no_plugin() {
    let (gate, _upstream) = gate("").await;
    let with = |name: &str, value: serde_json::Value| {
        let mut body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
        body[name] = value;
        gate.messages(&body)
    };
    let entries: serde_json::Map<_, _> = (0..1_100)
        .map(|count| (format!("k{count}"), json!("v")))
        .collect();
    let huge = "x".repeat(2_000_000);
    for (request, status, named) in [
        (
            with("vmx", json!({"correlationId": &huge[..300_000]})),
            413,
            "`vmx`",
        ),
        (
            with("vmx", json!({"correlationId": &huge[..100_000]})),
            400,
            "vmx",
        ),
        (
            with("vmx", json!({"metadata": entries})),
            400,
            "vmx.metadata",
        ),
        (with("model", json!(huge)), 400, "model"),
        (
            with("metadata", json!({"user_id": huge})),
            400,
            "metadata.user_id",
        ),
    ] {
        // More often than a plugin may fault before it is suspended.
        for _ in 0..5 {
            let response = gate.ask(&request).await;
            let text = response.text();
            assert_eq!(response.status, status, "{named}: {text}");
            assert!(text.contains(named), "{named} in: {text}");
        }
        let other = gate.ask(&plain(&gate)).await;
        assert_eq!(other.status, 200, "after {named}: {}", other.text());
    }
}
