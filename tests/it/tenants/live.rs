//! Limits that operators set while the gateway runs: they win over the sidecar's at once, and end as they are told to.

mod accounts;
mod api;
mod changes;
mod commands;
mod tiers;

use serde_json::{Value, json};
use witgate_artifacts::BUDGET;

use crate::harness::{
    ADMIN_KEYS, Answer, Events, GatewayBuilder, Operator, Pause, Request, TestGateway, Upstream,
    operators_keys,
};

/// Two requests of a user by the day, and a dollar of the tenant by the month.
const LIMITS: &str = "[[settings.tiers.pro.limits]]\naccount = \"user\"\nwindow = \"day\"\nrequests = 2\n\n\
                      [[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"month\"\nusd = 1\n";

/// A gateway with these limits, an operator who may change them, and one who may read.
async fn gateway(sidecar: &str, upstream: &Upstream) -> (TestGateway, Operator, Operator) {
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, sidecar)
        .upstream("default", upstream);
    operated(gate).await
}

/// This gateway, an operator who may change limits, and one who may read.
async fn operated(gate: GatewayBuilder) -> (TestGateway, Operator, Operator) {
    let gate = gate.start().await;
    let [write, read] = operators_keys(gate.file("").as_path());
    let config = std::fs::read_to_string(gate.file("witgate.toml")).unwrap();
    let config = config.replace("[admin]\n", &format!("[admin]\n{ADMIN_KEYS}\n"));
    std::fs::write(gate.file("witgate.toml"), config).unwrap();
    gate.running().reload().await.expect("the keys are right");
    let admin = gate.running().admin().expect("an admin listener");
    let operators = (Operator::new(admin, &write), Operator::new(admin, &read));
    (gate, operators.0, operators.1)
}

fn asking(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": "claude-haiku-4-5", "max_tokens": 50, "messages": []}))
}

async fn status(gate: &TestGateway) -> u16 {
    gate.ask(&asking(gate)).await.status
}

fn answer() -> Answer {
    let usage = json!({"input_tokens": 10, "output_tokens": 2});
    Answer::message("claude-haiku-4-5", "hi", &usage)
}

/// The limit on requests of the test's user by the day.
fn requests(amount: &Value) -> Value {
    json!({
        "scope": {"type": "user", "user_id": "acme/alice"},
        "period": "daily", "unit": "requests", "amount": amount,
    })
}

