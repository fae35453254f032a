//! Holds fit what a request is likely to use, grow with its answer, and end streams where a limit says so.

mod storm;

use serde_json::{Value, json};
use witgate_artifacts::{BUDGET, WARDEN};

use crate::harness::{
    Answer, Ending, Events, GatewayBuilder, Pause, Request, TestGateway, Upstream,
};

/// Pico-USD per output token of Haiku 4.5.
const EACH: u64 = 5_000_000;

/// A gateway whose keys have this limit.
async fn limited(limit: &str, upstream: &Upstream) -> TestGateway {
    let sidecar =
        format!("[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\n{limit}\n");
    GatewayBuilder::shipped()
        .plugin("budget", BUDGET, &sidecar)
        .upstream("default", upstream)
        .start()
        .await
}

fn asking(gate: &TestGateway, max_tokens: u32, stream: bool) -> Request {
    gate.messages(&json!({
        "model": "claude-haiku-4-5", "max_tokens": max_tokens, "stream": stream,
        "messages": [{"role": "user", "content": "Write about nightingales, and at length, please."}],
    }))
}

fn answer(output_tokens: u32) -> Answer {
    let usage = json!({"input_tokens": 10, "output_tokens": output_tokens});
    Answer::message("claude-haiku-4-5", "hi", &usage)
}

/// A stream of so many pieces of a thousand tokens each.
fn long(pieces: usize) -> Events {
    let piece = "abcd".repeat(1000);
    Events::begin("claude-haiku-4-5")
        .text(&vec![piece.as_str(); pieces])
        .end("end_turn")
}

async fn account(gate: &TestGateway) -> Value {
    let budgets = gate.admin("/budgets").await.json();
    budgets["accounts"][0].clone()
}

