//! The requests of a batch are charged as if each had come alone, at batch prices.

use serde_json::{Value, json};
use witgate_artifacts::BUDGET;

use super::{builder, create, one, sent, told};
use crate::harness::{FakeOrganization, TestGateway};

/// Returns the amounts of a unit that are used and held.
async fn account(gate: &TestGateway, unit: &str) -> (u64, u64) {
    let budgets = gate.admin("/budgets").await.json();
    let accounts = budgets["accounts"].as_array().unwrap();
    let account = accounts.iter().find(|account| account["unit"] == unit);
    account.map_or((0, 0), |account| {
        let of = |name: &str| account[name].as_u64().unwrap();
        (of("used"), of("held"))
    })
}

fn limit(what: &str) -> String {
    format!("[[settings.tiers.pro.limits]]\naccount = \"key\"\n{what}\n")
}

fn requests(count: usize) -> Vec<Value> {
    (0..count)
        .map(|index| one(&format!("r-{index}"), "claude-haiku-4-5"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_of_a_batch_counts_as_a_request() {
    let upstream = FakeOrganization::default().start().await;
    let gate = builder("", &upstream)
        .plugin("budget", BUDGET, &limit("window = \"total\"\nrequests = 5"))
        .start()
        .await;
    let response = create(&gate, &requests(3)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    gate.receipts_when(1).await;
    assert_eq!(account(&gate, "requests").await, (3, 0), "three of five");
    let response = create(&gate, &requests(3)).await;
    assert_eq!(response.status, 429, "{}", response.text());
    assert_eq!(
        account(&gate, "requests").await,
        (3, 0),
        "it counts nothing"
    );
    assert_eq!(
        create(&gate, &requests(2)).await.status,
        200,
        "two are left"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_takes_one_place_among_what_is_in_flight() {
    let upstream = FakeOrganization::default().start().await;
    let gate = builder("", &upstream)
        .plugin("budget", BUDGET, &limit("in_flight = 1"))
        .start()
        .await;
    let response = create(&gate, &requests(3)).await;
    assert_eq!(response.status, 200, "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_is_the_sum_of_what_each_plan_costs() {
    let upstream = FakeOrganization::default().start().await;
    let route = "[[settings.resources]]\nname = \"house\"\ntargets = [{ upstream = \"default\", model = \"claude-opus-4-1\" }]\n";
    let gate = builder(route, &upstream)
        .plugin("budget", BUDGET, &limit("window = \"total\"\nusd = 1"))
        .start()
        .await;
    let long = |id: &str, model: &str| json!({"custom_id": id, "params": {"model": model, "max_tokens": 1000, "messages": []}});
    let response = create(&gate, &[long("a", "house"), long("b", "claude-haiku-4-5")]).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let (used, held) = account(&gate, "picousd").await;
    // Half of $75 and of $5 a million tokens of output; the prompts are next to nothing.
    let output = 1000 * (75_000_000 + 5_000_000) / 2;
    assert_eq!(used, 0, "nothing is used yet");
    assert!(
        (output..output + output / 100).contains(&held),
        "about {output} is held: {held}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_puts_every_request_on_the_other_model() {
    let upstream = FakeOrganization::default().start().await;
    let downgrade = |to: &str| {
        limit(&format!(
            "window = \"total\"\nusd = \"0.05\"\non_exhausted = \"downgrade\"\ndowngrade_to = \"{to}\""
        ))
    };
    let rules = "[[settings.rules]]\nname = \"no sonnet 4\"\nwhen = [{ field = \"model\", is = [\"claude-sonnet-4\"] }]\nblock = { message = \"not that\" }\n";
    let long = |id: &str, model: &str| json!({"custom_id": id, "params": {"model": model, "max_tokens": 2000, "messages": []}});
    let requests = [long("a", "claude-opus-4-1"), long("b", "claude-haiku-4-5")];
    for (to, status) in [("claude-haiku-4-5", 200), ("claude-sonnet-4", 400)] {
        let gate = builder(rules, &upstream)
            .plugin("budget", BUDGET, &downgrade(to))
            .start()
            .await;
        let response = create(&gate, &requests).await;
        assert_eq!(response.status, status, "{to}: {}", response.text());
        if status == 400 {
            assert!(told(&response).contains("`a`"), "{}", response.text());
        }
    }
    assert!(
        !sent(&upstream).contains("opus"),
        "no request is left on it"
    );
}
