//! Betas and members that Bedrock refuses: left out, or a reason to ask another upstream or none.

use serde_json::json;

use super::standin::{self, start, start_with};
use super::{Account, body, keys};
use crate::harness::{Answer, Capture, GatewayBuilder, TestGateway, Upstream};

const BETA: &str = "files-api-2025-04-14";

async fn gate(account: &Account, bedrock: &Upstream, more: &str) -> TestGateway {
    GatewayBuilder::bare()
        .top("default_upstream = \"aws\"")
        .extra(&account.table("aws", bedrock, more))
        .start()
        .await
}

async fn group(account: &Account, bedrock: &Upstream, more: &str, api: &Upstream) -> TestGateway {
    let group = "[groups.all]\nmembers = [{ upstream = \"aws\" }, { upstream = \"api\" }]\nchoice = \"order\"\nallow_provider_change = true\n";
    let table = account.table("aws", bedrock, more);
    GatewayBuilder::bare()
        .top("default_upstream = \"all\"")
        .extra(&(table + &crate::upstreams::table("api", &api.url(), "") + group))
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_request_of_messages_is_taken_and_the_receipt_says_what_was_left_out() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let gate = gate(&account, &bedrock, "").await;
    let captures = Capture::all();
    let of_messages = captures
        .iter()
        .filter(|capture| {
            capture.request.method == "POST" && capture.request.target.starts_with("/v1/messages")
        })
        .filter(|capture| !capture.request.target.contains("batches"));
    let mut asked = 0;
    let mut client = gate.client().await;
    for capture in of_messages {
        let name = &capture.name;
        let request = capture.request_for("gateway.test", gate.key());
        let answered = client.ask(&request).await;
        let unknown = answered.status == 404 && answered.text().contains("has no id on Bedrock");
        assert!(
            answered.status == 200 || unknown,
            "{name}: {} {}",
            answered.status,
            answered.text()
        );
        assert!(
            !unknown || name.contains("unknown"),
            "{name}: {}",
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
    assert!(
        removed
            .iter()
            .any(|removed| removed.contains("context-management-2025-06-27")),
        "Claude Code's beta and its member: {removed:?}"
    );
    assert!(
        removed
            .iter()
            .any(|removed| removed.contains("context_management")),
        "{removed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beta_that_bedrock_refuses_is_left_out_by_default() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let gate = gate(&account, &bedrock, "").await;
    let asking = gate.messages(&body()).header("anthropic-beta", BETA);
    assert_eq!(gate.ask(&asking).await.status, 200, "served");
    assert_eq!(
        bedrock.requests()[0].json().get("anthropic_beta"),
        None,
        "without it"
    );
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["attempts"]["0"]["removed"], BETA, "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_skips_leaves_the_request_to_the_next_one() {
    let account = Account::new();
    let (bedrock, api) = (start(keys()).await, Upstream::answering().await);
    let gate = group(&account, &bedrock, "on_unsupported = \"skip\"", &api).await;
    let asking = gate.messages(&body()).header("anthropic-beta", BETA);
    assert_eq!(gate.ask(&asking).await.status, 200, "served");
    assert_eq!(bedrock.requests().len(), 0, "not asked");
    let sent = api.requests().pop().unwrap();
    assert_eq!(
        sent.headers.get("anthropic-beta"),
        Some(BETA),
        "all of it, to the other one"
    );
    assert_eq!(sent.json(), body(), "the client's own body");
    let receipt = gate.only_receipt().await;
    let why = receipt["passed_over"]["aws"].as_str().unwrap_or_default();
    assert!(why.contains(BETA), "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_another_upstream_says_more_than_one_that_was_skipped() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let api = Upstream::always(Answer::error(429, "rate_limit_error", "slow down")).await;
    let table = account.table("aws", &bedrock, "on_unsupported = \"skip\"");
    let group = "[groups.all]\nmembers = [{ upstream = \"api\" }, { upstream = \"aws\" }]\nchoice = \"order\"\nallow_provider_change = true\n";
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"all\"")
        .extra(&(table + &crate::upstreams::table("api", &api.url(), "") + group))
        .start()
        .await;
    let asking = gate.messages(&body()).header("anthropic-beta", BETA);
    let answered = gate.ask(&asking).await;
    assert_eq!(
        answered.status,
        429,
        "the answer that there is: {}",
        answered.text()
    );
    assert!(answered.text().contains("slow down"), "{}", answered.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_fails_refuses_with_the_names_and_asks_nobody_else() {
    let account = Account::new();
    let (bedrock, api) = (start(keys()).await, Upstream::answering().await);
    let gate = group(&account, &bedrock, "on_unsupported = \"fail\"", &api).await;
    let mut asked = body();
    asked["speed"] = json!("fast");
    let asking = gate.messages(&asked).header("anthropic-beta", BETA);
    let answered = gate.ask(&asking).await;
    assert_eq!(answered.status, 400, "{}", answered.text());
    for part in ["upstream aws", BETA, "speed"] {
        assert!(
            answered.text().contains(part),
            "{part}: {}",
            answered.text()
        );
    }
    assert_eq!(
        bedrock.requests().len() + api.requests().len(),
        0,
        "nobody was asked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operator_says_is_supported_goes_on() {
    let account = Account::new();
    let bedrock = start_with(keys(), |operation, _| standin::usual(operation)).await;
    let gate = gate(
        &account,
        &bedrock,
        "supported = [\"context-1m-2025-08-07\", \"new-beta-2027-01-01\"]",
    )
    .await;
    let asking = gate
        .messages(&body())
        .header("anthropic-beta", "new-beta-2027-01-01");
    let answered = gate.ask(&asking).await;
    let sent = bedrock.requests().pop().unwrap().json();
    assert_eq!(
        sent["anthropic_beta"],
        json!(["new-beta-2027-01-01"]),
        "by the operator's word"
    );
    assert_eq!(
        answered.status,
        400,
        "and Bedrock decides: {}",
        answered.text()
    );
    assert!(
        answered.text().contains("invalid beta flag"),
        "{}",
        answered.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_have_the_ids_that_the_operator_gives_them() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let arn =
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/anthropic.claude-x";
    let more = format!("geography = \"global\"\nmodels = {{ mine = \"{arn}\" }}");
    let gate = gate(&account, &bedrock, &more).await;
    let mut asked = body();
    for (name, path) in [
        (
            "claude-opus-4-8",
            "/model/global.anthropic.claude-opus-4-8/invoke",
        ),
        (
            "mine",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fanthropic.claude-x/invoke",
        ),
        (
            "eu.anthropic.claude-sonnet-4-6",
            "/model/eu.anthropic.claude-sonnet-4-6/invoke",
        ),
    ] {
        asked["model"] = name.into();
        let answered = gate.ask(&gate.messages(&asked)).await;
        assert_eq!(answered.status, 200, "{name}: {}", answered.text());
        assert_eq!(bedrock.requests().pop().unwrap().target(), path, "{name}");
    }
    asked["model"] = "gpt-x".into();
    let answered = gate.ask(&gate.messages(&asked)).await;
    assert_eq!(answered.status, 404, "{}", answered.text());
    assert!(
        answered.text().contains("map the name to one"),
        "{}",
        answered.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_thinking_stays_with_its_provider() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let api = Upstream::always(Answer::error(529, "overloaded_error", "busy")).await;
    let table = account.table("aws", &bedrock, "");
    let group = "[groups.all]\nmembers = [{ upstream = \"api\" }, { upstream = \"aws\" }]\nchoice = \"order\"\n";
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"all\"")
        .extra(&(table + &crate::upstreams::table("api", &api.url(), "") + group))
        .start()
        .await;
    let mut asked = body();
    assert_eq!(
        gate.ask(&gate.messages(&asked)).await.status,
        200,
        "nothing binds it"
    );
    asked["messages"] = json!([{"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "Eo"}]}]);
    assert_eq!(
        gate.ask(&gate.messages(&asked)).await.status,
        529,
        "the API's own answer"
    );
    assert_eq!(bedrock.requests().len(), 1, "the first request alone");
}