const USER: &str = "user:acme/alice";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_limit_wins_over_the_sidecars_from_the_next_request_on() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, reader) = gateway(LIMITS, &upstream).await;
    for expected in [200, 200, 429] {
        assert_eq!(status(&gate).await, expected, "two of the sidecar's");
    }
    let before = reader.effective(USER, "day").await;
    assert_eq!(
        (&before["origin"], &before["amount"]),
        (&json!("sidecar"), &json!("2")),
        "{before}"
    );

    operator.post("", &requests(&json!("3"))).await;
    assert_eq!(status(&gate).await, 200, "a third one");
    let refused = gate.ask(&asking(&gate)).await;
    assert_eq!(refused.status, 429, "and no fourth");
    assert!(
        refused.text().contains("The limit of 3 requests"),
        "the plugin tells the limit that holds: {}",
        refused.text()
    );
    let row = reader.effective(USER, "day").await;
    assert_eq!(row["origin"], "live", "{row}");
    assert_eq!(row["default_amount"], "2", "the sidecar's is known: {row}");
    assert_eq!(
        (&row["period_to_date_spend"], &row["left"]),
        (&json!("3"), &json!("0")),
        "{row}"
    );
    let budgets = gate.admin("/budgets").await.json();
    let shown = budgets["accounts"].as_array().unwrap().iter();
    let shown = shown.into_iter().find(|account| account["account"] == USER);
    let shown = shown.expect("it is on the page");
    assert_eq!(
        (&shown["limit"], &shown["limit_from"]),
        (&json!(3), &json!("live")),
        "{shown}"
    );

    operator.post("", &requests(&Value::Null)).await;
    assert_eq!(status(&gate).await, 200, "no limit");
    assert_eq!(
        reader.effective(USER, "day").await["amount"],
        Value::Null,
        "no limit"
    );

    operator.post("", &requests(&json!("1"))).await;
    assert_eq!(status(&gate).await, 429, "a lower one than was used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_deletion_the_sidecars_limit_holds_again() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, reader) = gateway(LIMITS, &upstream).await;
    let limit = operator.post("", &requests(&json!("3"))).await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(status(&gate).await, expected, "three");
    }
    let id = limit["id"].as_str().expect("an id");
    let gone = operator
        .ask(&operator.request("DELETE", &format!("/{id}")))
        .await;
    assert_eq!(
        gone.json(),
        json!({"type": "spend_limit_deleted", "id": id})
    );
    let row = reader.effective(USER, "day").await;
    assert_eq!(
        (&row["origin"], &row["amount"]),
        (&json!("sidecar"), &json!("2")),
        "at once: {row}"
    );
    assert_eq!(status(&gate).await, 429, "three of two are used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_on_an_account_that_no_sidecar_charges_holds_too() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, reader) = gateway("", &upstream).await;
    assert_eq!(status(&gate).await, 200, "there are no limits");
    // As the vendor's clients ask: cents, by the month.
    let body = json!({"scope": {"type": "user", "user_id": "acme/alice"}, "amount": "0.001"});
    operator.post("", &body).await;
    let refused = gate.ask(&asking(&gate)).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    let error = &refused.json()["error"];
    assert_eq!(error["type"], "billing_error", "{error}");
    let told = error["message"].as_str().expect("a text");
    assert!(told.starts_with("spend limit reached · resets "), "{told}");
    assert!(told.contains("$0.00001"), "{told}");

    let body = json!({"scope": {"type": "user", "user_id": "acme/alice"}, "amount": "100"});
    operator.post("", &body).await;
    assert_eq!(status(&gate).await, 200, "a dollar");
    gate.receipts_when(3).await;
    let row = reader.effective(USER, "month").await;
    assert_eq!(
        row["source"],
        json!({"type": "user", "user_id": "acme/alice"}),
        "{row}"
    );
    assert_eq!(
        row["period_to_date_spend"], "0.002",
        "10 and 2 tokens: {row}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_runs_goes_on_to_a_limit_that_was_raised_and_ends_at_one_that_was_lowered() {
    let long = || {
        let piece = "abcd".repeat(1000);
        Events::begin("claude-haiku-4-5")
            .text(&vec![piece.as_str(); 16])
            .end("end_turn")
    };
    let sidecar = "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nusd = \"0.03\"\non_exhausted = \"cut\"\n";
    for (amount, outcome) in [("50", "answered"), ("2.5", "cut")] {
        let pause = Pause::new();
        let upstream = Upstream::always(Answer::sse(&long()).pause_at_event(3, &pause)).await;
        let (gate, operator, _) = gateway(sidecar, &upstream).await;
        let mut client = gate.client().await;
        client
            .send(&gate.messages(&json!({
                "model": "claude-haiku-4-5", "max_tokens": 32_000, "stream": true, "messages": [],
            })))
            .await;
        let mut reply = client.reply().await;
        for _ in 0..3 {
            reply.event().await.expect("an event");
        }
        let body = json!({"scope": {"type": "key", "key_id": "alice"}, "window": "total", "amount": amount});
        operator.post("", &body).await;
        pause.resume();
        reply.rest().await;
        let receipt = gate.receipts_when(1).await.remove(0);
        assert_eq!(receipt["outcome"], outcome, "{amount} cents: {receipt}");
        let spent = receipt["cost_picousd"].as_u64().expect("a number");
        if outcome == "cut" {
            assert!(spent < 30_000_000_000, "below the sidecar's limit: {spent}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugins_remedy_stays_although_the_limit_is_live() {
    let upstream = Upstream::always(answer()).await;
    let sidecar = "[[settings.tiers.pro.limits]]\naccount = \"user\"\nwindow = \"day\"\nrequests = 9\non_exhausted = \"overdraw\"\n";
    let (gate, operator, _) = gateway(sidecar, &upstream).await;
    operator.post("", &requests(&json!("0"))).await;
    assert_eq!(status(&gate).await, 200, "it is served, and counted");
    assert_eq!(
        gate.receipts_when(1).await[0]["overdrawn"],
        json!({USER: true}),
        "over the live limit"
    );
}
