//! A new process takes over from the one that runs: no connection is refused, no byte is missing, and what is spent is
//! the sum of the receipts, each of which is there once.

mod by_signal;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use witgate_artifacts::BUDGET;

use crate::harness::{
    Answer, Client, Ending, Events, GatewayBuilder, Installation, Pause, Process, Upstream,
    within_timeout,
};

const LIMITS: &str = "[[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"total\"\nusd = \"1000.00\"\n\n\
                      [[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"total\"\nrequests = 1000000\n";

fn installation(upstream: &Upstream) -> Installation {
    let builder = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, LIMITS)
        .extra("[upgrade]\nsocket = \"witgate.sock\"\n")
        .upstream("default", upstream);
    Installation::new(&builder)
}

fn body(stream: bool) -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [], "stream": stream})
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
    let usage = json!({"input_tokens": 10, "output_tokens": 2});
    let message = Answer::message("claude-haiku-4-5", "hi", &usage);
    Upstream::start_with(move |request| {
        if request.json()["stream"] == true {
            Answer::sse(&events()).pause_at_event(3, &pause)
        } else {
            message.clone()
        }
    })
    .await
}

/// A client whose stream has come half-way.
async fn streaming(installation: &Installation, process: &Process, pause: &Pause) -> Client {
    let mut client = process.client().await;
    client.send(&installation.messages(&body(true))).await;
    pause.reached().await;
    client
}

async fn finishes(mut client: Client, pause: &Pause) {
    pause.resume();
    let response = client.receive().await;
    assert_eq!(
        (response.ending, response.body),
        (Ending::Complete, events().to_bytes()),
        "not a byte is missing"
    );
}

fn used(budgets: &Value, unit: &str) -> i64 {
    let accounts = budgets["accounts"].as_array().unwrap();
    let account = accounts.iter().find(|account| account["unit"] == unit);
    account.map_or(0, |account| account["used"].as_i64().unwrap())
}

fn cost(receipts: &[Value]) -> i64 {
    let costs = receipts.iter().map(|receipt| &receipt["cost_picousd"]);
    costs.map(|cost| cost.as_i64().unwrap()).sum()
}

