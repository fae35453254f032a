//! Responses.

use serde_json::json;

use super::{MODEL, openai, post};
use crate::harness::{Answer, Ending, Events, Upstream};

const RESPONSES: &str = "/v1/responses";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_is_an_ordinary_exchange_in_between() {
    let usage = json!({"input_tokens": 7, "output_tokens": 3});
    let upstream = Upstream::always(Answer::message(MODEL, "Hello", &usage)).await;
    let gate = openai(&upstream).start().await;
    let body = json!({"model": MODEL, "input": "hi", "instructions": "Be kind."});
    let response = gate.ask(&post(&gate, RESPONSES, &body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let given = response.json();
    assert_eq!(given["object"], "response", "{given}");
    assert_eq!(given["output"][0]["content"][0]["text"], "Hello", "{given}");
    assert_eq!(given["usage"]["total_tokens"], 10, "{given}");
    let asked = upstream.next_request().await.json();
    assert_eq!(asked["system"][0]["text"], "Be kind.", "{asked}");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["dialect"]["path"], RESPONSES, "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_response_has_numbered_events_and_ends_with_all_of_it() {
    let events = Events::begin(MODEL)
        .text(&["Hel", "lo"])
        .tool_use("Read", &["{\"path\":", "\"/a\"}"])
        .end("tool_use");
    let upstream = Upstream::always(Answer::sse(&events).in_pieces_of(50)).await;
    let gate = openai(&upstream).start().await;
    let body = json!({"model": MODEL, "input": "hi", "stream": true});
    let response = gate.ask(&post(&gate, RESPONSES, &body)).await;
    assert_eq!(response.ending, Ending::Complete, "{}", response.text());
    let events = response.events();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event.json()["type"], event.name, "{}", event.data);
        assert_eq!(event.json()["sequence_number"], number, "{}", event.data);
    }
    let last = events.last().expect("events").json();
    assert_eq!(last["type"], "response.completed", "{last}");
    let output = &last["response"]["output"];
    assert_eq!(output[0]["content"][0]["text"], "Hello", "{output}");
    assert_eq!(output[1]["arguments"], "{\"path\":\"/a\"}", "{output}");
}
