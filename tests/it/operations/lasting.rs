//! Spending outlives the process: killed in the middle of a stream, right after an answer, stopped, or upgraded.

mod drained;
mod limits;
mod rebuilt;
mod trouble;

use serde_json::{Value, json};
use witgate_artifacts::BUDGET;

use crate::harness::{
    Answer, Ending, Events, GatewayBuilder, Installation, Pause, Process, Upstream, within_timeout,
};

const LIMITS: &str = "[[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"total\"\nusd = \"1000.00\"\n\n\
                      [[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"month\"\nrequests = 1000000\n";

const STATE: &str = "[state]\ndirectory = \"state\"\n\n[upgrade]\nsocket = \"witgate.sock\"\n";

/// Haiku 4.5: 5 USD per million tokens of output.
const OUTPUT_PICOUSD: i64 = 5_000_000;

fn installation(upstream: &Upstream) -> Installation {
    let builder = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, LIMITS)
        .extra(STATE)
        .upstream("default", upstream);
    Installation::new(&builder)
}

fn body(stream: bool) -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 2000, "messages": [], "stream": stream})
}

fn message() -> Answer {
    let usage = json!({"input_tokens": 10, "output_tokens": 2});
    Answer::message("claude-haiku-4-5", "hi", &usage)
}

fn events() -> Events {
    let usage = json!({"input_tokens": 1000, "output_tokens": 1});
    Events::begin_with_usage("claude-haiku-4-5", usage)
        .text(&["one", "two", "three"])
        .end("end_turn")
}

/// An upstream whose streams wait in the middle and whose other answers come at once.
async fn upstream(pause: &Pause) -> Upstream {
    let pause = pause.clone();
    Upstream::start_with(move |request| {
        if request.json()["stream"] == true {
            Answer::sse(&events()).pause_at_event(4, &pause)
        } else {
            message()
        }
    })
    .await
}

