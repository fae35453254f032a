//! Streams under way: pings, early headers, clients that disconnect, and deadlines.

use serde_json::{Value, json};
use witgate_artifacts::ROUTE;

use crate::harness::{
    Answer, Ending, Event, Events, GatewayBuilder, Pause, Reply, Request, TestGateway, Upstream,
    compressed,
};

const MODEL: &str = "claude-haiku-4-5";

fn events() -> Events {
    let usage = json!({"input_tokens": 100, "output_tokens": 1});
    Events::begin_with_usage(MODEL, usage)
        .text(&["one ", "two ", "three "])
        .end("end_turn")
}

fn streaming(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": MODEL, "max_tokens": 50, "messages": [], "stream": true}))
}

async fn gate(upstream: &Upstream, streams: &str) -> TestGateway {
    GatewayBuilder::shipped()
        .upstream("default", upstream)
        .extra(&format!("[streams]\n{streams}\n"))
        .start()
        .await
}

fn is_own_ping(event: &Event) -> bool {
    event.raw == b"event: ping\ndata: {\"type\": \"ping\"}\n\n"
}

/// Reads events until `count` pings of the gateway's own have come.
async fn pings(reply: &mut Reply<'_>, count: usize) {
    let mut seen = 0;
    while seen < count {
        let event = reply.event().await.expect("the stream goes on");
        seen += usize::from(is_own_ping(&event));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_pings_between_events_while_the_upstream_is_silent_and_every_other_byte_as_it_came()
 {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(3, &pause)).await;
    let gate = gate(&upstream, "ping_ms = 20").await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate)).await;
    let mut reply = client.reply().await;
    pings(&mut reply, 3).await;
    pause.resume();
    let response = reply.rest().await;
    assert_eq!(response.ending, Ending::Complete, "a clean end");
    let others: Vec<u8> = response
        .events()
        .into_iter()
        .filter(|event| !is_own_ping(event))
        .flat_map(|event| event.raw)
        .collect();
    assert_eq!(others, events().to_bytes(), "the upstream's bytes");
    assert_eq!(gate.only_receipt().await["outcome"], "answered", "answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_ping_is_put_into_an_event_or_into_a_compressed_stream_or_a_whole_answer() {
    let ticking = Pause::new();
    let clock = Upstream::always(Answer::sse(&events()).pause_at_event(1, &ticking)).await;
    let pause = Pause::new();
    let whole = events().to_bytes();
    let zipped = compressed("gzip", &whole);
    let headers = [
        ("content-type", "text/event-stream"),
        ("content-encoding", "gzip"),
    ];
    let json = Answer::message(MODEL, "hi", &json!({"input_tokens": 1, "output_tokens": 1}));
    let silent = [
        // In the middle of the first event, and of its line.
        (
            Answer::sse(&events()).pause_in_body(9, &pause),
            whole.clone(),
        ),
        (
            Answer::bytes(200, &headers, zipped.clone()).pause_in_body(9, &pause),
            zipped,
        ),
        (json.clone().pause_in_body(9, &pause), json.body().to_vec()),
    ];
    for (answer, expected) in silent {
        let upstream = Upstream::always(answer).await;
        let gate = GatewayBuilder::shipped()
            .upstream("silent", &upstream)
            .upstream("clock", &clock)
            .plugin(
                "route",
                ROUTE,
                "[[settings.resources]]\nname = \"clock\"\ntargets = [{ upstream = \"clock\" }]\n",
            )
            .extra("[streams]\nping_ms = 10\n")
            .start()
            .await;
        let mut client = gate.client().await;
        client.send(&streaming(&gate)).await;
        pause.reached().await;
        // Another stream, at a boundary, tells the time: ten pings are over a hundred milliseconds.
        let mut other = gate.client().await;
        let body = json!({"model": "clock", "max_tokens": 5, "messages": [], "stream": true});
        other.send(&gate.messages(&body)).await;
        pings(&mut other.reply().await, 10).await;
        pause.resume();
        let response = client.receive().await;
        assert_eq!(response.body, expected, "not a byte more");
        pause.rearm();
    }
    ticking.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_for_a_stream_gets_its_head_early_where_the_operator_wants_that() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_before_head(&pause)).await;
    let gate = gate(&upstream, "early_head_after_ms = 10\nping_ms = 10").await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate)).await;
    let mut reply = client.reply().await;
    assert_eq!(reply.status, 200, "the head is there before the upstream's");
    pings(&mut reply, 2).await;
    pause.resume();
    let response = reply.rest().await;
    let others: Vec<u8> = response
        .events()
        .into_iter()
        .filter(|event| !is_own_ping(event))
        .flat_map(|event| event.raw)
        .collect();
    assert_eq!(others, events().to_bytes(), "and then the upstream's bytes");
    assert!(
        response.headers.get("witgate-request-id").is_some(),
        "the head carries the id"
    );
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "answered", "{receipt}");
    let sent = upstream.requests().remove(0);
    assert_eq!(
        sent.headers.get("accept-encoding"),
        Some("identity"),
        "the promised coding is asked for"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_early_head_an_error_comes_as_an_event_and_nothing_else_is_tried() {
    let pause = Pause::new();
    let failing = Answer::error(529, "overloaded_error", "Overloaded").pause_before_head(&pause);
    let upstream = Upstream::always(failing).await;
    let gate = gate(&upstream, "early_head_after_ms = 10\nping_ms = 10").await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate)).await;
    let mut reply = client.reply().await;
    pings(&mut reply, 1).await;
    pause.resume();
    let response = reply.rest().await;
    assert_eq!(response.ending, Ending::Complete, "a clean end");
    let last = response.events().pop().expect("an event");
    assert_eq!(last.name, "error", "{last:?}");
    assert_eq!(last.json()["error"]["type"], "overloaded_error", "{last:?}");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "upstream-error", "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_that_takes_too_long_is_a_504_before_its_head_and_a_cut_with_an_error_event_after_it()
 {
    let upstream = Upstream::always(Answer::never()).await;
    let gate_before = gate(&upstream, "total_timeout_ms = 50").await;
    let response = gate_before.ask(&streaming(&gate_before)).await;
    assert_eq!(response.status, 504, "{}", response.text());
    assert_eq!(
        response.json()["error"]["type"],
        "timeout_error",
        "its type"
    );
    gate_before.only_receipt().await;

    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(3, &pause)).await;
    let gate_after = gate(&upstream, "total_timeout_ms = 300").await;
    let response = gate_after.ask(&streaming(&gate_after)).await;
    assert_eq!(response.ending, Ending::Cut, "it never looks complete");
    let last = response.events().pop().expect("an event");
    assert_eq!(last.json()["error"]["type"], "timeout_error", "{last:?}");
    let receipt = gate_after.only_receipt().await;
    assert_eq!(receipt["outcome"], "cut", "{receipt}");
    assert!(receipt["ending"].is_string(), "says why: {receipt}");
    pause.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_at_any_event_is_accounted_for_to_within_that_event() {
    let whole = events();
    for read in 1..whole.count() {
        let pause = Pause::new();
        let answer = Answer::sse(&whole).pause_at_event(read, &pause);
        let upstream = Upstream::always(answer).await;
        let gate = gate(&upstream, "").await;
        let mut client = gate.client().await;
        client.send(&streaming(&gate)).await;
        let mut reply = client.reply().await;
        for _ in 0..read {
            reply.event().await.expect("an event");
        }
        drop(reply);
        client.close();
        upstream.client_left(0).await;
        let receipt = gate.only_receipt().await;
        assert_eq!(receipt["outcome"], "client-gone", "after {read}: {receipt}");
        assert_eq!(
            receipt["usage"]["input_tokens"], 100,
            "after {read}: the prompt is known: {receipt}"
        );
        let output = receipt["usage"]["output_tokens"].as_u64().unwrap();
        // `message_start`, `content_block_start`, then three deltas of at most two tokens each by estimate.
        let delivered = u64::try_from(read).unwrap().saturating_sub(2).min(3);
        assert!(
            output >= delivered.min(3) && output <= 2 * delivered.max(1),
            "after {read}: {output} tokens for {delivered} deltas: {receipt}"
        );
        pause.resume();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_its_client_is_read_to_its_end_where_the_policy_says_so() {
    let by_plan = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"default\" }]\non_client_gone = \"drain\"\n";
    for (streams, route) in [("on_client_gone = \"drain\"", None), ("", Some(by_plan))] {
        let pause = Pause::new();
        let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(4, &pause)).await;
        let mut builder = GatewayBuilder::shipped()
            .upstream("default", &upstream)
            .extra(&format!("[streams]\nping_ms = 10\n{streams}\n"));
        if let Some(sidecar) = route {
            builder = builder.plugin("route", ROUTE, sidecar);
        }
        let gate = builder.start().await;
        let mut client = gate.client().await;
        client.send(&streaming(&gate)).await;
        let mut reply = client.reply().await;
        for _ in 0..3 {
            reply.event().await.expect("an event");
        }
        drop(reply);
        client.close();
        // Only once the gateway has had time to see that does the rest come.
        for _ in 0..20 {
            gate.admin("/healthz").await;
        }
        pause.resume();
        let receipt = gate.only_receipt().await;
        assert_eq!(receipt["outcome"], "client-gone", "{receipt}");
        assert_eq!(receipt["usage"]["source"], "reported", "{receipt}");
        assert_eq!(receipt["stop_reason"], "end_turn", "{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_its_client_is_not_read_for_ever() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(4, &pause)).await;
    let gate = gate(&upstream, "on_client_gone = \"drain\"\ndrain_ms = 30").await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate)).await;
    client.reply().await.event().await.expect("an event");
    client.close();
    upstream.client_left(0).await;
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "client-gone", "{receipt}");
    assert_eq!(receipt["usage"]["source"], "estimated", "{receipt}");
    pause.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_can_not_wait_any_longer_leaves_a_receipt_of_what_it_cut() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&events()).pause_at_event(3, &pause)).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .top("drain_timeout_ms = 50")
        .start()
        .await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate)).await;
    let mut reply = client.reply().await;
    for _ in 0..3 {
        reply.event().await.expect("an event");
    }
    let (drained, folder) = gate.drain().await;
    assert_eq!(drained.cut, 1, "the stream was cut");
    assert_eq!(reply.rest().await.ending, Ending::Cut, "visibly");
    let text = std::fs::read_to_string(folder.path().join("receipts.jsonl")).unwrap();
    let receipts: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(receipts.len(), 1, "exactly one receipt: {receipts:?}");
    assert_eq!(receipts[0]["outcome"], "abandoned", "{receipts:?}");
    assert_eq!(receipts[0]["usage"]["input_tokens"], 100, "{receipts:?}");
    pause.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_answer_is_held_for_what_it_has_used_while_it_is_on_its_way() {
    let pause = Pause::new();
    // Five thousand tokens, where four thousand are expected at most.
    let text = "word".repeat(1000);
    let long = Events::begin(MODEL)
        .text(&[&text, &text, &text, &text, &text, &text])
        .end("end_turn");
    let upstream = Upstream::always(Answer::sse(&long).pause_at_event(8, &pause)).await;
    let gate = gate(&upstream, "").await;
    let mut client = gate.client().await;
    let body = json!({"model": MODEL, "max_tokens": 100, "messages": [], "stream": true});
    client.send(&gate.messages(&body)).await;
    let mut reply = client.reply().await;
    for _ in 0..8 {
        reply.event().await.expect("an event");
    }
    let budgets = gate.admin("/budgets").await.json();
    let held = budgets["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|account| account["unit"] == "picousd")
        .filter_map(|account| account["held"].as_u64())
        .max()
        .expect("an account in money");
    // Haiku 4.5 is at 5 USD for a million output tokens: 5,000,000 pico-USD a token.
    assert!(
        held >= 6_000 * 5_000_000,
        "six thousand tokens are on their way, {held} pico-USD are held: {budgets}"
    );
    pause.resume();
    reply.rest().await;
    gate.only_receipt().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_is_held_no_longer_and_no_larger_than_the_limits_say() {
    for limit in ["hold_ms = 20", "hold_bytes = 1"] {
        let pause = Pause::new();
        let failing = Events::begin(MODEL).error("overloaded_error", "Overloaded");
        let first = Upstream::always(Answer::sse(&failing).pause_at_event(1, &pause)).await;
        let second = Upstream::answering().await;
        let sidecar = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"first\" }, { upstream = \"second\" }]\n";
        let gate = GatewayBuilder::shipped()
            .plugin("route", ROUTE, sidecar)
            .upstream("first", &first)
            .upstream("second", &second)
            .extra(&format!("[streams]\n{limit}\n"))
            .start()
            .await;
        let mut client = gate.client().await;
        client.send(&streaming(&gate)).await;
        let mut reply = client.reply().await;
        let event = reply.event().await.expect("what was held");
        assert_eq!(event.name, "message_start", "{limit}: it is let go");
        pause.resume();
        let response = reply.rest().await;
        assert_eq!(response.body, failing.to_bytes(), "{limit}: as it came");
        assert!(
            second.requests().is_empty(),
            "{limit}: too late for another"
        );
    }
}
