//! Limits of tiers and of everyone: each caller has the amount of its own, unless its account has another limit.

use super::*;
use crate::harness::Caller;

fn of_tier(tier: &str, amount: &str) -> Value {
    json!({
        "scope": {"type": "seat_tier", "seat_tier": tier},
        "period": "daily", "unit": "requests", "amount": amount,
    })
}

fn of_everyone(amount: &str) -> Value {
    json!({
        "scope": {"type": "organization"},
        "period": "daily", "unit": "requests", "amount": amount,
    })
}

fn by(caller: &Caller) -> Request {
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 50, "messages": []});
    caller.post("/v1/messages", &body)
}

/// Asks until a request is refused. Returns how many were served, 9 at the most.
async fn served(gate: &TestGateway, caller: &Caller) -> usize {
    for number in 0..9 {
        let answer = gate.ask(&by(caller)).await;
        if answer.status == 429 {
            return number;
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    9
}

async fn delete(operator: &Operator, limit: &Value) {
    let id = limit["id"].as_str().unwrap();
    let gone = operator.request("DELETE", &format!("/{id}"));
    assert_eq!(operator.ask(&gone).await.status, 200, "{limit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_caller_of_a_tier_has_the_amount_of_its_own() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, reader) = gateway("", &upstream).await;
    let alice = Caller::first(&gate);
    let bob = Caller::admit(&gate, "bob", "acme", "").await;
    let alone = Caller::admit_alone(&gate, "alone").await;
    let other = Caller::admit_as(&gate, "other", "tier = \"free\"").await;
    let limit = operator.post("", &of_tier("pro", "2")).await;
    assert_eq!(
        limit["scope"],
        json!({"type": "seat_tier", "seat_tier": "pro"}),
        "{limit}"
    );
    for caller in [&alice, &bob, &alone] {
        assert_eq!(served(&gate, caller).await, 2, "each has two");
    }
    assert_eq!(served(&gate, &other).await, 9, "of another tier");

    for account in [USER, "user:acme/bob", "user::alone"] {
        let row = reader.effective(account, "day").await;
        assert_eq!(
            (&row["amount"], &row["left"], &row["origin"], &row["source"]),
            (&json!("2"), &json!("0"), &json!("live"), &limit["scope"]),
            "{row}"
        );
        assert_eq!(row["spend_limit_id"], limit["id"], "{row}");
    }
    let row = reader.effective("tier:pro", "day").await;
    assert_eq!(
        (&row["amount"], &row["period_to_date_spend"], &row["source"]),
        (&json!("2"), &Value::Null, &limit["scope"]),
        "it has no spending: {row}"
    );
    let budgets = gate.admin("/budgets").await.json();
    let shown = budgets["accounts"].as_array().unwrap();
    assert!(
        shown.iter().all(|account| account["limit_from"] == "live"),
        "{budgets}"
    );
    let list = reader.get("?scope_type=seat_tier").await;
    assert_eq!(list["data"][0]["id"], limit["id"], "{list}");

    operator.post("", &of_tier("pro", "3")).await;
    let row = reader.effective(USER, "day").await;
    assert_eq!(row["amount"], "3", "at once: {row}");
    assert_eq!(served(&gate, &alice).await, 1, "one more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_callers_own_limit_wins_over_the_tiers_that_over_everyones_and_that_over_the_sidecars()
{
    let upstream = Upstream::always(answer()).await;
    let sidecar =
        "[[settings.tiers.pro.limits]]\naccount = \"user\"\nwindow = \"day\"\nrequests = 1\n";
    let (gate, operator, reader) = gateway(sidecar, &upstream).await;
    let alice = Caller::first(&gate);
    assert_eq!(served(&gate, &alice).await, 1, "the sidecar's");
    let everyone = operator.post("", &of_everyone("2")).await;
    assert_eq!(
        everyone["scope"],
        json!({"type": "organization"}),
        "{everyone}"
    );
    assert_eq!(served(&gate, &alice).await, 1, "everyone's two");
    let tier = operator.post("", &of_tier("pro", "3")).await;
    assert_eq!(served(&gate, &alice).await, 1, "the tier's three");
    let own = operator.post("", &requests(&json!("4"))).await;
    assert_eq!(served(&gate, &alice).await, 1, "its own four");
    let row = reader.effective(USER, "day").await;
    assert_eq!(
        (
            &row["amount"],
            &row["default_amount"],
            &row["source"]["type"]
        ),
        (&json!("4"), &json!("3"), &json!("user")),
        "{row}"
    );
    for (limit, source, amount) in [
        (&own, &tier["scope"], "3"),
        (&tier, &everyone["scope"], "2"),
        (&everyone, &json!({"type": "sidecar"}), "1"),
    ] {
        delete(&operator, limit).await;
        let row = reader.effective(USER, "day").await;
        assert_eq!(
            (&row["source"], &row["amount"]),
            (source, &json!(amount)),
            "{row}"
        );
        assert_eq!(served(&gate, &alice).await, 0, "four are used");
    }
    let free = Caller::admit_as(&gate, "free", "tier = \"free\"\nuser = \"f\"").await;
    operator.post("", &of_everyone("1")).await;
    assert_eq!(served(&gate, &free).await, 1, "everyone of any tier");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tier_is_topped_up_and_overridden_and_has_nothing_to_reset() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, reader) = gateway("", &upstream).await;
    let alice = Caller::first(&gate);
    operator.post("", &of_tier("pro", "1")).await;
    operator.post("/top_up", &of_tier("pro", "1")).await;
    assert_eq!(served(&gate, &alice).await, 2, "one and one more");
    let mut interim = of_tier("pro", "3");
    interim["until"] = json!("2099-01-01T00:00:00Z");
    operator.post("/override", &interim).await;
    assert_eq!(served(&gate, &alice).await, 2, "three and one more");
    let row = reader.effective(USER, "day").await;
    assert_eq!(
        (&row["amount"], &row["origin"]),
        (&json!("4"), &json!("override")),
        "{row}"
    );
    let mut reset = of_tier("pro", "1");
    reset.as_object_mut().unwrap().remove("amount");
    let refused = operator.ask(&operator.posting("/reset", &reset)).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(
        refused.text().contains("reset the account of a caller"),
        "{}",
        refused.text()
    );
    let audit = reader.get("/audit?account=tier:pro").await;
    let actions: Vec<_> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "spend_limit.override",
            "spend_limit.top_up",
            "spend_limit.upsert"
        ],
        "{audit}"
    );
    assert_eq!(
        audit["data"][2]["after"]["scope"],
        json!({"type": "seat_tier", "seat_tier": "pro"}),
        "{audit}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_and_a_stream_that_runs_keep_the_limit_of_their_callers_tier() {
    let piece = "abcd".repeat(1000);
    let long = Events::begin("claude-haiku-4-5")
        .text(&vec![piece.as_str(); 16])
        .end("end_turn");
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&long).pause_at_event(3, &pause)).await;
    let sidecar = "[[settings.tiers.pro.limits]]\naccount = \"user\"\nwindow = \"total\"\nusd = \"0.03\"\non_exhausted = \"cut\"\n";
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, sidecar)
        .upstream("default", &upstream)
        .extra("[state]\ndirectory = \"state\"");
    let (gate, operator, _) = operated(gate).await;
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
    let scope = json!({"type": "seat_tier", "seat_tier": "pro"});
    let body = json!({"scope": scope, "window": "total", "amount": "2.5"});
    operator.post("", &body).await;
    pause.resume();
    reply.rest().await;
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(receipt["outcome"], "cut", "at the tier's: {receipt}");

    operator.post("", &of_tier("pro", "2")).await;
    let params = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
    let three: Vec<_> = (0..3)
        .map(|number| json!({"custom_id": format!("r{number}"), "params": params}))
        .collect();
    let batch = gate
        .keyed(Request::new("POST", "/v1/messages/batches").header("Host", "gateway.test"))
        .header("content-type", "application/json")
        .body(json!({"requests": three}).to_string());
    let refused = gate.ask(&batch).await;
    assert_eq!(refused.status, 429, "three of two: {}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_show_the_limit_below_at_once_when_that_of_a_tier_is_deleted() {
    let upstream = Upstream::always(answer()).await;
    let sidecar =
        "[[settings.tiers.pro.limits]]\naccount = \"user\"\nwindow = \"day\"\nrequests = 7\n";
    for (sidecar, below) in [(sidecar, json!("7")), ("", Value::Null)] {
        let (gate, operator, reader) = gateway(sidecar, &upstream).await;
        let alice = Caller::first(&gate);
        let shown = async || {
            let budgets = gate.admin("/budgets").await.json();
            let accounts = budgets["accounts"].as_array().unwrap().iter();
            let mut of_user =
                accounts.filter(|it| it["account"] == USER && it["unit"] == "requests");
            let limit = of_user.next().expect("it was charged")["limit"].clone();
            let row = reader.effective(USER, "day").await;
            (row["amount"].clone(), row["default_amount"].clone(), limit)
        };
        let limit = operator.post("", &of_tier("pro", "2")).await;
        assert_eq!(served(&gate, &alice).await, 2, "the tier's");
        operator.post("", &of_tier("pro", "1")).await;
        assert_eq!(served(&gate, &alice).await, 0, "a request that is refused");
        delete(&operator, &limit).await;
        let number = below.as_str().map(|below| below.parse::<u64>().unwrap());
        let goal = (below.clone(), below.clone(), json!(number));
        assert_eq!(shown().await, goal, "the sidecar's");

        assert_eq!(gate.ask(&by(&alice)).await.status, 200, "a third request");
        assert_eq!(shown().await, goal, "the same after another request");
    }
}
