//! A batch holds what it is expected to cost from its creation on, and is settled once, from its results.

mod desk;

use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use witgate_artifacts::BUDGET;
use witgate_gateway::config::Config;
use witgate_gateway::{Options, Server};

use self::desk::{COST, Desk, PATH, State};
use crate::harness::{
    Answer, Client, GatewayBuilder, Request, Response, TIMEOUT, TestGateway, Upstream,
    within_timeout,
};

/// The shipped plugins with this limit on the tenant, a state, and a look at open batches every so often.
fn builder(upstream: &Upstream, usd: &str, poll_ms: u64) -> GatewayBuilder {
    let sidecar = format!(
        "[[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"total\"\nusd = \"{usd}\"\n\
         [[settings.tiers.pro.limits]]\naccount = \"tenant\"\nin_flight = 100\n"
    );
    GatewayBuilder::shipped()
        .plugin("budget", BUDGET, &sidecar)
        .upstream("default", upstream)
        .extra("[state]\ndirectory = \"state\"")
        .extra(&format!("[batches]\npoll_ms = {poll_ms}"))
}

/// So seldom that no test sees it.
const NEVER: u64 = 86_400_000;
/// All the time.
const ALWAYS: u64 = 2;

fn creation(key: &str) -> Request {
    let params = |text: &str| {
        json!({"model": "claude-haiku-4-5", "max_tokens": 100,
               "messages": [{"role": "user", "content": text}]})
    };
    let requests = [
        json!({"custom_id": "one", "params": params("hello")}),
        json!({"custom_id": "two", "params": params("goodbye")}),
    ];
    to("POST", PATH, key).body(json!({"requests": requests}).to_string())
}

fn to(method: &str, path: &str, key: &str) -> Request {
    Request::new(method, path)
        .header("Host", "gateway.test")
        .header("x-api-key", key)
        .header("anthropic-version", "2023-06-01")
}

async fn create(gate: &TestGateway) -> String {
    let created = gate.ask(&creation(gate.key())).await;
    assert_eq!(created.status, 200, "{}", created.text());
    created.json()["id"].as_str().unwrap().to_owned()
}

async fn ask(gate: &TestGateway, method: &str, path: &str) -> Response {
    gate.ask(&to(method, path, gate.key())).await
}

/// Returns the tenant's money that is used and held.
fn money(budgets: &Value) -> (i64, i64) {
    of_unit(budgets, "picousd")
}

fn of_unit(budgets: &Value, unit: &str) -> (i64, i64) {
    let accounts = budgets["accounts"].as_array().unwrap();
    let account = accounts.iter().find(|it| it["unit"] == unit);
    account.map_or((0, 0), |it| {
        (it["used"].as_i64().unwrap(), it["held"].as_i64().unwrap())
    })
}

async fn budgets(gate: &TestGateway) -> (i64, i64) {
    money(&gate.admin("/budgets").await.json())
}

fn settlements(receipts: &[Value]) -> Vec<&Value> {
    receipts
        .iter()
        .filter(|receipt| receipt["endpoint"] == "batch-settlement")
        .collect()
}

