//! Plugins that fail at a translation.

use serde_json::json;

use super::{MODEL, asking, hostile, post};
use crate::harness::{Answer, Events, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_has_no_translation_is_refused_in_the_clients_dialect() {
    let upstream = Upstream::answering().await;
    for behaviour in ["trap", "loop", "nonsense", "empty-plan", "huge-string"] {
        let gate = hostile(&upstream, "").await;
        let request =
            post(&gate, "/x", &asking("hi")).header("x-hostile", &format!("translate:{behaviour}"));
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 503, "{behaviour}: {}", response.text());
        let text = response.text();
        assert!(
            text.starts_with("[{") && text.contains("hostile"),
            "{behaviour}: {text}"
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_has_no_translation_is_an_error_and_is_paid_for() {
    let usage = json!({"input_tokens": 7, "output_tokens": 3});
    let upstream = Upstream::always(Answer::message(MODEL, "Hello", &usage)).await;
    let gate = hostile(&upstream, "answer = \"huge-string\"").await;
    let response = gate.ask(&post(&gate, "/x", &asking("hi"))).await;
    assert_eq!(response.status, 503, "{}", response.text());
    let text = response.text();
    assert!(
        text.starts_with("[{") && text.contains("hostile"),
        "the error has a translation: {text}"
    );
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["usage"]["output_tokens"], 3, "{receipt}");
    let failure = receipt["dialect"]["failure"].as_str().unwrap_or_default();
    assert!(failure.contains("hostile"), "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_an_error_where_an_event_has_no_translation() {
    let events = Events::begin(MODEL)
        .text(&["some", "words"])
        .end("end_turn");
    for behaviour in ["huge-string", "huge"] {
        let upstream = Upstream::always(Answer::sse(&events)).await;
        let gate = hostile(&upstream, &format!("event = \"{behaviour}\"")).await;
        let mut body = asking("hi");
        body["stream"] = json!(true);
        let response = gate.ask(&post(&gate, "/x", &body)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let last = response.events().pop().expect("an event");
        assert_eq!(
            last.json()["type"],
            "error",
            "{behaviour}: {}",
            response.text()
        );
        let receipt = gate.only_receipt().await;
        assert!(receipt["dialect"]["failure"].is_string(), "{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_exchange_share_notes_and_others_have_their_own() {
    let events = Events::begin(MODEL).text(&["a"]).end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events)).await;
    let gate = hostile(&upstream, "").await;
    let mut body = asking("hi");
    body["stream"] = json!(true);
    for _ in 0..2 {
        let response = gate.ask(&post(&gate, "/x", &body)).await;
        let events = response.events().into_iter();
        let counts =
            events.map(|event| event.data.split(' ').next().unwrap_or_default().to_owned());
        let counts: Vec<_> = counts.collect();
        let expected: Vec<_> = (1..=counts.len()).map(|count| count.to_string()).collect();
        assert_eq!(counts, expected, "{}", response.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_an_excepted_header_is_nobodys() {
    let upstream = Upstream::answering().await;
    let gate = hostile(&upstream, "").await;
    let request = post(&gate, "/x", &asking("hi")).header("x-not-claimed", "1");
    let response = gate.ask(&request).await;
    assert_eq!(response.status, 404, "{}", response.text());
    let removed = post(&gate, "/x", &asking("hi"))
        .header("x-private-a", "1")
        .header("x-public", "1");
    gate.ask(&removed).await;
    let asked = upstream.next_request().await;
    assert_eq!(asked.headers.get("x-private-a"), None, "removed");
    assert_eq!(asked.headers.get("x-public"), Some("1"), "kept");
}
