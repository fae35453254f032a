//! Streams under a guard.

use serde_json::Value;
use witgate_artifacts::WARDEN;

use super::{MODEL, REPLACING, builder, guarded, sidecar, streaming};
use crate::harness::{Answer, Ending, Event, Events, Pause, Response, Upstream, compressed};

const QUIET: &str = "content = [\"text\"]\nhold = 5\nstop = \"SECRET\"\nquietly = true\n";
const LOUD: &str = "content = [\"text\"]\nhold = 5\nstop = \"SECRET\"\n";

fn split() -> Events {
    Events::begin(MODEL)
        .text(&["my S", "ECR", "ET is ", "é🎉", " out"])
        .end("end_turn")
}

fn clean() -> Events {
    Events::begin(MODEL)
        .thinking(&["let me", " see 你好"])
        .text(&["S", "E", "C", "é🎉\n\"quoted\" ", "the SECOND"])
        .ping()
        .tool_use("Bash", &["{\"command\":", " \"ls\"}"])
        .end("tool_use")
}

/// The text of all deltas of a member.
fn told(response: &Response, member: &str) -> String {
    let deltas = response.events().into_iter().filter_map(|event| {
        let text = event.json()["delta"][member].as_str()?.to_owned();
        Some(text)
    });
    deltas.collect()
}