fn used(account: &Value) -> u64 {
    account["used"].as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_uses_little_may_ask_often_once_that_is_known() {
    let pause = Pause::new();
    let waiting = pause.clone();
    let mut asked = 0;
    let upstream = Upstream::start_with(move |_| {
        asked += 1;
        match asked {
            1..=4 => answer(20),
            _ => answer(20).pause_before_head(&waiting),
        }
    })
    .await;
    // A request that declares so much holds 2 cents at first.
    let gate = limited("usd = \"0.03\"", &upstream).await;
    for settled in 1..=4 {
        let response = gate.ask(&asking(&gate, 32_000, false)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        gate.receipts_when(settled).await;
    }
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = gate.client().await;
        client.send(&asking(&gate, 32_000, false)).await;
        clients.push(client);
    }
    for _ in 0..54 {
        upstream.next_request().await;
    }
    let held = account(&gate).await["held"].as_u64().expect("a number");
    assert!(
        held < 50 * 50 * EACH,
        "each holds what the answers before it have used: {held}"
    );
    pause.resume();
    for client in &mut clients {
        assert_eq!(client.receive().await.status, 200, "it is served");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_outgrows_its_hold_raises_it_before_the_client_gets_more() {
    let pause = Pause::new();
    let events = long(8);
    let upstream = Upstream::always(Answer::sse(&events).pause_at_event(9, &pause)).await;
    let gate = limited("usd = \"1.00\"", &upstream).await;
    let mut client = gate.client().await;
    client.send(&asking(&gate, 32_000, true)).await;
    let mut reply = client.reply().await;
    for _ in 0..9 {
        reply.event().await.expect("an event");
    }
    let held = account(&gate).await["held"].as_u64().expect("a number");
    assert!(
        held >= 7000 * EACH,
        "seven thousand tokens are held: {held}"
    );
    pause.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_long_streams_at_once_end_where_the_limit_cuts_them() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&long(32)).pause_before_head(&pause)).await;
    let gate = limited("usd = \"0.10\"\non_exhausted = \"cut\"", &upstream).await;
    let (mut one, mut other) = (gate.client().await, gate.client().await);
    for client in [&mut one, &mut other] {
        client.send(&asking(&gate, 32_000, true)).await;
        upstream.next_request().await;
    }
    // Both are let in before one of them has spent the limit.
    pause.resume();
    for client in [&mut one, &mut other] {
        let mut reply = client.reply().await;
        let mut last = None;
        while let Some(event) = reply.event().await {
            last = Some(event);
        }
        let last = last.expect("events");
        assert_eq!(last.name, "error", "the stream ends with an error");
        let error = &last.json()["error"];
        assert_eq!(error["type"], "billing_error", "{error}");
        assert_eq!(
            error["message"],
            "The limit of $0.10 in total for this key is reached, so this response ends here.",
            "it says why"
        );
        assert_eq!(
            reply.rest().await.ending,
            Ending::Complete,
            "and the body is whole"
        );
    }
    let receipts = gate.receipts_when(2).await;
    for receipt in &receipts {
        assert_eq!(receipt["outcome"], "cut", "{receipt}");
    }
    let spent = used(&account(&gate).await);
    let limit = 100_000_000_000;
    assert!(
        spent > limit - 2 * 2048 * EACH && spent <= limit + 2 * 1024 * EACH,
        "the limit is used up, and passed by no more than an extension of each: {spent}"
    );
    let late = gate.ask(&asking(&gate, 32_000, true)).await;
    assert_eq!(late.status, 429, "nothing is left: {}", late.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_that_ends_a_stream_stands_behind_a_whole_event_however_it_is_cut() {
    for size in [7, 1000, 5000, 70_000] {
        let upstream = Upstream::always(Answer::sse(&long(16)).in_pieces_of(size)).await;
        let gate = limited("usd = \"0.03\"\non_exhausted = \"cut\"", &upstream).await;
        let response = gate.ask(&asking(&gate, 32_000, true)).await;
        let text = response.text();
        let (before, error) = text.rsplit_once("event: error\n").expect("an error event");
        assert!(
            before.ends_with("\n\n"),
            "pieces of {size}: it is an event of its own"
        );
        assert!(error.contains("billing_error"), "pieces of {size}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_streamed_is_never_cut_and_has_to_fit_whole() {
    let upstream = Upstream::always(answer(20_000)).await;
    let gate = limited("usd = \"0.12\"\non_exhausted = \"cut\"", &upstream).await;
    let refused = gate.ask(&asking(&gate, 32_000, false)).await;
    assert_eq!(
        refused.status,
        429,
        "16 cents might be needed: {}",
        refused.text()
    );
    let whole = gate.ask(&asking(&gate, 20_000, false)).await;
    assert_eq!(whole.status, 200, "10 cents fit: {}", whole.text());
    assert_eq!(
        whole.json()["usage"]["output_tokens"],
        20_000,
        "it is whole"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_thinking_is_left_out_has_to_fit_whole() {
    let upstream = Upstream::always(Answer::sse(&long(2))).await;
    let gate = limited("usd = \"0.12\"\non_exhausted = \"cut\"", &upstream).await;
    let asked = |display: &str| {
        let thinking = json!({"type": "adaptive", "display": display});
        let request = gate.messages(&json!({
            "model": "claude-haiku-4-5", "max_tokens": 32_000, "stream": true, "thinking": thinking, "messages": [],
        }));
        let gate = &gate;
        async move { gate.ask(&request).await.status }
    };
    assert_eq!(asked("omitted").await, 429, "16 cents might be needed");
    assert_eq!(asked("summarized").await, 200, "what is shown can be cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_a_guard_reads_is_cut_behind_a_whole_event_too() {
    for size in [7, 5000, 70_000] {
        let upstream = Upstream::always(Answer::sse(&long(16)).in_pieces_of(size)).await;
        let limit = "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nusd = \"0.03\"\non_exhausted = \"cut\"\n";
        let guard = "[grants]\ncontent = [\"request\", \"response\"]\n[settings]\ncontent = [\"text\"]\nhold = 5\nfind = \"b\"\nreplace = \"x\"\n";
        let gate = GatewayBuilder::shipped()
            .plugin("budget", BUDGET, limit)
            .plugin("warden", WARDEN, guard)
            .upstream("default", &upstream)
            .start()
            .await;
        let response = gate.ask(&asking(&gate, 32_000, true)).await;
        let events = response.events();
        let (last, before) = events.split_last().expect("events");
        assert_eq!(last.name, "error", "pieces of {size}: it is told");
        assert_eq!(last.json()["error"]["type"], "billing_error", "why");
        for event in before {
            assert!(event.json().is_object(), "pieces of {size}: it is whole");
        }
        let gone = gate.receipts_when(1).await.remove(0);
        assert_eq!(gone["outcome"], "cut", "{gone}");
        let spent = used(&account(&gate).await);
        assert!(
            spent <= 30_000_000_000 + 1024 * EACH,
            "pieces of {size}: {spent}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worst_case_lets_in_only_what_fits_at_its_longest() {
    let pause = Pause::new();
    let waiting = pause.clone();
    let mut asked = 0;
    let upstream = Upstream::start_with(move |_| {
        asked += 1;
        match asked {
            1 => answer(30_000).pause_before_head(&waiting),
            _ => answer(10),
        }
    })
    .await;
    let gate = limited("usd = \"0.25\"\nreserve = \"worst-case\"", &upstream).await;
    let mut first = gate.client().await;
    first.send(&asking(&gate, 32_000, false)).await;
    upstream.next_request().await;
    let second = gate.ask(&asking(&gate, 32_000, false)).await;
    assert_eq!(
        second.status,
        429,
        "two times 16 cents do not fit: {}",
        second.text()
    );
    let small = gate.ask(&asking(&gate, 16_000, false)).await;
    assert_eq!(small.status, 200, "8 cents do: {}", small.text());
    pause.resume();
    assert_eq!(first.receive().await.status, 200, "the first one is served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_request_is_finished_where_the_limit_says_so() {
    let upstream = Upstream::always(answer(4000)).await;
    let gate = limited("usd = \"0.03\"\non_exhausted = \"finish\"", &upstream).await;
    let ask = || async { gate.ask(&asking(&gate, 4096, false)).await.status };
    assert_eq!(ask().await, 200, "the first one fits");
    assert_eq!(ask().await, 200, "the second one has a cent, and is served");
    assert_eq!(ask().await, 429, "nothing is left for a third one");
}
