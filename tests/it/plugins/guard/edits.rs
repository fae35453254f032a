//! Texts that other plugins add to a request by edits, under a guard.

use serde_json::{Value, json};
use witgate_artifacts::HOSTILE;

use super::{REPLACING, asking, body, builder};
use crate::harness::{Answer, Request, TestGateway, Upstream};

const STOPPING: &str = "content = [\"system\", \"user\"]\nstop = \"SECRET\"\n";

/// A guarded gateway with a plugin that edits requests.
async fn edited(upstream: &Upstream, guard: &str, editor: &str) -> TestGateway {
    builder(upstream, guard)
        .plugin("editor", HOSTILE, &format!("[settings]\n{editor}"))
        .extra("[state]\ndirectory = \"state\"\n")
        .start()
        .await
}

/// An upstream that makes batches.
async fn batches() -> Upstream {
    let batch =
        json!({"id": "msgbatch_01", "type": "message_batch", "processing_status": "in_progress"});
    Upstream::always(Answer::json(200, &[], &batch)).await
}

fn batch(gate: &TestGateway) -> Request {
    let request = |id: &str, system: &str| {
        let mut params = body("a SECRET");
        params["system"] = json!(system);
        json!({"custom_id": id, "params": params})
    };
    let batch = json!({"requests": [request("a", "old"), request("b", "FORBIDDEN")]});
    gate.keyed(Request::new("POST", "/v1/messages/batches"))
        .header("Host", "gateway.test")
        .body(batch.to_string())
}

fn sent(upstream: &Upstream) -> Value {
    let sent = upstream.requests().pop().expect("it was forwarded");
    serde_json::from_slice(&sent.body).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_a_target_adds_is_read_before_it_leaves() {
    let upstream = Upstream::answering().await;
    let planner = "targets = [\"default\"]\n[settings.target_edits.default]\n\
                   system = '\"be SECRETive\"'\n\"+messages\" = '{\"role\":\"user\",\"content\":\"my SECRET\"}'\n\
                   metadata = '{\"user_id\":\"SECRET\"}'\n";
    let gate = edited(&upstream, REPLACING, planner).await;
    let response = gate.ask(&asking(&gate, "a SECRET")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let sent = sent(&upstream);
    assert_eq!(sent["system"], "be [x]ive", "a member that is set: {sent}");
    let said = ["a [x]", "my [x]"].map(|said| json!({"role": "user", "content": said}));
    assert_eq!(sent["messages"], json!(said), "and one that is added");
    assert_eq!(sent["metadata"]["user_id"], "SECRET", "which is no text");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["guards"]["warden"]["changed"], 3, "{receipt}");

    let gate = edited(&upstream, STOPPING, planner).await;
    let response = gate.ask(&asking(&gate, "fine")).await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(upstream.requests().len(), 1, "nothing more was sent");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["refusal"]["plugin"], "warden", "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_an_edit_adds_to_the_requests_of_a_batch_is_read_before_it_leaves() {
    let guard = format!("{REPLACING}stop = \"FORBIDDEN\"\n");
    for editor in [
        "[settings.edits]\nsystem = '\"be SECRETive\"'\n",
        "targets = [\"default\"]\n[settings.edits]\nsystem = '\"\"'\n\
         [settings.target_edits.default]\nsystem = '\"be SECRETive\"'\n",
    ] {
        let upstream = batches().await;
        let gate = edited(&upstream, &guard, editor).await;
        let response = gate.ask(&batch(&gate)).await;
        // The forbidden text is not sent.
        assert_eq!(response.status, 200, "{editor}: {}", response.text());
        let sent = sent(&upstream);
        for request in sent["requests"].as_array().expect("a list") {
            let params = &request["params"];
            assert_eq!(params["system"], "be [x]ive", "{editor}: {sent}");
            assert_eq!(
                params["messages"][0]["content"], "a [x]",
                "{editor}: {sent}"
            );
        }
    }
    let upstream = batches().await;
    let stopping = "content = [\"system\"]\nstop = \"SECRET\"\n";
    let gate = edited(
        &upstream,
        stopping,
        "[settings.edits]\nsystem = '\"be SECRETive\"'\n",
    )
    .await;
    let response = gate.ask(&batch(&gate)).await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert!(upstream.requests().is_empty(), "nothing was sent");
}