fn of_name(response: &Response, name: &str) -> Vec<Value> {
    let events = response.events().into_iter();
    events
        .filter(|event| event.name == name)
        .map(|event| event.json())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_that_comes_in_pieces_is_replaced_and_the_stream_stays_whole() {
    for size in [1, 7, 100, 100_000] {
        let upstream = Upstream::always(Answer::sse(&split()).in_pieces_of(size)).await;
        let gate = guarded(&upstream, REPLACING).await;
        let response = gate.ask(&streaming(&gate)).await;
        assert_eq!(
            told(&response, "text"),
            "my [x] is é🎉 out",
            "pieces of {size}"
        );
        assert_eq!(response.ending, Ending::Complete, "a clean end");
        let names = |events: Vec<Event>| -> Vec<String> {
            let others = events.into_iter().map(|event| event.name);
            others
                .filter(|name| name != "content_block_delta")
                .collect()
        };
        let sent = [
            "message_start",
            "content_block_start",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ];
        assert_eq!(names(response.events()), sent, "in order");
        let receipt = gate.only_receipt().await;
        assert_eq!(receipt["outcome"], "answered", "{receipt}");
        assert_eq!(
            receipt["usage"]["output_tokens"], 5,
            "as the upstream counted"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_in_which_nothing_is_changed_leaves_byte_for_byte() {
    for size in [1, 2, 3, 50, 100_000] {
        let upstream = Upstream::always(Answer::sse(&clean()).in_pieces_of(size)).await;
        let gate = guarded(&upstream, REPLACING).await;
        let response = gate.ask(&streaming(&gate)).await;
        let ping = b"event: ping\ndata: {\"type\":\"ping\"}\n\n".to_vec();
        let without_pings = |bytes: &[u8]| -> Vec<Vec<u8>> {
            let response = Response {
                body: bytes.to_vec(),
                ..response.clone()
            };
            let raw = response.events().into_iter().map(|event| event.raw);
            raw.filter(|raw| *raw != ping).collect()
        };
        assert_eq!(
            without_pings(&response.body),
            without_pings(&clean().to_bytes()),
            "pieces of {size}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_held_back_leaves_at_once_and_pings_overtake_what_is() {
    let pause = Pause::new();
    let events = Events::begin(MODEL)
        .text(&["plain. done.", "a SECR"])
        .ping()
        .end("end_turn");
    // Paused behind the ping that follows the block's stop.
    let answer = Answer::sse(&events).pause_at_event(3, &pause);
    let upstream = Upstream::always(answer).await;
    let settings = REPLACING.replace("hold = 5", "hold = 0");
    let gate = guarded(&upstream, &settings).await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate)).await;
    let mut reply = client.reply().await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.extend(reply.event().await.expect("it is there").raw);
    }
    assert_eq!(
        seen,
        events.frames()[..3].concat(),
        "before the upstream goes on"
    );
    pause.resume();
    assert_eq!(reply.rest().await.body, events.to_bytes(), "all of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_while_a_guard_holds_back_gives_the_client_what_was_held() {
    let upstream = Upstream::always(Answer::sse(&split()).stop_at_event(3)).await;
    let gate = guarded(&upstream, REPLACING).await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(told(&response, "text"), "my S", "all of it");
    assert_eq!(response.ending, Ending::Cut, "and then the cut");
    assert_eq!(gate.only_receipt().await["outcome"], "cut", "as ever");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_a_guard_holds_back_ends_the_exchange() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&split()).pause_at_event(3, &pause)).await;
    let gate = builder(&upstream, REPLACING)
        .extra("[streams]\non_client_gone = \"stop\"\n")
        .start()
        .await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate)).await;
    let mut reply = client.reply().await;
    reply.event().await.expect("the stream begins");
    pause.reached().await;
    client.close();
    upstream.client_left(0).await;
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "client-gone", "{receipt}");
    pause.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_end_looks_like_a_refusal_of_the_model() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&split()).pause_at_event(6, &pause)).await;
    let gate = guarded(&upstream, QUIET).await;
    let mut client = gate.client().await;
    let response = client.ask(&streaming(&gate)).await;
    assert_eq!(told(&response, "text"), "my", "nothing of the word");
    assert_eq!(response.ending, Ending::Complete, "a clean end");
    let end = &of_name(&response, "message_delta")[0];
    assert_eq!(end["delta"]["stop_reason"], "refusal", "{end}");
    assert_eq!(
        end["delta"]["stop_details"]["explanation"], "not in this house",
        "{end}"
    );
    assert_eq!(
        of_name(&response, "content_block_stop").len(),
        1,
        "the block is closed"
    );
    assert_eq!(
        of_name(&response, "message_stop").len(),
        1,
        "and the message"
    );
    upstream.client_left(0).await;
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "refused", "{receipt}");
    assert_eq!(receipt["status"], 200, "{receipt}");
    assert_eq!(receipt["refusal"]["hook"], "guard", "{receipt}");
    assert_eq!(
        receipt["guards"]["warden"]["stopped"], "warden",
        "{receipt}"
    );
    assert_eq!(
        receipt["usage"]["input_tokens"], 25,
        "what is known is charged: {receipt}"
    );
    pause.resume();
    // The connection goes on.
    let again = client.ask(&streaming(&gate)).await;
    assert_eq!(again.status, 200, "{}", again.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loud_end_is_an_error_event() {
    let upstream = Upstream::always(Answer::sse(&split())).await;
    let gate = guarded(&upstream, LOUD).await;
    let response = gate.ask(&streaming(&gate)).await;
    let error = &of_name(&response, "error")[0]["error"];
    assert_eq!(error["type"], "policy_blocked", "{error}");
    assert_eq!(error["message"], "not in this house", "{error}");
    assert_eq!(
        of_name(&response, "message_stop").len(),
        0,
        "nothing after it"
    );
    assert_eq!(told(&response, "text"), "my", "nothing of the word");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "refused", "{receipt}");
    assert_eq!(receipt["refusal"]["type"], "policy_blocked", "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_is_asked_not_to_compress_and_what_it_compresses_is_delivered_decoded() {
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let zipped = compressed(coding, &split().to_bytes());
        let headers = [
            ("content-type", "text/event-stream"),
            ("content-encoding", coding),
        ];
        let upstream = Upstream::always(Answer::bytes(200, &headers, zipped).in_pieces_of(5)).await;
        let gate = guarded(&upstream, REPLACING).await;
        let request = streaming(&gate).header("Accept-Encoding", "gzip, br");
        let response = gate.ask(&request).await;
        let asked = upstream.requests().pop().unwrap();
        assert_eq!(
            asked.headers.get("accept-encoding"),
            Some("identity"),
            "asked"
        );
        assert_eq!(response.headers.get("content-encoding"), None, "{coding}");
        assert_eq!(told(&response, "text"), "my [x] is é🎉 out", "{coding}");
        let receipt = gate.only_receipt().await;
        assert_eq!(receipt["usage"]["source"], "reported", "metered: {receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_thinking_loses_its_signature_and_other_thinking_keeps_it() {
    for (thought, kept) in [("a SECRET plan", 0), ("a plan", 1)] {
        let events = Events::begin(MODEL)
            .thinking(&[thought])
            .text(&["hi"])
            .end("end_turn");
        let upstream = Upstream::always(Answer::sse(&events)).await;
        let gate = guarded(&upstream, REPLACING).await;
        let response = gate.ask(&streaming(&gate)).await;
        let signatures = response.text().matches("signature_delta").count();
        assert_eq!(signatures, kept, "{thought}: {}", response.text());
        let wanted = thought.replace("SECRET", "[x]");
        assert_eq!(told(&response, "thinking"), wanted, "the thinking");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_guard_reads_what_those_before_it_leave() {
    let upstream = Upstream::always(Answer::sse(&split())).await;
    let first = format!("order = 1\n{}", sidecar(REPLACING));
    let second = "content = [\"text\"]\nhold = 3\nfind = \"my [x]\"\nreplace = \"yours\"\n";
    let gate = crate::harness::GatewayBuilder::bare()
        .plugin("first", WARDEN, &first)
        .plugin("second", WARDEN, &format!("order = 2\n{}", sidecar(second)))
        .upstream("default", &upstream)
        .start()
        .await;
    let response = gate.ask(&streaming(&gate)).await;
    assert_eq!(told(&response, "text"), "yours is é🎉 out", "by both");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["guards"]["first"]["changed"], 1, "{receipt}");
    assert_eq!(receipt["guards"]["second"]["changed"], 1, "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_does_not_read_answers_leaves_them_to_the_client_and_the_upstream() {
    let zipped = compressed("gzip", &split().to_bytes());
    let headers = [
        ("content-type", "text/event-stream"),
        ("content-encoding", "gzip"),
    ];
    let upstream = Upstream::always(Answer::bytes(200, &headers, zipped.clone())).await;
    let gate = guarded(&upstream, "content = [\"user\"]\nfind = \"SECRET\"\n").await;
    let response = gate
        .ask(&streaming(&gate).header("Accept-Encoding", "gzip"))
        .await;
    assert_eq!(response.body, zipped, "as it came");
    let asked = upstream.requests().pop().unwrap();
    assert_eq!(
        asked.headers.get("accept-encoding"),
        Some("gzip"),
        "as asked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_head_is_followed_by_what_the_guards_leave() {
    let pause = Pause::new();
    let upstream = Upstream::always(Answer::sse(&split()).pause_before_head(&pause)).await;
    let gate = builder(&upstream, REPLACING)
        .extra("[streams]\nearly_head_after_ms = 10\nping_ms = 10\n")
        .start()
        .await;
    let mut client = gate.client().await;
    client.send(&streaming(&gate)).await;
    let reply = client.reply().await;
    assert_eq!(reply.status, 200, "the head is there before the upstream's");
    pause.resume();
    assert_eq!(
        told(&reply.rest().await, "text"),
        "my [x] is é🎉 out",
        "guarded"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_does_not_end_is_an_error() {
    let begun = Events::begin(MODEL).to_bytes();
    let endless = [begun.as_slice(), b"event: x\ndata: ", &vec![b'a'; 33 << 20]].concat();
    let headers = [("content-type", "text/event-stream")];
    let upstream = Upstream::always(Answer::chunked(&headers, endless)).await;
    let gate = guarded(&upstream, REPLACING).await;
    let response = gate.ask(&streaming(&gate)).await;
    assert!(response.body.starts_with(&begun), "what came before it");
    let error = of_name(&response, "error");
    assert_eq!(error[0]["error"]["type"], "api_error", "{error:?}");
    assert_eq!(
        gate.only_receipt().await["outcome"],
        "refused",
        "by the gateway"
    );
}
