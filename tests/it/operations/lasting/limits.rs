//! Live limits outlive the process: stopped, killed, upgraded.

use serde_json::{Value, json};
use witgate_artifacts::BUDGET;

use super::{STATE, ask, body, settled, upstream};
use crate::harness::{
    ADMIN_KEYS, GatewayBuilder, Installation, Operator, Pause, Process, Upstream, operators_keys,
    text, witgate,
};

const TWO: &str =
    "[[settings.tiers.pro.limits]]\naccount = \"user\"\nwindow = \"month\"\nrequests = 2\n";

const USER: &str = "user:acme/alice";

fn installed(upstream: &Upstream) -> (Installation, String) {
    let builder = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, TWO)
        .admin(ADMIN_KEYS)
        .extra(STATE)
        .upstream("default", upstream);
    let installation = Installation::new(&builder);
    let [write, _] = operators_keys(&installation.file(""));
    (installation, write)
}

fn on(amount: &str) -> Value {
    json!({"scope": {"type": "user", "user_id": "acme/alice"}, "unit": "requests", "amount": amount})
}

async fn is_refused(installation: &Installation, process: &Process) {
    let request = installation.messages(&body(false));
    let answer = process.client().await.ask(&request).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_limit_and_its_records_survive_a_kill_right_after_the_answer() {
    let upstream = upstream(&Pause::new()).await;
    let (installation, key) = installed(&upstream);
    let mut process = installation.start().await;
    for round in 0..3_u32 {
        let operator = Operator::new(process.admin, &key);
        let limit = operator.post("", &on(&(3 + round).to_string())).await;
        assert_eq!(limit["durable"], true, "{limit}");
        process.die().await;
        process = installation.start().await;
        let operator = Operator::new(process.admin, &key);
        let page = operator.get("").await;
        assert_eq!(
            page["data"][0], limit,
            "round {round}: it is as it was answered"
        );
        let audit = operator.get("/audit").await;
        assert_eq!(
            audit["data"].as_array().map(Vec::len),
            Some(1 + round as usize),
            "round {round}: {audit}"
        );
    }
    for _ in 0..5 {
        ask(&installation, &process).await;
    }
    is_refused(&installation, &process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_a_tier_survives_a_kill_right_after_the_answer() {
    let upstream = upstream(&Pause::new()).await;
    let (installation, key) = installed(&upstream);
    let process = installation.start().await;
    let scope = json!({"type": "seat_tier", "seat_tier": "pro"});
    let body = json!({"scope": scope, "unit": "requests", "amount": "3"});
    let limit = Operator::new(process.admin, &key).post("", &body).await;
    process.die().await;
    let process = installation.start().await;
    for _ in 0..3 {
        ask(&installation, &process).await;
    }
    is_refused(&installation, &process).await;
    let operator = Operator::new(process.admin, &key);
    let row = operator.effective(USER, "month").await;
    assert_eq!(
        (&row["amount"], &row["source"], &row["spend_limit_id"]),
        (&json!("3"), &scope, &limit["id"]),
        "{row}"
    );
    assert_eq!(
        operator.get("/audit").await["data"][0]["after"]["account"],
        operator.get("").await["data"][0]["account"],
        "with its record"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_survives_a_kill_right_after_the_answer_and_a_stop() {
    let upstream = upstream(&Pause::new()).await;
    let (installation, key) = installed(&upstream);
    let process = installation.start().await;
    for _ in 0..2 {
        ask(&installation, &process).await;
    }
    is_refused(&installation, &process).await;
    settled(&process).await;
    let operator = Operator::new(process.admin, &key);
    let mut reset = on("0");
    reset.as_object_mut().unwrap().remove("amount");
    let done = operator.post("/reset", &reset).await;
    assert_eq!(done["reset_spend"], "2", "{done}");
    process.die().await;
    let process = installation.start().await;
    for _ in 0..2 {
        ask(&installation, &process).await;
    }
    is_refused(&installation, &process).await;
    settled(&process).await;
    // The snapshot of an orderly end has it, too.
    process.signal("-TERM").await;
    process.ended().await;
    let process = installation.start().await;
    is_refused(&installation, &process).await;
    let row = Operator::new(process.admin, &key)
        .effective(USER, "month")
        .await;
    assert_eq!(row["period_to_date_spend"], "2", "{row}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_takes_live_limits_along_and_changes_go_to_the_new_process() {
    let upstream = upstream(&Pause::new()).await;
    let (installation, key) = installed(&upstream);
    let old = installation.start().await;
    let operator = Operator::new(old.admin, &key);
    operator.post("", &on("3")).await;
    for _ in 0..2 {
        ask(&installation, &old).await;
    }
    let new = installation.upgrade().await;
    ask(&installation, &new).await;
    is_refused(&installation, &new).await;
    let operator = Operator::new(new.admin, &key);
    operator.post("/top_up", &on("1")).await;
    ask(&installation, &new).await;
    is_refused(&installation, &new).await;
    old.ended().await;
    settled(&new).await;
    let row = operator.effective(USER, "month").await;
    assert_eq!(
        (&row["amount"], &row["period_to_date_spend"], &row["origin"]),
        (&json!("4"), &json!("4"), &json!("live")),
        "{row}"
    );
}

/// A reset of the test's account.
fn resetting() -> Value {
    let mut reset = on("0");
    reset.as_object_mut().unwrap().remove("amount");
    reset
}

/// Changes the state database while no gateway runs.
fn change_state(installation: &Installation, sql: &str) {
    let db = rusqlite::Connection::open(installation.file("state/state.db")).unwrap();
    assert_eq!(db.execute(sql, []).unwrap(), 1, "{sql}");
}

async fn spent(process: &Process, key: &str) -> Value {
    let operator = Operator::new(process.admin, key);
    operator.effective(USER, "month").await["period_to_date_spend"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_that_a_kill_kept_from_being_made_is_made_once_at_the_next_start() {
    let upstream = upstream(&Pause::new()).await;
    let (installation, key) = installed(&upstream);
    let process = installation.start().await;
    for _ in 0..2 {
        ask(&installation, &process).await;
    }
    settled(&process).await;
    process.die().await;
    // As it is between the record and the ledger's step.
    change_state(
        &installation,
        "INSERT INTO live_limit_resets (name, account, window, unit, asked_unix_ms)
         VALUES ('rst_1', 'user:acme/alice', 'month', 'requests', unixepoch() * 1000)",
    );
    let process = installation.start().await;
    assert_eq!(spent(&process, &key).await, "0", "it is made");
    ask(&installation, &process).await;
    settled(&process).await;
    process.die().await;
    let process = installation.start().await;
    assert_eq!(spent(&process, &key).await, "1", "and not again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_that_was_made_and_not_noted_is_not_made_again() {
    let upstream = upstream(&Pause::new()).await;
    let (installation, key) = installed(&upstream);
    let process = installation.start().await;
    for _ in 0..2 {
        ask(&installation, &process).await;
    }
    settled(&process).await;
    let operator = Operator::new(process.admin, &key);
    operator.post("/reset", &resetting()).await;
    ask(&installation, &process).await;
    settled(&process).await;
    process.die().await;
    // As it is between the ledger's step and its note.
    change_state(&installation, "UPDATE live_limit_resets SET taken = NULL");
    let verified = witgate(&installation.file(""), &["ledger", "verify"]);
    assert!(
        verified.status.success(),
        "the journal knows what it took off: {}",
        text(&verified)
    );
    let process = installation.start().await;
    assert_eq!(spent(&process, &key).await, "1", "what came after it stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_is_made_again_from_receipts_knows_resets() {
    let upstream = upstream(&Pause::new()).await;
    let (installation, key) = installed(&upstream);
    let process = installation.start().await;
    for _ in 0..2 {
        ask(&installation, &process).await;
    }
    settled(&process).await;
    let operator = Operator::new(process.admin, &key);
    operator.post("/reset", &resetting()).await;
    ask(&installation, &process).await;
    settled(&process).await;
    process.signal("-TERM").await;
    process.ended().await;
    let verified = witgate(&installation.file(""), &["ledger", "verify"]);
    assert!(
        verified.status.success(),
        "both say the same: {}",
        text(&verified)
    );
    std::fs::remove_dir_all(installation.file("state/ledger")).unwrap();
    let rebuilt = witgate(&installation.file(""), &["ledger", "rebuild"]);
    assert!(rebuilt.status.success(), "{}", text(&rebuilt));
    let process = installation.start().await;
    assert_eq!(spent(&process, &key).await, "1", "what came after it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_that_was_not_noted_is_not_made_again_after_an_upgrade() {
    let upstream = upstream(&Pause::new()).await;
    let (installation, key) = installed(&upstream);
    let old = installation.start().await;
    ask(&installation, &old).await;
    settled(&old).await;
    let operator = Operator::new(old.admin, &key);
    operator.post("/reset", &resetting()).await;
    let new = installation.upgrade().await;
    ask(&installation, &new).await;
    old.ended().await;
    settled(&new).await;
    new.die().await;
    change_state(&installation, "UPDATE live_limit_resets SET taken = NULL");
    let process = installation.start().await;
    assert_eq!(spent(&process, &key).await, "1", "what came after it stays");
}
