//! Accounts of every kind: a live limit on one holds although no sidecar charges it, and one that could not hold is refused.

use super::*;
use crate::harness::Caller;

/// All kinds of one dimension that have a name in the request below, and some of several.
const KINDS: [&str; 19] = [
    "key",
    "organization",
    "tenant",
    "user",
    "session",
    "agent",
    "workspace",
    "environment",
    "address",
    "upstream",
    "resource",
    "model",
    "label.cost_center",
    "label.none",
    "metadata.team",
    "metadata.none",
    "user+model",
    "tenant+environment+metadata.team",
    "agent+label.cost_center",
];

fn sidecar(kinds: &[&str]) -> String {
    let limit = |kind: &&str| {
        format!(
            "[[settings.tiers.pro.limits]]\naccount = \"{kind}\"\nwindow = \"day\"\nrequests = 90\n"
        )
    };
    kinds.iter().map(limit).collect()
}

/// A request that has a name in every dimension.
fn everywhere(caller: &Caller) -> Request {
    let path = "/api/v1/completion/search/prod/anthropic/v1/messages";
    caller
        .post(
            path,
            &json!({
                "model": "claude-haiku-4-5", "max_tokens": 5, "messages": [],
                "vmx": {"metadata": {"team": ":a/b+c%2B"}},
            }),
        )
        .header("x-claude-code-session-id", "s/1+2")
        .header("x-claude-code-agent-id", "a%1")
}

/// The limit of no request an hour on an account, where no sidecar has one.
fn nothing(account: &Value) -> Value {
    let scope = json!({"type": "account", "account": account});
    json!({"scope": scope, "window": "hour", "unit": "requests", "amount": "0"})
}

