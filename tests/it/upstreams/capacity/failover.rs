//! Targets without room are passed over as by a breaker.

use serde_json::json;
use witgate_artifacts::{BUDGET, ROUTE};

use super::{ask, body, capacity, refused, sharing, wait};
use crate::harness::{Caller, GatewayBuilder, TestGateway, Upstream};
use crate::upstreams::{error, shown, table};

/// A gateway with a group of two upstreams in order, of these capacities.
async fn in_order(upstreams: [(&Upstream, &str); 2]) -> TestGateway {
    let [(a, of_a), (b, of_b)] = upstreams;
    let group = "[groups.both]\nmembers = [{ upstream = \"a\" }, { upstream = \"b\" }]\nchoice = \"order\"\n";
    GatewayBuilder::bare()
        .top("default_upstream = \"both\"")
        .extra(&table("a", &a.url(), ""))
        .extra(&table("b", &b.url(), ""))
        .extra(of_a)
        .extra(of_b)
        .extra(group)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_without_room_is_passed_over_for_the_next_one_of_the_group() {
    let (a, b) = (Upstream::answering().await, Upstream::answering().await);
    let one = capacity("a", "requests_per_minute = 1");
    let gate = in_order([(&a, &one), (&b, "")]).await;
    for round in 0..3 {
        assert_eq!(ask(&gate, "chat", 5).await, 200, "{round}");
    }
    assert_eq!(
        (a.requests().len(), b.requests().len()),
        (1, 2),
        "one has room for one, the other takes the rest"
    );
    let receipts = gate.receipts_when(3).await;
    let last = receipts.last().expect("three");
    assert_eq!(last["outcome"], "answered", "{last}");
    assert_eq!(last["attempts"]["0"]["upstream"], "b", "{last}");
    assert_eq!(last["capacity"]["0"]["upstream"], "a", "{last}");
    let shown = shown(&gate, "a").await;
    assert_eq!(
        (&shown["state"], &shown["last_minute"]["errors"]),
        (&json!("available"), &json!(0)),
        "it counts against nobody: {shown}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn if_no_target_has_room_the_client_is_told_the_shortest_wait() {
    for first_waits_longest in [true, false] {
        let (a, b) = (Upstream::answering().await, Upstream::answering().await);
        let (hour, minute) = ("requests_per_hour = 1", "requests_per_minute = 1");
        let (of_a, of_b) = match first_waits_longest {
            true => (hour, minute),
            false => (minute, hour),
        };
        let (of_a, of_b) = (capacity("a", of_a), capacity("b", of_b));
        let gate = in_order([(&a, &of_a), (&b, &of_b)]).await;
        for _ in 0..2 {
            assert_eq!(ask(&gate, "chat", 5).await, 200, "served");
        }
        let refused = refused(&gate, &gate.messages(&body("chat", 5))).await;
        assert!((1..=61).contains(&wait(&refused)), "{}", wait(&refused));
        assert!(
            refused
                .text()
                .contains("its 1 requests per minute are used"),
            "it is about the one that has room first: {}",
            refused.text()
        );
        let receipts = gate.receipts_when(3).await;
        let told = &receipts[2]["capacity"];
        assert_eq!(
            (&told["0"]["upstream"], &told["1"]["upstream"]),
            (&json!("a"), &json!("b")),
            "both are on the receipt: {told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_attempt_is_followed_by_a_target_with_room() {
    let (a, b) = (
        Upstream::always(error(500)).await,
        Upstream::answering().await,
    );
    let of_b = capacity("b", "requests_per_minute = 1");
    let gate = in_order([(&a, ""), (&b, &of_b)]).await;
    assert_eq!(ask(&gate, "chat", 5).await, 200, "the second one has room");
    let refused = refused(&gate, &gate.messages(&body("chat", 5))).await;
    assert!(
        refused.text().contains("the upstream b"),
        "{}",
        refused.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plan_of_a_plugin_says_which_resource_a_request_is() {
    let upstream = Upstream::answering().await;
    let route = "[[settings.rules]]\nname = \"people\"\nwhen = [{ field = \"user\", is = [\"alice\"] }]\nresource = \"chat\"\n\
        [[settings.resources]]\nname = \"chat\"\ntargets = [{ upstream = \"default\" }]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, route)
        .upstream("default", &upstream)
        .extra(&capacity("default", "requests_per_minute = 4"))
        .extra("[resources.chat]\nceiling_percent = 25\n")
        .start()
        .await;
    let bob = Caller::admit(&gate, "bob", "acme", "").await;
    assert_eq!(ask(&gate, "claude-haiku-4-5", 5).await, 200, "her part");
    let asking = body("claude-haiku-4-5", 5);
    let refused = refused(&gate, &gate.messages(&asking)).await;
    assert!(
        refused.text().contains(
            "the resource `chat` has used its part of the requests per minute, which is 1"
        ),
        "by its name in the plan: {}",
        refused.text()
    );
    let served = gate.ask(&bob.post("/v1/messages", &asking)).await;
    assert_eq!(served.status, 200, "the model alone is another resource");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_returns_its_hold_on_budgets() {
    let upstream = Upstream::answering().await;
    let budget =
        "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nrequests = 40\n";
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, budget)
        .upstream("default", &upstream)
        .extra(&capacity("default", "requests_per_minute = 1"))
        .start()
        .await;
    assert_eq!(ask(&gate, "claude-haiku-4-5", 5).await, 200, "served");
    assert_eq!(ask(&gate, "claude-haiku-4-5", 5).await, 429, "no room");
    let budgets = gate.admin("/budgets").await.json();
    assert_eq!(budgets["open_holds"], 0, "{budgets}");
    let accounts = budgets["accounts"].as_array().expect("accounts");
    let requests = accounts
        .iter()
        .find(|account| account["unit"] == "requests");
    let requests = requests.expect("an account of requests");
    assert_eq!(
        (&requests["used"], &requests["held"]),
        (&json!(1), &json!(0)),
        "only the one that was sent is charged: {budgets}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_important_resource_is_refused_only_when_nothing_is_left() {
    let upstream = Upstream::answering().await;
    let gate = sharing(&upstream, "requests_per_minute = 6").await;
    assert_eq!(ask(&gate, "batch", 5).await, 200, "lent");
    for round in 0..5 {
        assert_eq!(ask(&gate, "chat", 5).await, 200, "{round}: the rest");
    }
    let refused = refused(&gate, &gate.messages(&body("chat", 5))).await;
    assert!(
        refused
            .text()
            .contains("its 6 requests per minute are used"),
        "it gave way to nobody: {}",
        refused.text()
    );
}
