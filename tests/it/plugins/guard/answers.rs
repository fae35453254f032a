//! Whole answers under a guard.

use serde_json::json;

use super::{MODEL, REPLACING, asking, guarded};
use crate::harness::{Answer, Upstream, compressed};

fn answer(text: &str) -> String {
    let escaped = text.replace('é', "\\u00e9");
    format!(
        "{{ \"id\":\"msg_01\",\"type\":\"message\", \"role\":\"assistant\",\"model\":\"{MODEL}\",\"content\":[{{\"text\":\"{escaped}\",\"type\":\"text\"}},\
         {{\"type\":\"tool_use\",\"id\":\"SECRET\",\"name\":\"Bash\",\"input\":{{\"command\": \"echo {escaped}\"}}}}],\
         \"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{{\"input_tokens\":3,\"output_tokens\":9}} }}\n"
    )
}

fn json_of(headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let all = [&[("content-type", "application/json")], headers].concat();
    Answer::bytes(200, &all, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_of_an_answer_is_changed_and_every_other_byte_stays() {
    for (text, wanted) in [
        (
            "my SECRET é",
            answer("my [x] é").replacen("\\u00e9", "é", 1),
        ),
        ("nothing é", answer("nothing é")),
    ] {
        let upstream = Upstream::always(json_of(&[], answer(text))).await;
        let gate = guarded(&upstream, REPLACING).await;
        let response = gate.ask(&asking(&gate, "hi")).await;
        assert_eq!(response.text(), wanted, "{text}");
        let length = wanted.len().to_string();
        assert_eq!(
            response.headers.get("content-length"),
            Some(&*length),
            "its length"
        );
        let receipt = gate.only_receipt().await;
        assert_eq!(receipt["usage"]["output_tokens"], 9, "metered: {receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_answer_leaves_in_its_coding_unless_it_is_changed() {
    for coding in ["gzip", "br", "zstd"] {
        for (text, changed) in [("nothing", false), ("my SECRET", true)] {
            let zipped = compressed(coding, answer(text).as_bytes());
            let headers = [("content-encoding", coding)];
            let upstream = Upstream::always(json_of(&headers, zipped.clone())).await;
            let gate = guarded(&upstream, REPLACING).await;
            let response = gate.ask(&asking(&gate, "hi")).await;
            let got = response.headers.get("content-encoding");
            if changed {
                assert_eq!(response.text(), answer("my [x]"), "{coding}: decoded");
                assert_eq!(got, None, "and not said to be compressed");
            } else {
                assert_eq!(
                    (response.body.clone(), got),
                    (zipped, Some(coding)),
                    "as it came"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_a_guard_stops_is_an_error_or_an_honest_end() {
    let settings = "content = [\"text\"]\nstop = \"SECRET\"\n";
    let upstream = Upstream::always(json_of(&[], answer("my SECRET"))).await;
    let gate = guarded(&upstream, settings).await;
    let response = gate.ask(&asking(&gate, "hi")).await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(
        response.json()["error"]["type"],
        "policy_blocked",
        "an error"
    );
    assert_eq!(
        response.headers.get("x-should-retry"),
        Some("false"),
        "no retry"
    );
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "refused", "{receipt}");
    assert_eq!(
        receipt["usage"]["output_tokens"], 9,
        "it was not free: {receipt}"
    );

    let gate = guarded(&upstream, &format!("{settings}quietly = true\n")).await;
    let response = gate.ask(&asking(&gate, "hi")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let message = response.json();
    assert_eq!(message["content"], json!([]), "{message}");
    assert_eq!(message["stop_reason"], "refusal", "{message}");
    assert_eq!(
        message["stop_details"]["explanation"], "not in this house",
        "{message}"
    );
    assert_eq!(message["usage"]["output_tokens"], 9, "{message}");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "refused", "{receipt}");
    assert_eq!(receipt["status"], 200, "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_upstream_passes_unread() {
    let error = Answer::error(400, "invalid_request_error", "SECRET is too long");
    let upstream = Upstream::always(error.clone()).await;
    let gate = guarded(&upstream, REPLACING).await;
    let response = gate.ask(&asking(&gate, "hi")).await;
    assert_eq!(response.body, error.body(), "clients read its words");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_answer_is_read_to_its_end_and_one_that_breaks_off_is_a_502() {
    let text = "a ".repeat(200_000) + "SECRET";
    let upstream = Upstream::always(json_of(&[], answer(&text))).await;
    let gate = guarded(&upstream, REPLACING).await;
    let response = gate.ask(&asking(&gate, "hi")).await;
    let wanted = answer(&text.replace("SECRET", "[x]"));
    assert!(response.body == wanted.as_bytes(), "all of it");

    let upstream = Upstream::always(json_of(&[], answer(&text)).stop_in_body(1000)).await;
    let gate = guarded(&upstream, REPLACING).await;
    let response = gate.ask(&asking(&gate, "hi")).await;
    assert_eq!(response.status, 502, "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_of_a_tool_stays_json_whatever_a_guard_makes_of_it() {
    let settings = "content = [\"tool-input\"]\nfind = \"{\"\nreplace = \"<\"\n";
    let upstream = Upstream::always(json_of(&[], answer("hi"))).await;
    let gate = guarded(&upstream, settings).await;
    let response = gate.ask(&asking(&gate, "hi")).await;
    let input = &response.json()["content"][1]["input"];
    assert_eq!(input, "<\"command\": \"echo hi\"}", "as a string");
}
