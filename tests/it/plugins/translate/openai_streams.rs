//! Streams of chat completions.

use serde_json::Value;

use super::{MODEL, asking, chat, openai, streaming};
use crate::harness::{Answer, Ending, Events, Http2Client, Pause, Response, Upstream};

fn events() -> Events {
    Events::begin(MODEL)
        .thinking(&["hm"])
        .text(&["Hel", "lo 你好"])
        .ping()
        .tool_use("Read", &["{\"path\":", "\"/a\"}"])
        .tool_use("Now", &[])
        .end("tool_use")
}

/// Returns the chunks of a stream, and checks its end.
fn chunks(response: &Response) -> Vec<Value> {
    let mut data: Vec<_> = response
        .events()
        .into_iter()
        .map(|event| event.data)
        .collect();
    data.retain(|data| !data.is_empty());
    assert_eq!(data.pop().as_deref(), Some("[DONE]"), "{}", response.text());
    let parsed = data.iter().map(|data| serde_json::from_str(data));
    parsed.collect::<Result<_, _>>().expect("chunks are JSON")
}

fn content(chunks: &[Value]) -> String {
    let deltas = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["content"]);
    deltas.filter_map(Value::as_str).collect()
}

fn arguments(chunks: &[Value], call: u64) -> String {
    let calls = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]);
    let calls = calls.filter(|it| it["index"] == call);
    calls
        .filter_map(|it| it["function"]["arguments"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_becomes_chunks_however_it_is_cut() {
    for size in [1, 7, 100, 100_000] {
        let upstream = Upstream::always(Answer::sse(&events()).in_pieces_of(size)).await;
        let gate = openai(&upstream).start().await;
        let response = gate.ask(&chat(&gate, &streaming())).await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.ending, Ending::Complete, "pieces of {size}");
        let chunks = chunks(&response);
        assert_eq!(content(&chunks), "Hello 你好", "pieces of {size}");
        assert_eq!(
            arguments(&chunks, 0),
            "{\"path\":\"/a\"}",
            "pieces of {size}"
        );
        assert_eq!(
            arguments(&chunks, 1),
            "{}",
            "no arguments are an empty object"
        );
        let usage = &chunks.last().expect("chunks")["usage"];
        assert_eq!(usage["prompt_tokens"], 25, "{usage}");
        let reasons = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
        assert_eq!(reasons.collect::<Vec<_>>(), ["tool_calls"], "one reason");
        let receipt = gate.only_receipt().await;
        assert_eq!(receipt["outcome"], "answered", "{receipt}");
        assert!(
            receipt["usage"]["output_tokens"].as_u64() > Some(0),
            "{receipt}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_leave_as_they_come() {
    let pause = Pause::new();
    let events = Events::begin(MODEL).text(&["one", "two"]).end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events).pause_at_event(3, &pause)).await;
    let gate = openai(&upstream).start().await;
    let mut client = gate.client().await;
    client.send(&chat(&gate, &streaming())).await;
    let mut reply = client.reply().await;
    let first = reply.event().await.expect("the role");
    assert_eq!(
        first.json()["choices"][0]["delta"]["role"],
        "assistant",
        "{}",
        first.data
    );
    let second = reply
        .event()
        .await
        .expect("a text, before the rest has come");
    assert_eq!(
        second.json()["choices"][0]["delta"]["content"],
        "one",
        "{}",
        second.data
    );
    pause.resume();
    let rest = reply.rest().await;
    assert_eq!(rest.ending, Ending::Complete, "{}", rest.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_in_the_middle_is_told_in_the_clients_shape() {
    let events = Events::begin(MODEL)
        .text(&["some words"])
        .error("overloaded_error", "Overloaded");
    let upstream = Upstream::always(Answer::sse(&events)).await;
    let gate = openai(&upstream).start().await;
    let response = gate.ask(&chat(&gate, &streaming())).await;
    let last = response.events().pop().expect("events");
    assert_eq!(
        last.json()["error"]["code"],
        "overloaded_error",
        "{}",
        response.text()
    );
    assert!(!response.text().contains("[DONE]"), "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_before_the_stream_is_an_ordinary_answer() {
    let upstream = Upstream::always(Answer::error(400, "invalid_request_error", "No.")).await;
    let gate = openai(&upstream).start().await;
    let response = gate.ask(&chat(&gate, &streaming())).await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(
        response.json()["error"]["message"],
        "No.",
        "{}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_over_http_2_has_its_end() {
    let upstream = Upstream::always(Answer::sse(&events())).await;
    let gate = openai(&upstream).listen("h2c = true").start().await;
    let mut client = Http2Client::connect(gate.address()).await;
    let response = client
        .ask(&chat(&gate, &streaming()))
        .await
        .expect("a clean end");
    assert!(
        response.text().ends_with("data: [DONE]\n\n"),
        "{}",
        response.text()
    );
    let whole = client.ask(&chat(&gate, &asking("hi"))).await;
    assert!(whole.is_ok(), "the connection goes on: {whole:?}");
}