/// Checks that each receipt is there once, and that the account is their sum.
async fn adds_up(installation: &Installation, process: &Process, count: usize) {
    let settled = |budgets: &Value| {
        budgets["open_holds"] == 0 && used(budgets, "requests") == i64::try_from(count).unwrap()
    };
    let budgets = process
        .budgets_when("every hold to be settled", settled)
        .await;
    let receipts = within_timeout("every receipt", async {
        loop {
            let receipts = installation.receipts();
            if receipts.len() >= count {
                return receipts;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let ids: HashSet<_> = receipts
        .iter()
        .map(|receipt| receipt["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        (receipts.len(), ids.len()),
        (count, count),
        "each exchange left one receipt"
    );
    assert_eq!(
        used(&budgets, "picousd"),
        cost(&receipts),
        "what is spent is their sum: {budgets}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_crosses_an_upgrade_and_settles_in_the_new_process() {
    let pause = Pause::new();
    let upstream = upstream(&pause).await;
    let installation = installation(&upstream);
    let old = installation.start().await;
    let answer = old
        .client()
        .await
        .ask(&installation.messages(&body(false)))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let client = streaming(&installation, &old, &pause).await;

    let new = installation.upgrade().await;
    assert_eq!(new.address, old.address, "at the same address");
    assert_eq!(new.admin, old.admin, "for operators too");
    let budgets = new.admin("/budgets").await.json();
    assert_eq!(
        (&budgets["open_holds"], used(&budgets, "requests")),
        (&json!(1), 1),
        "the new process knows what was spent and what is held: {budgets}"
    );
    let answer = new
        .client()
        .await
        .ask(&installation.messages(&body(false)))
        .await;
    assert_eq!(answer.status, 200, "it serves: {}", answer.text());

    finishes(client, &pause).await;
    let log = old.ended().await;
    assert!(log.contains("a new process serves"), "{log}");
    adds_up(&installation, &new, 3).await;
    assert!(installation.spools().is_empty(), "nothing was spooled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_new_connections_meet_no_refusal_and_no_error_during_hand_overs() {
    const LEAST: usize = 1000;
    let upstream = upstream(&Pause::new()).await;
    let installation = Arc::new(installation(&upstream));
    let first = installation.start().await;
    let address = first.address;
    let (asked, over) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (installation, asked, over) = (
                Arc::clone(&installation),
                Arc::clone(&asked),
                Arc::clone(&over),
            );
            tokio::spawn(async move {
                let request = installation.messages(&body(false));
                while !over.load(SeqCst) || asked.load(SeqCst) < LEAST {
                    asked.fetch_add(1, SeqCst);
                    let response = Client::connect(address).await.ask(&request).await;
                    assert_eq!(response.status, 200, "{}", response.text());
                    assert_eq!(response.ending, Ending::Complete, "to its end");
                }
            })
        })
        .collect();
    let second = installation.upgrade().await;
    first.ended().await;
    second.says("the old process has ended").await;
    let third = installation.upgrade().await;
    second.ended().await;
    over.store(true, SeqCst);
    for worker in workers {
        worker.await.expect("each request was answered");
    }
    adds_up(&installation, &third, asked.load(SeqCst)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_heir_leaves_a_spool_that_the_next_start_takes_in_once() {
    let pause = Pause::new();
    let upstream = upstream(&pause).await;
    let installation = installation(&upstream);
    let old = installation.start().await;
    let client = streaming(&installation, &old, &pause).await;
    installation.upgrade().await.die().await;
    old.says("the new process is gone").await;
    finishes(client, &pause).await;
    old.ended().await;
    assert_eq!(
        installation.receipts().len(),
        0,
        "nobody has written the receipt"
    );
    assert_eq!(installation.spools().len(), 1, "it is in the spool");
    let spool = installation.spools().remove(0);
    let left = std::fs::read(&spool).unwrap();

    let next = installation.start().await;
    assert!(installation.spools().is_empty(), "the spool was taken in");
    adds_up(&installation, &next, 1).await;
    next.signal("-TERM").await;
    next.ended().await;

    // As if it had been killed after the receipts were written and before the spool was deleted.
    std::fs::write(&spool, left).unwrap();
    let last = installation.start().await;
    assert!(
        installation.spools().is_empty(),
        "the spool was taken in again"
    );
    adds_up(&installation, &last, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_held_is_released_by_the_new_one() {
    let pause = Pause::new();
    let upstream = upstream(&pause).await;
    let installation = installation(&upstream);
    let old = installation.start().await;
    let client = streaming(&installation, &old, &pause).await;
    let new = installation.upgrade().await;
    let budgets = new.admin("/budgets").await.json();
    assert_eq!(budgets["open_holds"], 1, "{budgets}");
    old.die().await;
    let budgets = new
        .budgets_when("the orphan to be settled", |budgets| {
            budgets["open_holds"] == 0
        })
        .await;
    let accounts = budgets["accounts"].as_array().unwrap();
    assert!(
        accounts.iter().all(|account| account["held"] == 0),
        "nothing is held: {budgets}"
    );
    new.says("the old process has ended").await;
    assert!(installation.spools().is_empty(), "its spool is gone");
    client.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_fails_leaves_the_old_process_serving_as_before() {
    let pause = Pause::new();
    let upstream = upstream(&pause).await;
    let installation = installation(&upstream);
    let old = installation.start().await;
    let client = streaming(&installation, &old, &pause).await;
    let config = std::fs::read_to_string(installation.file("witgate.toml")).unwrap();
    let taken = format!("[admin]\naddress = \"{}\"", upstream.address());
    let admin = "[admin]\naddress = \"127.0.0.1:0\"";
    assert!(config.contains(admin), "the test changes the admin address");
    for (name, text, told) in [
        // It fails before it asks, and after it was given everything.
        ("wrong.toml", format!("nonsense = 1\n{config}"), "nonsense"),
        (
            "taken.toml",
            config.replace(admin, &taken),
            "cannot listen on",
        ),
    ] {
        std::fs::write(installation.file(name), text).unwrap();
        let (status, log) = installation.upgrade_in_vain(name).await;
        assert!(!status.success(), "{name}: it does not start:\n{log}");
        assert!(log.contains(told), "{name}: it says why:\n{log}");
        let answer = old
            .client()
            .await
            .ask(&installation.messages(&body(false)))
            .await;
        assert_eq!(answer.status, 200, "{name}: the old one serves");
    }
    old.says("the handover failed").await;
    assert!(installation.spools().is_empty(), "nothing is left of it");
    finishes(client, &pause).await;
    adds_up(&installation, &old, 3).await;

    let new = installation.upgrade().await;
    old.ended().await;
    adds_up(&installation, &new, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_version_of_the_protocol_is_refused_and_the_old_one_goes_on() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let old = installation.start().await;
    let path = installation.file("witgate.sock");
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "the socket is its owner's");
    let hello = br#"{"witgate_upgrade":99,"something":"new"}"#;
    let mut strange = tokio::net::UnixStream::connect(&path).await.unwrap();
    let length = u32::try_from(hello.len()).unwrap();
    strange.write_all(&length.to_be_bytes()).await.unwrap();
    strange.write_all(b"w").await.unwrap();
    strange.write_all(hello).await.unwrap();
    let mut refusal = Vec::new();
    within_timeout("the refusal", strange.read_to_end(&mut refusal))
        .await
        .unwrap();
    let refusal = String::from_utf8_lossy(&refusal);
    assert!(
        refusal.contains("refused") && refusal.contains("version 99"),
        "it says why: {refusal}"
    );
    let answer = old
        .client()
        .await
        .ask(&installation.messages(&body(false)))
        .await;
    assert_eq!(answer.status, 200, "the old one serves");

    let (status, log) = {
        let plain = std::fs::read_to_string(installation.file("witgate.toml")).unwrap();
        let without = plain.replace("[upgrade]\nsocket = \"witgate.sock\"\n", "");
        std::fs::write(installation.file("without.toml"), without).unwrap();
        installation.upgrade_in_vain("without.toml").await
    };
    assert!(
        !status.success() && log.contains("[upgrade] socket"),
        "an upgrade without a socket says what to set: {log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_of_the_old_process_gets_one_more_answer_that_is_said_to_be_the_last() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let old = installation.start().await;
    let mut client = old.client().await;
    let mut silent = old.client().await;
    let request = installation.messages(&body(false));
    assert_eq!(client.ask(&request).await.status, 200, "served");

    let new = installation.upgrade().await;
    // The new one serves a moment before the old one hears of it; until then its connections go on as before.
    let mut asked = 1;
    let told = async {
        loop {
            client.send(&request).await;
            // Its last answer may have been on its way already when it heard; then it can only close.
            let Some(answer) = client.try_receive().await else {
                return;
            };
            asked += 1;
            assert_eq!(answer.status, 200, "a request that was on its way");
            let connection = answer.headers.get("connection").unwrap_or_default();
            if connection.eq_ignore_ascii_case("close") {
                return;
            }
        }
    };
    within_timeout("the client to be told", told).await;
    assert!(client.closed().await, "and it is closed");
    assert!(silent.closed().await, "the idle one too, after a while");
    old.ended().await;
    adds_up(&installation, &new, asked).await;
}