/// Waits for the first settlement.
async fn settlement(gate: &TestGateway) -> Value {
    within_timeout("a settlement", async {
        loop {
            let receipts = gate.receipts().await;
            if let Some(settlement) = settlements(&receipts).first() {
                return (*settlement).clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await
}

/// Stops the gateway; gives its folder and all of its receipts.
async fn stop(gate: TestGateway) -> (TempDir, Vec<Value>) {
    let (_, folder) = gate.drain().await;
    let receipts = receipts(&folder);
    (folder, receipts)
}

fn receipts(folder: &TempDir) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path().join("receipts.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn spend(receipts: &[Value]) -> i64 {
    receipts
        .iter()
        .filter_map(|receipt| receipt["cost_picousd"].as_i64())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_held_from_its_creation_and_settled_once_however_often_its_results_are_read() {
    let (desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "1.00", NEVER).start().await;
    let id = create(&gate).await;
    let (used, held) = budgets(&gate).await;
    assert_eq!(used, 0, "nothing is used yet");
    // At most 100 tokens of output each, and a prompt of a few.
    let output = 2 * 100 * 5 * 500_000;
    assert!(
        (output + 1..output * 2).contains(&held),
        "what both are expected to cost is held: {held}"
    );
    within_timeout(
        "the batch to take no place among the requests in flight",
        async {
            while of_unit(&gate.admin("/budgets").await.json(), "in-flight").1 != 0 {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        },
    )
    .await;

    desk.set(State::Ended);
    let path = format!("{PATH}/{id}/results");
    for _ in 0..2 {
        let read = ask(&gate, "GET", &path).await;
        assert_eq!(read.status, 200, "{}", read.text());
        assert_eq!(read.text().lines().count(), 2, "as the upstream sent them");
    }
    let receipt = settlement(&gate).await;
    assert_eq!(budgets(&gate).await, (COST, 0), "what it came to is used");
    assert_eq!(receipt["cost_picousd"], COST, "{receipt}");
    assert_eq!(receipt["key"], "alice", "whose it was: {receipt}");
    assert_eq!(receipt["tenant"], "acme", "whose it was: {receipt}");
    assert_eq!(receipt["batch"]["id"], id, "{receipt}");
    assert_eq!(receipt["batch"]["succeeded"], 2, "{receipt}");
    assert_eq!(receipt["usage"]["input_tokens"], 300, "{receipt}");
    assert_eq!(receipt["usage"]["service_tier"], "batch", "{receipt}");
    assert_eq!(
        upstream.requests().len(),
        3,
        "the clients' requests are all that the upstream was asked"
    );
    let (_folder, receipts) = stop(gate).await;
    assert_eq!(settlements(&receipts).len(), 1, "one settlement");
    assert_eq!(spend(&receipts), COST, "spend is the sum of the receipts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_and_the_gateway_itself_racing_settle_once() {
    let (desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "1.00", ALWAYS).start().await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(create(&gate).await);
    }
    let gate = Arc::new(gate);
    desk.set(State::Ended);
    let readers: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                let path = format!("{PATH}/{id}/results");
                for _ in 0..4 {
                    assert_eq!(ask(&gate, "GET", &path).await.status, 200, "{path}");
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    within_timeout("all to be settled", async {
        while budgets(&gate).await != (8 * COST, 0) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
    let gate = Arc::into_inner(gate).expect("all readers are done");
    let (_folder, receipts) = stop(gate).await;
    assert_eq!(settlements(&receipts).len(), 8, "one for each batch");
    assert_eq!(
        spend(&receipts),
        8 * COST,
        "spend is the sum of the receipts"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_results_nobody_reads_is_settled_by_the_gateway() {
    let (desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "1.00", ALWAYS).start().await;
    create(&gate).await;
    desk.set(State::Ended);
    let receipt = settlement(&gate).await;
    assert_eq!(receipt["cost_picousd"], COST, "{receipt}");
    assert_eq!(budgets(&gate).await, (COST, 0), "nothing stays held");
    let look = upstream
        .requests()
        .into_iter()
        .find(|request| request.target().ends_with("/results"))
        .expect("the results were read");
    assert_eq!(
        look.headers.get("x-api-key"),
        Some("upstream-secret"),
        "with the upstream's credential"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_results_settle_a_batch_as_well() {
    let (desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "1.00", NEVER).start().await;
    let id = create(&gate).await;
    desk.set(State::Ended);
    desk.compress();
    let read = ask(&gate, "GET", &format!("{PATH}/{id}/results")).await;
    assert_eq!(read.headers.get("content-encoding"), Some("gzip"));
    let receipt = settlement(&gate).await;
    assert_eq!(receipt["cost_picousd"], COST, "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_canceled_with_nothing_done_is_released() {
    let (desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "1.00", ALWAYS).start().await;
    let id = create(&gate).await;
    let canceled = ask(&gate, "POST", &format!("{PATH}/{id}/cancel")).await;
    assert_eq!(canceled.status, 200, "{}", canceled.text());
    desk.set(State::Canceled);
    let receipt = settlement(&gate).await;
    assert_eq!(receipt["batch"]["canceled"], 2, "{receipt}");
    assert_eq!(receipt["cost_picousd"], 0, "nothing was done: {receipt}");
    assert_eq!(budgets(&gate).await, (0, 0), "nothing is held or used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_upstream_does_not_know_any_more_is_released_and_said_so() {
    let (desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "1.00", ALWAYS).start().await;
    create(&gate).await;
    desk.set(State::Gone);
    let receipt = settlement(&gate).await;
    assert_eq!(receipt["batch"]["ended"], "gone", "{receipt}");
    assert_eq!(receipt["cost_picousd"], Value::Null, "unknown, not zero");
    assert_eq!(budgets(&gate).await, (0, 0), "nothing is held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_the_budget_does_not_hold_is_refused_before_the_upstream_is_asked() {
    let (_desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "0.0005", NEVER).start().await;
    let refused = gate.ask(&creation(gate.key())).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(refused.json()["type"], "error", "{}", refused.text());
    assert!(upstream.requests().is_empty(), "the upstream was not asked");
    assert_eq!(budgets(&gate).await, (0, 0), "nothing is held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_the_upstream_refuses_holds_nothing() {
    let (desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "1.00", NEVER).start().await;
    desk.set(State::Refusing);
    let refused = gate.ask(&creation(gate.key())).await;
    assert_eq!(refused.status, 400, "as the upstream says");
    gate.receipts_when(1).await;
    assert_eq!(budgets(&gate).await, (0, 0), "nothing is held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_with_a_member_twice_in_one_of_its_requests_is_refused() {
    let (_desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "1.00", NEVER).start().await;
    let body = r#"{"requests":[{"custom_id":"a","params":{"model":"claude-haiku-4-5","max_tokens":1,
                   "m\u006fdel":"claude-opus-4-1","messages":[]}}]}"#;
    let refused = gate.ask(&to("POST", PATH, gate.key()).body(body)).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(upstream.requests().is_empty(), "the upstream was not asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_settled_before_it_is_deleted() {
    let (desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "1.00", NEVER).start().await;
    let id = create(&gate).await;
    let path = format!("{PATH}/{id}");
    let early = ask(&gate, "DELETE", &path).await;
    assert_eq!(early.status, 409, "it runs: {}", early.text());
    desk.set(State::Ended);
    let deleted = ask(&gate, "DELETE", &path).await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert_eq!(budgets(&gate).await, (COST, 0), "it is paid for by then");
    let asked: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| request.start.clone())
        .collect();
    let deletions = asked.iter().filter(|start| start.starts_with("DELETE"));
    assert_eq!(
        deletions.count(),
        1,
        "the early one did not pass: {asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_held_and_settled_across_a_restart() {
    let (desk, upstream) = Desk::open().await;
    let gate = builder(&upstream, "1.00", ALWAYS).start().await;
    let id = create(&gate).await;
    let (_, held) = budgets(&gate).await;
    let (folder, before) = stop(gate).await;
    assert!(settlements(&before).is_empty(), "it runs");

    let config = Config::read(&folder.path().join("witgate.toml")).unwrap();
    let running = Server::start(config, Options::default()).await.unwrap();
    let admin = running.admin().unwrap();
    let budgets = || async {
        let mut client = Client::connect(admin).await;
        money(&client.ask(&Request::new("GET", "/budgets")).await.json())
    };
    assert_eq!(
        budgets().await,
        (0, held),
        "held again from the first moment"
    );
    desk.set(State::Ended);
    tokio::time::timeout(TIMEOUT, async {
        while budgets().await != (COST, 0) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("it is settled");
    running.drain().await;
    let receipts = receipts(&folder);
    let settlements = settlements(&receipts);
    assert_eq!(settlements.len(), 1, "one settlement");
    assert_eq!(settlements[0]["batch"]["id"], id, "{}", settlements[0]);
    assert_eq!(settlements[0]["key"], "alice", "{}", settlements[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_asked_for_where_it_is_when_the_default_upstream_has_changed() {
    let (_desk, upstream) = Desk::open().await;
    let other = Upstream::always(Answer::error(404, "not_found_error", "no")).await;
    let gate = builder(&upstream, "1.00", NEVER)
        .upstream("other", &other)
        .start()
        .await;
    let id = create(&gate).await;
    let file = gate.file("witgate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace(
        "default_upstream = \"default\"",
        "default_upstream = \"other\"",
    );
    std::fs::write(&file, text).unwrap();
    gate.running().reload().await.unwrap();
    let found = ask(&gate, "GET", &format!("{PATH}/{id}")).await;
    assert_eq!(found.status, 200, "{}", found.text());
    assert!(other.requests().is_empty(), "the other was not asked");
}
