//! A thousand requests at once against a budget worth a hundred, with and without trouble.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// The price of an answer below: 10 tokens of input and 20 of output.
const WORTH: u64 = 10 * 1_000_000 + 20 * EACH;

const CLIENTS: u32 = 50;

/// Sends a thousand requests of 50 clients. Those for which `leaves` holds disconnect at once. Returns the number of whole answers.
async fn storm(gate: &Arc<TestGateway>, stream: bool, leaves: fn(u32) -> bool) -> u32 {
    let served = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (0..CLIENTS)
        .map(|worker| {
            let (gate, served) = (Arc::clone(gate), Arc::clone(&served));
            tokio::spawn(async move {
                let mut client = gate.client().await;
                for round in 0..20 {
                    client.send(&asking(&gate, 20, stream)).await;
                    if leaves(worker + round) {
                        client.close();
                        client = gate.client().await;
                        continue;
                    }
                    match client.try_receive().await {
                        Some(response) if response.ending == Ending::Complete => {
                            served.fetch_add(u32::from(response.status == 200), Ordering::Relaxed);
                        }
                        _ => client = gate.client().await,
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("a client");
    }
    served.load(Ordering::Relaxed)
}

/// Asks alone until the budget refuses, so that whatever was held by mistake shows. Returns what is used then.
async fn use_up(gate: &TestGateway) -> u64 {
    gate.receipts_when(1000).await;
    let after = gate.admin("/budgets").await.json();
    assert_eq!(after["open_holds"], 0, "no hold is left: {after}");
    for _ in 0..200 {
        let response = gate.ask(&asking(gate, 20, false)).await;
        if response.status == 429 {
            break;
        }
    }
    let account = account(gate).await;
    assert_eq!(account["held"], 0, "nothing is held: {account}");
    used(&account)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_requests_at_once_use_a_budget_up_and_never_pass_it() {
    for limit in [
        "usd = \"0.011\"\nreserve = \"worst-case\"",
        "usd = \"0.011\"\non_exhausted = \"cut\"",
        "usd = \"0.011\"",
    ] {
        let upstream = Upstream::always(answer(20)).await;
        let gate = Arc::new(limited(limit, &upstream).await);
        let served = storm(&gate, false, |_| false).await;
        let spent = use_up(&gate).await;
        let budget = 100 * WORTH;
        assert!(spent <= budget, "{limit}: {spent} of {budget}");
        assert!(
            spent > budget - 2 * WORTH,
            "{limit}: no hold stood in the way of another answer: {spent} of {budget}"
        );
        assert!(served > 10, "{limit}: {served} were served");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_streams_with_trouble_pass_a_budget_by_no_more_than_they_may() {
    let events = Events::begin_with_usage("claude-haiku-4-5", json!({"input_tokens": 10}))
        .text(&["a"; 20])
        .end("end_turn");
    let mut asked = 0_u32;
    let upstream = Upstream::start_with(move |_| {
        asked += 1;
        match asked % 7 {
            1 => Answer::error(529, "overloaded_error", "busy"),
            2 => Answer::hang_up(),
            3 => Answer::sse(&events).stop_at_event(9),
            4 => Answer::error(400, "invalid_request_error", "no"),
            _ => Answer::sse(&events),
        }
    })
    .await;
    for limit in [
        "usd = \"0.011\"\non_exhausted = \"cut\"",
        "usd = \"0.011\"\nreserve = \"worst-case\"",
    ] {
        let gate = Arc::new(limited(limit, &upstream).await);
        storm(&gate, true, |place| place % 5 == 0).await;
        let receipts = gate.receipts_when(1000).await;
        let counted: u64 = receipts
            .iter()
            .filter_map(|receipt| receipt["cost_picousd"].as_u64())
            .sum();
        let after = account(&gate).await;
        assert_eq!(used(&after), counted, "{limit}: the receipts say the same");
        let spent = use_up(&gate).await;
        let bound = 100 * WORTH + u64::from(CLIENTS) * 1024 * EACH;
        assert!(spent <= bound, "{limit}: {spent} of {bound}");
        assert!(
            spent > 98 * WORTH,
            "{limit}: nothing that failed is held for ever: {spent}"
        );
    }
}
