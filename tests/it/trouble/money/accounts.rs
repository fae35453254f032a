//! Accounts that a tenant makes up cost that tenant its own room, and nobody else anything.

use serde_json::{Value, json};
use witgate_artifacts::BUDGET;

use crate::harness::{Answer, Caller, GatewayBuilder, Request, TestGateway, Upstream};

const ROOM: &str = "[ledger]\naccounts = 200\naccounts_per_tenant = 20\n";

const OF_METADATA: &str = "[[settings.tiers.pro.limits]]\naccount = \"metadata.team\"\nwindow = \"day\"\nrequests = 1000\n";

const OF_SESSIONS: &str =
    "[[settings.tiers.pro.limits]]\naccount = \"session\"\nwindow = \"total\"\nrequests = 1000\n";

async fn gate(upstream: &Upstream, limits: &str, more: &str) -> TestGateway {
    GatewayBuilder::shipped()
        .plugin("budget", BUDGET, limits)
        .upstream("default", upstream)
        .extra(more)
        .start()
        .await
}

async fn upstream() -> Upstream {
    let usage = json!({"input_tokens": 10, "output_tokens": 2});
    Upstream::always(Answer::message("claude-haiku-4-5", "hi", &usage)).await
}

/// A request of this caller that is charged to an account of this name.
fn asking(caller: &Caller, name: &str) -> Request {
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
    caller
        .post("/v1/messages", &body)
        .header("x-vmx-metadata-team", name)
        .header("x-claude-code-session-id", name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_makes_up_accounts_uses_up_its_own_room_only() {
    for limits in [OF_METADATA, OF_SESSIONS] {
        let upstream = upstream().await;
        let gate = gate(&upstream, limits, ROOM).await;
        let (hog, other) = (
            Caller::first(&gate),
            Caller::admit(&gate, "bob", "globex", "").await,
        );
        for count in 0..20 {
            let response = gate.ask(&asking(&hog, &format!("made-up-{count}"))).await;
            assert_eq!(response.status, 200, "{count}: {}", response.text());
        }
        for count in 20..25 {
            let response = gate.ask(&asking(&hog, &format!("made-up-{count}"))).await;
            assert_eq!(response.status, 429, "{count}: {}", response.text());
            assert_eq!(
                response.headers.get("x-should-retry"),
                Some("false"),
                "the same again would be refused again"
            );
            let text = response.text();
            for part in ["acme", "`ledger.accounts_per_tenant`"] {
                assert!(text.contains(part), "{part} in: {text}");
            }
        }
        let known = gate.ask(&asking(&hog, "made-up-7")).await;
        assert_eq!(known.status, 200, "what it has goes on: {}", known.text());
        for count in 0..20 {
            let response = gate.ask(&asking(&other, &format!("real-{count}"))).await;
            assert_eq!(response.status, 200, "another tenant: {}", response.text());
        }
        let receipts = gate.receipts_when(46).await;
        let refused = receipts.iter().filter(|receipt| receipt["status"] == 429);
        assert!(
            refused.clone().count() == 5
                && refused.clone().all(|it| it["refusal"]["blame"] == "client"),
            "the receipts say whose doing it was"
        );
        let metrics = gate.admin("/metrics").await;
        let metrics = metrics.text();
        assert!(
            metrics.contains("witgate_ledger_turned_away_total 5\n"),
            "it is counted: {metrics}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_gives_more_room_and_forgets_nothing() {
    let upstream = upstream().await;
    let gate = gate(&upstream, OF_METADATA, ROOM).await;
    let caller = Caller::first(&gate);
    for count in 0..20 {
        let response = gate.ask(&asking(&caller, &format!("team-{count}"))).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    let more = asking(&caller, "one-more");
    assert_eq!(gate.ask(&more).await.status, 429, "there is no room");
    let file = gate.file("witgate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("accounts_per_tenant = 20", "accounts_per_tenant = 21");
    std::fs::write(&file, text).unwrap();
    gate.running().reload().await.unwrap();
    let response = gate.ask(&more).await;
    assert_eq!(response.status, 200, "now there is: {}", response.text());
    let budgets = gate.admin("/budgets").await.json();
    let used: i64 = budgets["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["used"].as_i64().unwrap())
        .sum();
    assert_eq!(used, 21, "all that was spent is still there: {budgets}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budgets_page_comes_in_pages_that_have_each_account_once() {
    let upstream = upstream().await;
    let gate = gate(&upstream, OF_METADATA, ROOM).await;
    let caller = Caller::first(&gate);
    for count in 0..7 {
        gate.ask(&asking(&caller, &format!("team-{count}"))).await;
    }
    gate.receipts_when(7).await;
    let mut seen = Vec::new();
    let mut path = "/budgets?limit=3".to_owned();
    loop {
        let page = gate.admin(&path).await.json();
        let accounts = page["accounts"].as_array().unwrap().clone();
        assert!(accounts.len() <= 3, "no more than asked: {page}");
        assert!(
            accounts.iter().all(|account| account["tenant"] == "acme"),
            "whose they are: {page}"
        );
        seen.extend(
            accounts
                .iter()
                .map(|account| account["account"].to_string()),
        );
        match &page["next"] {
            Value::String(next) => path = format!("/budgets?limit=3&cursor={next}"),
            _ => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7, "{seen:?}");
    let wrong = gate.admin("/budgets?limit=0").await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert!(wrong.text().contains("limit"), "{}", wrong.text());
}
