//! Edits of the envelope hook are what the hooks after it see, and what is sent.

use serde_json::json;
use witgate_artifacts::{BUDGET, HOSTILE, ROUTE};

use super::{asking, told};
use crate::harness::{Answer, Caller, GatewayBuilder, TestGateway, Upstream};

/// Comes before the shipped plugins and sets members of every body.
fn editing(edits: &str) -> String {
    format!("order = 1\n[settings.edits]\n{edits}\n")
}

async fn gate(edits: &str) -> (TestGateway, Upstream) {
    let upstream = Upstream::answering().await;
    let rules = "[[settings.rules]]\nname = \"no opus\"\nwhen = [{ field = \"model\", is = [\"*opus*\"] }]\n\
                 block = { message = \"no opus here\" }\n";
    let gate = GatewayBuilder::shipped()
        .plugin("editor", HOSTILE, &editing(edits))
        .plugin("route", ROUTE, rules)
        .upstream("default", &upstream)
        .start()
        .await;
    (gate, upstream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_sees_the_model_that_an_envelope_has_set() {
    let (gate, upstream) = gate(r#"model = '"claude-opus-5-5"'"#).await;
    let response = gate.ask(&asking(&gate, "claude-haiku-4-5")).await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert!(told(&response).contains("no opus here"), "by the rule");
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_does_not_see_the_model_that_an_envelope_has_replaced() {
    let (gate, upstream) = gate(r#"model = '"claude-haiku-4-5"'"#).await;
    let response = gate.ask(&asking(&gate, "claude-opus-5-5")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let sent = upstream.requests().pop().expect("it was forwarded");
    let sent: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(sent["model"], "claude-haiku-4-5", "what is sent is allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_may_not_ask_for_a_model_by_way_of_an_edit() {
    let (gate, upstream) = gate(r#"model = '"claude-sonnet-5-5"'"#).await;
    let bob = Caller::admit(&gate, "bob", "bolt", "models = [\"claude-haiku-*\"]").await;
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
    let response = gate.ask(&bob.post("/v1/messages", &body)).await;
    assert_eq!(response.status, 403, "{}", response.text());
    assert!(told(&response).contains("claude-sonnet-5-5"), "and is told");
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_budgets_see_every_member_that_an_envelope_has_set() {
    let usage = json!({"input_tokens": 10, "output_tokens": 2});
    let upstream = Upstream::always(Answer::message("claude-haiku-4-5", "hi", &usage)).await;
    let edits = "max_tokens = \"3000\"\nstream = \"true\"\ntools = '[{\"name\": \"Bash\"}]'\n\
                 metadata = '{\"user_id\": \"u-1\"}'\nsystem = '\"be brief\"'";
    for condition in [
        r#"{ field = "max_tokens", at_least = 3000 }"#,
        r#"{ field = "stream", is = ["true"] }"#,
        r#"{ field = "tools", is = ["Bash"] }"#,
        r#"{ field = "tool_count", at_least = 1 }"#,
        r#"{ field = "prompt_tokens", at_least = 5 }"#,
    ] {
        let rules = format!(
            "[[settings.rules]]\nname = \"seen\"\nwhen = [{condition}]\nblock = {{ message = \"seen\" }}\n"
        );
        let gate = GatewayBuilder::shipped()
            .plugin("editor", HOSTILE, &editing(edits))
            .plugin("route", ROUTE, &rules)
            .upstream("default", &upstream)
            .start()
            .await;
        let response = gate.ask(&asking(&gate, "claude-haiku-4-5")).await;
        assert_eq!(response.status, 400, "{condition}: {}", response.text());
    }

    // 3,000 tokens of output cost $0.015, 5 tokens next to nothing.
    let limit =
        "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nusd = \"0.01\"\n";
    for (edits, status) in [(edits, 429), ("max_tokens = \"4\"", 200)] {
        let gate = GatewayBuilder::shipped()
            .plugin("editor", HOSTILE, &editing(edits))
            .plugin("budget", BUDGET, limit)
            .upstream("default", &upstream)
            .start()
            .await;
        let response = gate.ask(&asking(&gate, "claude-haiku-4-5")).await;
        assert_eq!(response.status, status, "{edits}: {}", response.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_target_gets_the_edits_that_the_plan_has_for_it_and_no_other() {
    let first = Upstream::always(Answer::error(503, "overloaded_error", "not now")).await;
    let second = Upstream::answering().await;
    let plan = "[settings]\ntargets = [\"first\", \"second\"]\n\
                [settings.target_edits.first]\nmax_tokens = \"7\"\n\
                [settings.target_edits.second]\n\"+system\" = '{\"type\":\"text\",\"text\":\"be kind\"}'\n";
    let gate = GatewayBuilder::bare()
        .plugin("planner", HOSTILE, plan)
        .upstream("default", &second)
        .upstream("first", &first)
        .upstream("second", &second)
        .start()
        .await;
    let body =
        json!({"model": "claude-haiku-4-5", "max_tokens": 5, "system": "be brief", "messages": []});
    let response = gate.ask(&gate.messages(&body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let sent = |upstream: &Upstream| -> serde_json::Value {
        let request = upstream.requests().pop().expect("it was asked");
        serde_json::from_slice(&request.body).unwrap()
    };
    let (to_first, to_second) = (sent(&first), sent(&second));
    assert_eq!(to_first["max_tokens"], 7, "its own edit");
    assert_eq!(to_first["system"], "be brief", "and not the other's");
    assert_eq!(to_second["max_tokens"], 5, "not the first one's");
    let blocks = json!([{"type": "text", "text": "be brief"}, {"type": "text", "text": "be kind"}]);
    assert_eq!(
        to_second["system"], blocks,
        "a text becomes a block before another is added"
    );
}

/// A gateway whose plan edits the body for its only target.
async fn planning(edits: &str) -> (TestGateway, Upstream) {
    let upstream = Upstream::answering().await;
    let plan =
        format!("[settings]\ntargets = [\"default\"]\n[settings.target_edits.default]\n{edits}\n");
    let gate = GatewayBuilder::bare()
        .plugin("planner", HOSTILE, &plan)
        .upstream("default", &upstream)
        .start()
        .await;
    (gate, upstream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_takes_no_element_is_the_clients_fault() {
    let (gate, upstream) = planning("\"+tools\" = '{\"name\":\"Bash\"}'").await;
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "tools": {}, "messages": []});
    let response = gate.ask(&gate.messages(&body)).await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert!(
        told(&response).contains("tools: it has to be an array"),
        "{}",
        response.text()
    );
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_may_not_use_a_model_by_way_of_an_edit_for_a_target() {
    let (gate, upstream) = planning("fallbacks = '[{\"model\":\"claude-opus-5-5\"}]'").await;
    let bob = Caller::admit(&gate, "bob", "bolt", "models = [\"claude-haiku-*\"]").await;
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
    let response = gate.ask(&bob.post("/v1/messages", &body)).await;
    assert_eq!(response.status, 403, "{}", response.text());
    assert!(
        told(&response).contains("claude-opus-5-5"),
        "{}",
        response.text()
    );
    assert!(upstream.requests().is_empty(), "nothing was sent");
}