async fn ask(installation: &Installation, process: &Process) {
    let request = installation.messages(&body(false));
    let answer = process.client().await.ask(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn used(budgets: &Value, unit: &str) -> i64 {
    let accounts = budgets["accounts"].as_array().unwrap();
    let account = accounts.iter().find(|account| account["unit"] == unit);
    account.map_or(0, |account| account["used"].as_i64().unwrap())
}

/// The accounts of a process once no hold is open.
async fn settled(process: &Process) -> Value {
    let budgets = process
        .budgets_when("every hold to be settled", |budgets| {
            budgets["open_holds"] == 0
        })
        .await;
    let accounts = budgets["accounts"].as_array().unwrap();
    assert!(
        accounts.iter().all(|account| account["held"] == 0),
        "nothing is held: {budgets}"
    );
    budgets
}

/// The receipts once there are so many.
async fn receipts_when(installation: &Installation, count: usize) -> Vec<Value> {
    within_timeout("every receipt", async {
        loop {
            let receipts = installation.receipts();
            if receipts.len() >= count {
                return receipts;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
}

/// The accounts, in an order of their own.
fn accounts(budgets: &Value) -> Vec<&Value> {
    let mut accounts: Vec<_> = budgets["accounts"].as_array().unwrap().iter().collect();
    accounts.sort_by_key(|account| account["unit"].as_str().map(str::to_owned));
    accounts
}

fn cost(receipts: &[Value]) -> i64 {
    let costs = receipts.iter().map(|receipt| &receipt["cost_picousd"]);
    costs.map(|cost| cost.as_i64().unwrap_or(0)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_in_the_middle_of_a_stream_leaves_what_its_client_got() {
    let pause = Pause::new();
    let upstream = upstream(&pause).await;
    let installation = installation(&upstream);
    let process = installation.start().await;
    ask(&installation, &process).await;
    let whole = cost(&receipts_when(&installation, 1).await);
    let mut client = process.client().await;
    client.send(&installation.messages(&body(true))).await;
    let mut reply = client.reply().await;
    for event in 0..4 {
        assert!(
            reply.event().await.is_some(),
            "event {event} is with the client"
        );
    }
    process.die().await;

    let next = installation.start().await;
    let budgets = settled(&next).await;
    let served = 1000 * 1_000_000 + OUTPUT_PICOUSD;
    let spent = used(&budgets, "picousd") - whole;
    assert!(
        (served..=served + (4 + 1024) * OUTPUT_PICOUSD).contains(&spent),
        "what it got, and one extension at the most: {spent}, {budgets}"
    );
    assert_eq!(used(&budgets, "requests"), 2, "{budgets}");
    let receipts = receipts_when(&installation, 2).await;
    assert_eq!(receipts[1]["outcome"], "crash-estimated", "{}", receipts[1]);
    assert_eq!(receipts[1]["cost_picousd"], spent, "{}", receipts[1]);
    assert_eq!(receipts[1]["crash"]["owner"], "acme", "{}", receipts[1]);
    next.die().await;

    let last = installation.start().await;
    let again = settled(&last).await;
    assert_eq!(
        accounts(&again),
        accounts(&budgets),
        "another kill changes nothing"
    );
    assert_eq!(
        installation.receipts().len(),
        2,
        "and leaves no further receipt"
    );
    ask(&installation, &last).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_a_client_has_is_spent_whenever_the_process_is_killed() {
    let upstream = upstream(&Pause::new()).await;
    let installation = installation(&upstream);
    let each = 10 * 1_000_000 + 2 * OUTPUT_PICOUSD;
    for run in 1..=5 {
        let process = installation.start().await;
        ask(&installation, &process).await;
        process.die().await;
        let next = installation.start().await;
        let budgets = settled(&next).await;
        assert_eq!(
            used(&budgets, "picousd"),
            run * each,
            "after kill {run}: {budgets}"
        );
        assert_eq!(
            used(&budgets, "requests"),
            run,
            "after kill {run}: {budgets}"
        );
        let receipts = installation.receipts();
        assert_eq!(
            cost(&receipts),
            run * each,
            "the receipts say the same: {receipts:?}"
        );
        next.die().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_stopped_and_started_knows_what_was_spent() {
    let upstream = upstream(&Pause::new()).await;
    let installation = installation(&upstream);
    let process = installation.start().await;
    ask(&installation, &process).await;
    let before = settled(&process).await;
    process.signal("-TERM").await;
    process.ended().await;
    let next = installation.start().await;
    assert_eq!(
        accounts(&settled(&next).await),
        accounts(&before),
        "as before"
    );
    assert_eq!(installation.receipts().len(), 1, "nothing was estimated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_hands_the_journal_over_and_a_kill_after_it_counts_each_exchange_once() {
    let pause = Pause::new();
    let upstream = upstream(&pause).await;
    let installation = installation(&upstream);
    let old = installation.start().await;
    ask(&installation, &old).await;
    let mut client = old.client().await;
    client.send(&installation.messages(&body(true))).await;
    pause.reached().await;
    let new = installation.upgrade().await;
    ask(&installation, &new).await;
    pause.resume();
    let answer = client.receive().await;
    assert_eq!(answer.ending, Ending::Complete, "no byte is missing");
    old.ended().await;
    new.says("the old process has ended").await;
    let before = settled(&new).await;
    assert_eq!(used(&before, "requests"), 3, "{before}");
    new.die().await;
    let next = installation.start().await;
    let after = settled(&next).await;
    assert_eq!(accounts(&after), accounts(&before), "each exchange once");
    let receipts = installation.receipts();
    assert_eq!(
        cost(&receipts),
        used(&after, "picousd"),
        "the receipts say the same"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_kept_no_state_hands_over_to_one_that_does() {
    let upstream = upstream(&Pause::new()).await;
    let installation = installation(&upstream);
    let kept = std::fs::read_to_string(installation.file("witgate.toml")).unwrap();
    let forgetful = kept.replace("[state]\ndirectory = \"state\"\n", "");
    std::fs::write(installation.file("witgate.toml"), forgetful).unwrap();
    let old = installation.start().await;
    ask(&installation, &old).await;
    let before = settled(&old).await;
    std::fs::write(installation.file("witgate.toml"), kept).unwrap();
    let new = installation.upgrade().await;
    old.ended().await;
    new.says("the old process has ended").await;
    new.die().await;
    let next = installation.start().await;
    let after = settled(&next).await;
    assert_eq!(
        accounts(&after),
        accounts(&before),
        "what it handed over is kept"
    );
}
