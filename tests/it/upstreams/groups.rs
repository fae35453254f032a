//! Several upstreams under one name: who of them is asked, and what policies see of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use witgate_artifacts::ROUTE;

use crate::harness::{GatewayBuilder, Pause, Recorded, Upstream};
use crate::upstreams::{asking, error, message, table};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_member_with_less_to_do_is_chosen() {
    for choice in ["p2c", "least"] {
        let pause = Pause::new();
        let answer = message().pause_before_head(&pause);
        let first = Arc::new(AtomicBool::new(true));
        // Whichever member is asked first is held there.
        let script = || {
            let (first, answer) = (Arc::clone(&first), answer.clone());
            move |_: &Recorded| {
                if first.swap(false, Ordering::SeqCst) {
                    answer.clone()
                } else {
                    message()
                }
            }
        };
        let (a, b) = (
            Upstream::start_with(script()).await,
            Upstream::start_with(script()).await,
        );
        let group = format!(
            "[groups.pool]\nmembers = [{{ upstream = \"a\" }}, {{ upstream = \"b\" }}]\nchoice = \"{choice}\"\n"
        );
        let gate = GatewayBuilder::bare()
            .top("default_upstream = \"pool\"")
            .extra(&table("a", &a.url(), ""))
            .extra(&table("b", &b.url(), ""))
            .extra(&group)
            .start()
            .await;
        let mut held = gate.client().await;
        held.send(&asking(&gate)).await;
        pause.reached().await;
        let (busy, idle) = if a.requests().is_empty() {
            (&b, &a)
        } else {
            (&a, &b)
        };
        let asked = gate.ask(&asking(&gate)).await;
        assert_eq!(asked.status, 200, "{choice}: {}", asked.text());
        assert_eq!(
            (busy.requests().len(), idle.requests().len()),
            (1, 1),
            "{choice}: the idle one was chosen"
        );
        pause.resume();
        assert_eq!(held.receive().await.status, 200, "and the held one ends");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weights_are_shares() {
    let (a, b) = (Upstream::answering().await, Upstream::answering().await);
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"pool\"")
        .extra(&table("a", &a.url(), ""))
        .extra(&table("b", &b.url(), ""))
        .extra("[groups.pool]\nmembers = [{ upstream = \"a\", weight = 9 }, { upstream = \"b\", weight = 1 }]\nchoice = \"weighted\"\n")
        .start()
        .await;
    let mut client = gate.client().await;
    for _ in 0..200 {
        assert_eq!(client.ask(&asking(&gate)).await.status, 200, "served");
    }
    // Twenty are expected; outside of these bounds lies one run in a hundred million.
    let small = b.requests().len();
    assert!((1..=48).contains(&small), "one in ten: {small} of 200");
    assert_eq!(a.requests().len(), 200 - small, "and the others");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_open_is_passed_over_until_its_trial() {
    let (a, b) = (
        Upstream::always(error(500)).await,
        Upstream::answering().await,
    );
    let breaker = "breaker = { min_requests = 1, open_ms = 600000, max_open_ms = 600000 }";
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"pool\"")
        .extra(&table("a", &a.url(), breaker))
        .extra(&table("b", &b.url(), ""))
        .extra("[groups.pool]\nmembers = [{ upstream = \"a\" }, { upstream = \"b\" }]\nchoice = \"order\"\n")
        .start()
        .await;
    for round in 0..4 {
        assert_eq!(gate.ask(&asking(&gate)).await.status, 200, "round {round}");
    }
    assert_eq!(a.requests().len(), 1, "the first one found out");
    assert_eq!(b.requests().len(), 4, "and the other served them all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_may_plan_for_a_group_and_sees_its_members() {
    let (a, b) = (
        Upstream::always(error(529)).await,
        Upstream::answering().await,
    );
    let sidecar = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"pool\", model = \"claude-haiku-5-5\" }]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .top("default_upstream = \"a\"")
        .extra(&table("a", &a.url(), ""))
        .extra(&table("b", &b.url(), ""))
        .extra("[groups.pool]\nmembers = [{ upstream = \"a\" }, { upstream = \"b\" }]\nchoice = \"order\"\n")
        .start()
        .await;
    let response = gate.ask(&asking(&gate)).await;
    assert_eq!(
        response.status,
        200,
        "the second member served it: {}",
        response.text()
    );
    for upstream in [&a, &b] {
        let sent = upstream.requests().pop().unwrap().json();
        assert_eq!(
            sent["model"], "claude-haiku-5-5",
            "with the model of the plan"
        );
    }
    let page = gate.admin("/upstreams").await.json();
    assert_eq!(page["groups"][0]["name"], "pool", "{page}");
    assert_eq!(page["groups"][0]["members"][1]["upstream"], "b", "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_thinking_stays_with_the_provider_that_signed_it() {
    let thinking = json!({"model": "m", "max_tokens": 5, "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "Eo8BCkYI"}]},
        {"role": "user", "content": "y"},
    ]});
    for (allowed, with_thinking) in [("", 529), ("allow_provider_change = true\n", 200)] {
        let (a, b) = (
            Upstream::always(error(529)).await,
            Upstream::answering().await,
        );
        let group = String::from(
            "[groups.pool]\nmembers = [{ upstream = \"a\" }, { upstream = \"b\" }]\nchoice = \"order\"\n",
        );
        let gate = GatewayBuilder::bare()
            .top("default_upstream = \"pool\"")
            .extra(&table("a", &a.url(), ""))
            .extra(&table("b", &b.url(), "provider = \"another\""))
            .extra(&(group + allowed))
            .start()
            .await;
        assert_eq!(
            gate.ask(&asking(&gate)).await.status,
            200,
            "without thinking anybody may"
        );
        let response = gate.ask(&gate.messages(&thinking)).await;
        assert_eq!(
            response.status,
            with_thinking,
            "{allowed:?}: {}",
            response.text()
        );
        let receipt = gate.receipts().await.pop().unwrap();
        let left_out = receipt["passed_over"]["b"].as_str().unwrap_or_default();
        let is_told = left_out.contains("thinking") && left_out.contains("`another`");
        assert_eq!(is_told, allowed.is_empty(), "{receipt}");
    }
}
