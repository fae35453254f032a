//! A thousand requests at once against a budget worth a hundred, while the gateway hands over and is killed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clients::{Stop, exchange};
use super::desk::{Desk, INPUT, OUTPUT, PROMPT};
use super::installation_with;
use crate::harness::{Installation, Process, Request, within_timeout};

/// Tokens of each answer, which are also as far as its hold runs ahead.
const TOKENS: i64 = 20;

/// The price of an answer.
const WORTH: i64 = PROMPT * INPUT + TOKENS * OUTPUT;

const BUDGET: i64 = 100 * WORTH;

const CLIENTS: i64 = 50;

fn asking(installation: &Installation, tag: &str) -> Request {
    installation.messages(&json!({
        "model": "claude-haiku-4-5", "max_tokens": TOKENS, "stream": true,
        "messages": [{"role": "user", "content": tag}],
    }))
}

/// Twenty requests, one after the other, to whatever address the gateway has. Every fifth client leaves at once.
async fn client(
    number: i64,
    installation: Arc<Installation>,
    mut address: watch::Receiver<Option<SocketAddr>>,
) {
    let mut asked = 0;
    while asked < 20 {
        let at = address.wait_for(Option::is_some).await.map(|at| *at);
        let at = at.expect("the test lives").expect("it was waited for");
        let kind = if asked % 7 == 3 { "fault" } else { "plain" };
        let request = asking(&installation, &format!("{kind}-{number}-{asked}"));
        let stop = match number % 5 {
            0 if asked % 2 == 0 => Stop::AfterBytes(600),
            _ => Stop::AtTheEnd,
        };
        match exchange(at, &request, stop).await {
            Some(_) => asked += 1,
            // It is being started.
            None => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

/// Waits until so much was served, or every client is done.
async fn served(desk: &Desk, most: i64, clients: &mut JoinSet<()>) {
    within_timeout("the storm to go on", async {
        while desk.served_in_all() < most && !clients.is_empty() {
            while let Some(done) = clients.try_join_next() {
                done.expect("a client");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Asks alone until the budget refuses, so that whatever is held by mistake shows. Returns what is used then.
async fn use_up(installation: &Installation, process: &Process) -> i64 {
    let settled = |budgets: &serde_json::Value| budgets["open_holds"] == 0;
    process
        .budgets_when("every hold to be settled", settled)
        .await;
    for turn in 0..200 {
        let request = asking(installation, &format!("plain-alone-{turn}"));
        let response = process.client().await.ask(&request).await;
        if response.status == 429 {
            break;
        }
    }
    let budgets = process
        .budgets_when("every hold to be settled", settled)
        .await;
    let account = &budgets["accounts"][0];
    assert_eq!(account["held"], 0, "nothing is held: {account}");
    account["used"].as_i64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_over_kills_and_a_hand_over_use_a_budget_up_and_pass_it_by_no_more_than_they_may()
 {
    let (desk, upstream) = Desk::open().await;
    let limits = "[[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"total\"\nusd = \"0.02\"\non_exhausted = \"cut\"\n";
    let installation = Arc::new(installation_with(limits, &upstream));
    let (at, address) = watch::channel(None);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(number, Arc::clone(&installation), address.clone()));
    }
    let old = installation.start().await;
    at.send_replace(Some(old.address));
    served(&desk, 10 * WORTH, &mut clients).await;
    let new = installation.upgrade().await;
    at.send_replace(Some(new.address));
    served(&desk, 30 * WORTH, &mut clients).await;
    at.send_replace(None);
    new.die().await;
    drop(old);
    let second = installation.start().await;
    at.send_replace(Some(second.address));
    served(&desk, 60 * WORTH, &mut clients).await;
    at.send_replace(None);
    second.die().await;
    let last = installation.start().await;
    at.send_replace(Some(last.address));
    within_timeout("every client", async {
        while let Some(done) = clients.join_next().await {
            done.expect("a client");
        }
    })
    .await;

    let used = use_up(&installation, &last).await;
    let bound = BUDGET + CLIENTS * WORTH;
    assert!(used <= bound, "{used} of {bound}");
    assert!(
        used > BUDGET - 2 * WORTH,
        "no hold stands in the way of another answer: {used} of {BUDGET}"
    );
}
