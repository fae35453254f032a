//! Budgets that are made again from receipts.

use serde_json::{Value, json};
use witgate_artifacts::BUDGET;

use super::{STATE, ask, upstream};
use crate::harness::{
    GatewayBuilder, Installation, Pause, Process, complaint, printed, text, witgate,
};
use crate::operations::crash::desk::{BATCH, Desk, INPUT, OUTPUT, PROMPT, SHORT};

/// Limits in windows of every kind.
const LIMITS: &str = "[[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"total\"\nusd = \"1000.00\"\n\n\
                      [[settings.tiers.pro.limits]]\naccount = \"user+model\"\nwindow = \"month@Europe/Berlin\"\ntokens = 1000000\n\n\
                      [[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"last-5-days\"\nrequests = 1000000\n\n\
                      [[settings.tiers.pro.limits]]\naccount = \"tenant\"\nin_flight = 100\n";

async fn installation() -> (Installation, impl Sized) {
    let upstream = upstream(&Pause::new()).await;
    let builder = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, LIMITS)
        .extra(STATE)
        .upstream("default", &upstream);
    (Installation::new(&builder), upstream)
}

/// What each account has used.
async fn used(process: &Process) -> Vec<(String, Value)> {
    let settled = |budgets: &Value| budgets["open_holds"] == 0;
    let budgets = process
        .budgets_when("every hold to be settled", settled)
        .await;
    let accounts = budgets["accounts"].as_array().expect("a list").iter();
    let mut used: Vec<_> = accounts
        .filter(|account| account["used"] != 0)
        .map(|account| (account["account"].to_string(), account["used"].clone()))
        .collect();
    used.sort_by_key(|(account, used)| (account.clone(), used.to_string()));
    used
}

async fn stop(process: Process) {
    process.signal("-TERM").await;
    process.ended().await;
}

/// Runs a command about the ledger. Gives its exit code and what it printed.
fn ledger(installation: &Installation, command: &str) -> (Option<i32>, String) {
    let output = witgate(
        &installation.file(""),
        &["ledger", command, "--config", "witgate.toml"],
    );
    (output.status.code(), text(&output))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_lost_or_damaged_is_made_again_from_receipts() {
    let (installation, _upstream) = installation().await;
    let process = installation.start().await;
    for _ in 0..3 {
        ask(&installation, &process).await;
    }
    let before = used(&process).await;
    assert_eq!(before.len(), 3, "money, tokens and requests: {before:?}");
    stop(process).await;
    let (code, told) = ledger(&installation, "verify");
    assert_eq!(code, Some(0), "both say the same: {told}");
    assert!(told.contains("3 receipts read"), "{told}");

    let folder = installation.file("state/ledger");
    std::fs::remove_dir_all(&folder).unwrap();
    let (code, told) = ledger(&installation, "verify");
    assert_eq!(code, Some(1), "the ledger is lost: {told}");
    assert!(told.contains("tenant:acme total picousd: "), "{told}");
    let (code, told) = ledger(&installation, "rebuild");
    assert_eq!(code, Some(0), "{told}");
    let process = installation.start().await;
    assert_eq!(used(&process).await, before, "as before");
    stop(process).await;

    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        std::fs::write(&path, bytes).unwrap();
    }
    let (code, told) = ledger(&installation, "verify");
    assert_eq!(code, Some(1), "it is damaged: {told}");
    assert!(told.contains("the journal is damaged: "), "{told}");
    let (code, told) = ledger(&installation, "rebuild");
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("state/ledger-before-"),
        "what was there is kept: {told}"
    );
    let process = installation.start().await;
    assert_eq!(used(&process).await, before, "as before");
    ask(&installation, &process).await;
    stop(process).await;
    let (code, told) = ledger(&installation, "verify");
    assert_eq!(code, Some(0), "and it goes on: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_in_use_is_left_alone() {
    let (installation, _upstream) = installation().await;
    let _process = installation.start().await;
    for command in ["verify", "rebuild"] {
        let arguments = ["ledger", command, "--config", "witgate.toml"];
        let output = witgate(&installation.file(""), &arguments);
        assert!(!output.status.success(), "{}", printed(&output));
        let told = complaint(&output);
        assert!(told.contains("stop it first"), "what to do: {told}");
    }
}

/// Asks for a message and creates a batch, and waits until both are settled. Gives the ids of the request and the batch.
async fn ask_for_both(installation: &Installation, process: &Process) -> [String; 2] {
    let user = json!([{"role": "user", "content": "plain"}]);
    let params = json!({"model": "claude-haiku-4-5", "max_tokens": 50, "messages": user});
    let message = installation.messages(&params);
    let answer = process.client().await.ask(&message).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let request = answer.headers.get("witgate-request-id").expect("an id");
    let mut batch =
        message.body(json!({"requests": [{"custom_id": "one", "params": params}]}).to_string());
    batch.target = "/v1/messages/batches".into();
    let answer = process.client().await.ask(&batch).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let ids = [
        request.to_owned(),
        answer.json()["id"].as_str().expect("an id").to_owned(),
    ];
    process
        .budgets_when("both to be settled", |budgets| {
            let accounts = budgets["accounts"].as_array().expect("a list");
            let money = accounts.iter().find(|account| account["unit"] == "picousd");
            money.is_some_and(|money| money["used"] == PROMPT * INPUT + SHORT * OUTPUT + BATCH)
        })
        .await;
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_that_a_kill_kept_from_being_written_are_made_from_the_journal_once() {
    let (desk, upstream) = Desk::open().await;
    desk.end_batches(true);
    let builder = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, LIMITS)
        .extra(STATE)
        .extra("[batches]\npoll_ms = 20\n")
        .upstream("default", &upstream);
    let installation = Installation::new(&builder);
    let process = installation.start().await;
    let [request, batch] = ask_for_both(&installation, &process).await;
    stop(process).await;
    // As if it had been killed before these two were written.
    let of_message = |receipt: &Value| receipt["id"] == *request;
    let of_batch =
        |receipt: &Value| receipt["batch"]["id"] == *batch && !receipt["batch"]["ended"].is_null();
    let file = installation.file("receipts.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let kept = text.lines().filter(|line| {
        let receipt: Value = serde_json::from_str(line).unwrap();
        !of_message(&receipt) && !of_batch(&receipt)
    });
    let kept: String = kept.map(|line| line.to_owned() + "\n").collect();
    assert_eq!(kept.lines().count(), 1, "that of the creation: {text}");
    std::fs::write(&file, kept).unwrap();

    for start in 0..2 {
        stop(installation.start().await).await;
        let receipts = installation.receipts();
        assert_eq!(receipts.len(), 3, "start {start}: {receipts:?}");
        let cost = |is: &dyn Fn(&Value) -> bool| {
            let receipt = receipts
                .iter()
                .find(|receipt| is(receipt))
                .expect("a receipt");
            assert_eq!(receipt["outcome"], "crash-settled", "{receipt}");
            receipt["cost_picousd"].clone()
        };
        assert_eq!(
            cost(&of_message),
            PROMPT * INPUT + SHORT * OUTPUT,
            "of the message"
        );
        assert_eq!(cost(&of_batch), BATCH, "of the batch");
    }
    let (code, told) = ledger(&installation, "verify");
    assert_eq!(code, Some(0), "both say the same: {told}");
}
