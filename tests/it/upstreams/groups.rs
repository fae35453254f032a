//! Several upstreams under one name: who of them is asked, and what policies see of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use witgate_artifacts::{ENVELOPE, ROUTE};

use crate::harness::{Answer, GatewayBuilder, Pause, Recorded, Request, TestGateway, Upstream};
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
    let thinking = with_thinking();
    for (allowed, status) in [("", 529), ("allow_provider_change = true\n", 200)] {
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
        assert_eq!(response.status, status, "{allowed:?}: {}", response.text());
        let receipt = gate.receipts().await.pop().unwrap();
        let left_out = receipt["passed_over"]["b"].as_str().unwrap_or_default();
        let is_told = left_out.contains("thinking") && left_out.contains("`another`");
        assert_eq!(is_told, allowed.is_empty(), "{receipt}");
    }
}

fn with_thinking() -> serde_json::Value {
    json!({"model": "m", "max_tokens": 5, "messages": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "Eo8BCkYI"}]},
        {"role": "user", "content": "y"},
    ]})
}

/// Returns an upstream that is overloaded while the flag is set.
async fn overloaded_while(flag: &Arc<AtomicBool>) -> Upstream {
    let flag = Arc::clone(flag);
    let answer = move |_: &Recorded| -> Answer {
        if flag.load(Ordering::SeqCst) {
            error(529)
        } else {
            message()
        }
    };
    Upstream::start_with(answer).await
}

/// Starts a gateway that knows sessions, with two members of different providers.
async fn two_providers(a: &Upstream, b: &Upstream, of_group: &str) -> TestGateway {
    let group = "[groups.pool]\nmembers = [{ upstream = \"a\" }, { upstream = \"b\" }]\nchoice = \"order\"\n";
    GatewayBuilder::bare()
        .plugin("envelope", ENVELOPE, "")
        .top("default_upstream = \"pool\"")
        .extra(&table("a", &a.url(), ""))
        .extra(&table("b", &b.url(), "provider = \"another\""))
        .extra(&format!("{group}{of_group}"))
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_fell_back_stays_with_the_provider_that_signed_its_thinking() {
    let overloaded = Arc::new(AtomicBool::new(true));
    let (a, b) = (
        overloaded_while(&overloaded).await,
        Upstream::answering().await,
    );
    let gate = two_providers(&a, &b, "").await;
    let thinking = with_thinking();
    let ask = |session: &str, agent: &str, body: &serde_json::Value| {
        let request = gate
            .messages(body)
            .header("X-Claude-Code-Session-Id", session)
            .header("X-Claude-Code-Agent-Id", agent);
        let gate = &gate;
        async move { gate.ask(&request).await.status }
    };
    let count = || (a.requests().len(), b.requests().len());
    let begin =
        json!({"model": "m", "max_tokens": 5, "thinking": {"type": "adaptive"}, "messages": []});
    assert_eq!(ask("s", "1", &begin).await, 200, "it falls back");
    assert_eq!(
        count(),
        (1, 1),
        "to the second member, which may have signed"
    );

    overloaded.store(false, Ordering::SeqCst);
    for turn in 1..=2 {
        assert_eq!(ask("s", "1", &thinking).await, 200, "turn {turn}");
        assert_eq!(count(), (1, 1 + turn), "the one that signed answers");
    }
    let receipt = gate.receipts().await.pop().unwrap();
    let left_out = receipt["passed_over"]["a"].as_str().unwrap_or_default();
    assert!(left_out.contains("thinking"), "{receipt}");

    assert_eq!(ask("s", "2", &thinking).await, 200, "another agent");
    assert_eq!(ask("t", "1", &thinking).await, 200, "another session");
    assert_eq!(
        count(),
        (3, 3),
        "thinking of unknown origin is the first member's"
    );

    assert_eq!(ask("s", "1", &begin).await, 200, "nothing signed yet");
    assert_eq!(count(), (4, 3), "the session returns to the first member");
    assert_eq!(
        ask("s", "1", &thinking).await,
        200,
        "whose thinking it has now"
    );
    assert_eq!(count(), (5, 3), "and stays there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helpers_of_a_session_without_thinking_do_not_change_who_signed_it() {
    let overloaded = Arc::new(AtomicBool::new(true));
    let (a, b) = (
        overloaded_while(&overloaded).await,
        Upstream::answering().await,
    );
    let gate = two_providers(&a, &b, "").await;
    let begin =
        json!({"model": "m", "max_tokens": 5, "thinking": {"type": "adaptive"}, "messages": []});
    let helper = json!({"model": "m", "max_tokens": 5, "messages": []});
    let of_session = |request: Request| request.header("X-Claude-Code-Session-Id", "s");
    let begun = gate.ask(&of_session(gate.messages(&begin))).await;
    assert_eq!(begun.status, 200, "it falls back to the second member");

    overloaded.store(false, Ordering::SeqCst);
    let helped = gate.ask(&of_session(gate.messages(&helper))).await;
    assert_eq!(helped.status, 200, "a title");
    let counted = Request {
        target: "/v1/messages/count_tokens".into(),
        ..of_session(gate.messages(&begin))
    };
    assert_eq!(gate.ask(&counted).await.status, 200, "a count");
    assert_eq!((a.requests().len(), b.requests().len()), (3, 1));

    let gone_on = gate.ask(&of_session(gate.messages(&with_thinking()))).await;
    assert_eq!(gone_on.status, 200, "{}", gone_on.text());
    assert_eq!((a.requests().len(), b.requests().len()), (3, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_returns_to_the_first_member_with_thinking_if_the_group_allows_it() {
    let overloaded = Arc::new(AtomicBool::new(true));
    let (a, b) = (
        overloaded_while(&overloaded).await,
        Upstream::answering().await,
    );
    let gate = two_providers(&a, &b, "allow_provider_change = true\n").await;
    let request = gate
        .messages(&with_thinking())
        .header("X-Claude-Code-Session-Id", "s");
    assert_eq!(gate.ask(&request).await.status, 200, "it falls back");
    overloaded.store(false, Ordering::SeqCst);
    assert_eq!(gate.ask(&request).await.status, 200, "and returns");
    assert_eq!((a.requests().len(), b.requests().len()), (2, 1));
}