async fn delete(operator: &Operator, limit: &Value) {
    let id = limit["id"].as_str().unwrap();
    let gone = operator.request("DELETE", &format!("/{id}"));
    assert_eq!(operator.ask(&gone).await.status, 200, "{limit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_and_the_plugin_mean_the_same_account_whatever_it_is_called() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, reader) = gateway(&sidecar(&KINDS), &upstream).await;
    let labels = "labels = { cost_center = \"7+1/%\", organization = \":o\" }";
    let odd = Caller::admit(&gate, ":a/b+c%25", "x/y%z+:w", labels).await;
    let alone = Caller::admit_alone(&gate, "alone").await;
    let bare = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
    for asked in [everywhere(&odd), alone.post("/v1/messages", &bare)] {
        let before = gate.admin("/budgets").await.json();
        let before = before["accounts"].as_array().unwrap().clone();
        assert_eq!(gate.ask(&asked).await.status, 200, "it is let in");
        let budgets = gate.admin("/budgets").await.json();
        let accounts = budgets["accounts"].as_array().unwrap().iter();
        let accounts: Vec<_> = accounts
            .map(|account| &account["account"])
            .filter(|account| !before.iter().any(|old| old["account"] == **account))
            .collect();
        assert!(accounts.len() >= 15, "{budgets}");
        for account in accounts {
            let limit = operator.post("", &nothing(account)).await;
            let refused = gate.ask(&asked).await;
            assert_eq!(refused.status, 429, "{account}: {}", refused.text());
            delete(&operator, &limit).await;
            assert_eq!(gate.ask(&asked).await.status, 200, "nothing is left of it");
        }
    }
    let rows = reader.get("/effective?window[]=hour").await;
    assert_eq!(rows["data"], json!([]), "nothing is counted by the hour");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_one_user_on_one_model_alone_is_for_that_model_alone() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, reader) = gateway("", &upstream).await;
    let account = "user+model:acme/alice+claude-haiku-4-5";
    let body = json!({
        "scope": {"type": "account", "account": account},
        "window": "day", "unit": "requests", "amount": "1",
    });
    operator.post("", &body).await;
    assert_eq!(status(&gate).await, 200, "the first");
    let refused = gate.ask(&asking(&gate)).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    let told = refused.text();
    assert!(
        told.contains("The limit of 1 requests per day for this user+model is reached"),
        "{told}"
    );
    let other = json!({"model": "claude-sonnet-4-5", "max_tokens": 5, "messages": []});
    assert_eq!(
        gate.ask(&gate.messages(&other)).await.status,
        200,
        "another model"
    );
    let row = reader
        .effective("user%2Bmodel:acme/alice%2Bclaude-haiku-4-5", "day")
        .await;
    assert_eq!(
        (&row["period_to_date_spend"], &row["left"], &row["origin"]),
        (&json!("1"), &json!("0"), &json!("live")),
        "{row}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_of_a_batch_is_charged_to_a_live_limit_of_its_model() {
    let upstream = Upstream::always(answer()).await;
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, "")
        .upstream("default", &upstream)
        .extra("[state]\ndirectory = \"state\"");
    let (gate, operator, _) = operated(gate).await;
    let scope = json!({"type": "account", "account": "model:claude-haiku-4-5"});
    let body = json!({"scope": scope, "window": "day", "unit": "requests", "amount": "2"});
    operator.post("", &body).await;
    let batch = |models: &[&str]| {
        let requests = models.iter().enumerate().map(|(number, model)| {
            let params = json!({"model": model, "max_tokens": 5, "messages": []});
            json!({"custom_id": format!("r{number}"), "params": params})
        });
        let requests: Vec<_> = requests.collect();
        gate.keyed(Request::new("POST", "/v1/messages/batches").header("Host", "gateway.test"))
            .header("content-type", "application/json")
            .body(json!({"requests": requests}).to_string())
    };
    let (haiku, sonnet) = ("claude-haiku-4-5", "claude-sonnet-4-5");
    let refused = gate.ask(&batch(&[haiku, haiku, haiku])).await;
    assert_eq!(refused.status, 429, "three of two: {}", refused.text());
    let sent = upstream.requests().len();
    gate.ask(&batch(&[haiku, haiku, sonnet, sonnet])).await;
    assert_eq!(upstream.requests().len(), sent + 1, "two of two are sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_could_not_hold_is_refused_and_no_record() {
    let upstream = Upstream::always(answer()).await;
    let sidecar = "[settings]\ncharges = [\"project:x day requests 9 1\"]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("charger", witgate_artifacts::HOSTILE, sidecar)
        .upstream("default", &upstream);
    let (gate, operator, reader) = operated(gate).await;
    let on = |account: &str, window: &str| {
        let scope = json!({"type": "account", "account": account});
        json!({"scope": scope, "window": window, "unit": "requests", "amount": "1"})
    };
    for (account, part) in [
        ("project:x", "no plugin has charged it"),
        ("user+pet:a+b", "no plugin has charged it"),
        ("user+model:acme/alice", "joined with `+`"),
        ("session:s1", "tenant"),
        ("environment:prod", "workspace"),
        ("address:localhost", "192.0.2.7"),
    ] {
        for path in ["", "/top_up", "/override"] {
            let mut body = on(account, "day");
            if path == "/override" {
                body["until"] = json!("2099-01-01T00:00:00Z");
            }
            let refused = operator.ask(&operator.posting(path, &body)).await;
            assert_eq!(refused.status, 400, "{account}: {}", refused.text());
            let told = refused.text();
            assert!(told.contains(part), "{account}: {told}");
        }
    }
    assert_eq!(reader.get("/audit").await["data"], json!([]), "no records");

    assert_eq!(status(&gate).await, 200, "the plugin charges its account");
    operator.post("", &on("project:x", "day")).await;
    let row = reader.effective("project:x", "day").await;
    assert_eq!(
        (&row["origin"], &row["amount"], &row["left"]),
        (&json!("live"), &json!("1"), &json!("0")),
        "it took the place of the plugin's: {row}"
    );
    status(&gate).await;
    let overdrawn = gate
        .receipts_when(2)
        .await
        .iter()
        .any(|receipt| receipt["overdrawn"] == json!({"project:x": true}));
    assert!(overdrawn, "and is used up, at which this plugin overdraws");
    let refused = operator
        .ask(&operator.posting("", &on("project:x", "week")))
        .await;
    assert_eq!(
        refused.status,
        400,
        "nothing charges it by the week: {}",
        refused.text()
    );
}
