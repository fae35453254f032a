//! Prices of an operator's own: contracts, models that are not in the price file, and what receipts say about both.

use serde_json::{Value, json};
use witgate_artifacts::{BUDGET, ROUTE};

use crate::harness::{Answer, GatewayBuilder, TestGateway, Upstream, printed, text, witgate};

/// Haiku 4.5: a dollar for a million tokens of the prompt, five for the answer's.
const COST: u64 = 100 * 1_000_000 + 7 * 5_000_000;

const LIMIT: &str =
    "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nusd = \"5.00\"\n";

async fn upstream(model: &str) -> Upstream {
    let usage = json!({"input_tokens": 100, "output_tokens": 7, "service_tier": "standard"});
    Upstream::always(Answer::message(model, "hi", &usage)).await
}

async fn ask(gate: &TestGateway, model: &str) -> u16 {
    let body = json!({"model": model, "max_tokens": 10, "messages": []});
    gate.ask(&gate.messages(&body)).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_is_charged_at_its_own_upstream() {
    let upstream = upstream("claude-haiku-4-5").await;
    let resource = |name: &str, upstream: &str| {
        format!(
            "[[settings.resources]]\nname = \"{name}\"\ntargets = [{{ upstream = \"{upstream}\", model = \"claude-haiku-4-5\" }}]\n"
        )
    };
    let gate = GatewayBuilder::bare()
        .plugin(
            "route",
            ROUTE,
            &(resource("cheap", "contracted") + &resource("dear", "listed")),
        )
        .plugin("budget", BUDGET, LIMIT)
        .extra("[[prices.contract]]\nupstreams = [\"contracted\"]\nmultiplier = \"0.5\"\n")
        .upstream("listed", &upstream)
        .upstream("contracted", &upstream)
        .start()
        .await;
    for (count, (model, cost)) in [("dear", COST), ("cheap", COST / 2)]
        .into_iter()
        .enumerate()
    {
        assert_eq!(ask(&gate, model).await, 200, "{model}");
        let receipt = gate.receipts_when(count + 1).await.pop().unwrap();
        assert_eq!(receipt["cost_picousd"], cost, "{model}: {receipt}");
    }
    let budgets = gate.admin("/budgets").await.json();
    assert_eq!(budgets["accounts"][0]["used"], COST + COST / 2, "{budgets}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_model_is_refused_under_a_spending_limit_or_counted_at_the_configured_price() {
    let upstream = upstream("claude-next").await;
    let with = |prices: &str| {
        GatewayBuilder::bare()
            .plugin("budget", BUDGET, LIMIT)
            .extra(prices)
            .upstream("default", &upstream)
    };
    let gate = with("").start().await;
    assert_eq!(
        ask(&gate, "claude-next").await,
        400,
        "never free by accident"
    );
    let gate = with("[prices]\nunknown_model = \"claude-haiku-4-5\"\n")
        .start()
        .await;
    assert_eq!(ask(&gate, "claude-next").await, 200, "it has a price");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["cost_picousd"], COST, "{receipt}");
    assert_eq!(receipt["unpriced"], true, "and says so: {receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prices_are_compared_with_what_receipts_say() {
    let known = upstream("claude-haiku-4-5").await;
    let unknown = upstream("claude-next").await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &known)
        .start()
        .await;
    assert_eq!(ask(&gate, "claude-haiku-4-5").await, 200, "served");
    let check = |folder: &std::path::Path, more: &[&str]| {
        let output = witgate(folder, &[&["prices", "check"], more].concat());
        (output.status.success(), printed(&output) + &text(&output))
    };
    gate.receipts_when(1).await;
    let (is_well, told) = check(&gate.file(""), &[]);
    assert!(is_well && told.contains("never used: "), "{told}");
    let mut dearer: Value =
        serde_json::from_str(include_str!("../../../host/messages/prices.json")).unwrap();
    for model in dearer["models"].as_array_mut().unwrap() {
        model["usd_per_mtok"]["output"] = json!(50);
    }
    std::fs::write(gate.file("dearer.json"), dearer.to_string()).unwrap();
    let (is_well, told) = check(&gate.file(""), &["--file", "dearer.json"]);
    assert!(!is_well, "another cost: {told}");
    assert!(
        told.contains("claude-haiku-4-5 at default: 1 of 1 receipt have another cost: 0.000135 USD recorded, 0.00045 USD by these prices"),
        "{told}"
    );

    let gate = GatewayBuilder::bare()
        .upstream("default", &unknown)
        .start()
        .await;
    assert_eq!(
        ask(&gate, "claude-next").await,
        200,
        "served without a limit"
    );
    gate.receipts_when(1).await;
    let (is_well, told) = check(&gate.file(""), &[]);
    assert!(
        !is_well && told.contains("claude-next at default: no price"),
        "{told}"
    );
}
