//! Results of a batch under a guard.

use serde_json::{Value, json};

use super::{MODEL, REPLACING, body, builder};
use crate::harness::{Answer, Ending, Request, Response, TestGateway, Upstream, compressed};

const PATH: &str = "/v1/messages/batches";

fn line(id: &str, text: &str) -> Value {
    let message = json!({"id": "msg_01", "type": "message", "role": "assistant", "model": MODEL,
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 9}});
    json!({"custom_id": id, "result": {"type": "succeeded", "message": message}})
}

/// An upstream with a batch of these results.
async fn upstream(lines: Vec<String>, coding: Option<&'static str>) -> Upstream {
    Upstream::start_with(move |request| {
        if request.method() == "POST" {
            let batch = json!({"id": "msgbatch_01", "type": "message_batch", "processing_status": "in_progress"});
            return Answer::json(200, &[], &batch);
        }
        let plain = lines.concat().into_bytes();
        match coding {
            None => Answer::chunked(&[("content-type", "application/x-jsonl")], plain).in_pieces_of(7),
            Some(coding) => {
                let headers = [("content-type", "application/x-jsonl"), ("content-encoding", coding)];
                Answer::bytes(200, &headers, compressed(coding, &plain))
            }
        }
    })
    .await
}

/// Creates the batch, and reads its results.
async fn results(gate: &TestGateway) -> Response {
    let to = |method: &str, path: &str| {
        gate.keyed(Request::new(method, path))
            .header("Host", "gateway.test")
    };
    let batch = json!({"requests": [{"custom_id": "a", "params": body("hi")}]});
    let made = gate.ask(&to("POST", PATH).body(batch.to_string())).await;
    assert_eq!(made.status, 200, "{}", made.text());
    gate.ask(&to("GET", &format!("{PATH}/msgbatch_01/results")))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_result_is_read_and_those_that_nobody_changes_stay_as_they_came() {
    let errored =
        json!({"custom_id": "c", "result": {"type": "errored", "error": {"message": "SECRET"}}});
    let lines =
        [line("a", "my SECRET"), line("b", "fine"), errored].map(|line| format!("{line}\n"));
    let wanted = lines.concat().replacen("my SECRET", "my [x]", 1);
    for coding in [None, Some("gzip")] {
        let upstream = upstream(lines.to_vec(), coding).await;
        let gate = builder(&upstream, REPLACING)
            .extra("[state]\ndirectory = \"state\"\n")
            .start()
            .await;
        let response = results(&gate).await;
        assert_eq!(response.text(), wanted, "{coding:?}");
        assert_eq!(response.ending, Ending::Complete, "{coding:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_a_guard_stops_is_an_error_of_that_request_alone() {
    let lines = [line("a", "my SECRET"), line("b", "fine")].map(|line| format!("{line}\n"));
    let upstream = upstream(lines.to_vec(), None).await;
    let settings = "content = [\"text\"]\nstop = \"SECRET\"\n";
    let gate = builder(&upstream, settings)
        .extra("[state]\ndirectory = \"state\"\n")
        .start()
        .await;
    let response = results(&gate).await;
    let (first, rest) = response.text().split_once('\n').expect("two lines");
    let first: Value = serde_json::from_str(first).expect("JSON");
    assert_eq!(first["custom_id"], "a", "{first}");
    assert_eq!(first["result"]["type"], "errored", "{first}");
    assert_eq!(
        first["result"]["error"]["error"]["type"], "policy_blocked",
        "{first}"
    );
    assert_eq!(rest, lines[1], "the other as it came");
    let receipts = gate.receipts_when(2).await;
    assert_eq!(
        receipts[1]["guards"]["warden"]["stopped"], "warden",
        "{receipts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_are_asked_about_the_end_of_each_answer_in_the_results() {
    let errored = json!({"custom_id": "c", "result": {"type": "errored"}});
    let lines = [line("a", "one"), line("b", "two"), errored].map(|line| format!("{line}\n"));
    let upstream = upstream(lines.to_vec(), None).await;
    let gate = builder(&upstream, "content = [\"end\"]\n")
        .extra("[state]\ndirectory = \"state\"\n")
        .start()
        .await;
    let response = results(&gate).await;
    assert_eq!(response.text(), lines.concat(), "as they came");
    let receipts = gate.receipts_when(2).await;
    assert_eq!(
        receipts[1]["guards"]["warden"]["pieces"], 2,
        "once for each answer, and an error is none: {receipts:?}"
    );
}
