//! What a tenant has made at the upstream is its own, and looking that up costs others nothing.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Gate, Organisation, Plan, Upstream};

const STATE: &str = "[state]\ndirectory = \"state\"\n";

async fn gate() -> (Gate, Upstream) {
    let upstream = Upstream::start_with(Organisation::default().script()).await;
    let gate = Plan::shipped()
        .upstream("default", &upstream)
        .extra(STATE)
        .start()
        .await;
    (gate, upstream)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes).expect("memory takes it");
    packed.finish().expect("memory takes it")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_names_a_thing_once_however_often_it_says_so_and_a_thousand_things_at_most() {
    let (gate, upstream) = gate().await;
    for one in [r#""id":"a","#, r#""file_id":"b","#] {
        let many = one.repeat(2_000_000);
        let text = format!(
            r#"{{"model":"m","max_tokens":1,"messages":[],"container":{{{many}"skills":[]}}}}"#
        );
        let request = gate
            .messages(&json!({}))
            .header("content-encoding", "gzip")
            .body(gzip(text.as_bytes()));
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 404, "one thing is one look-up");
    }
    for member in ["container", "files"] {
        let things: Vec<Value> = (0..1_001)
            .map(|at| json!({"file_id": format!("file_{at}")}))
            .collect();
        let text = match member {
            "files" => json!({"model": "m", "max_tokens": 1, "messages": things}).to_string(),
            _ => {
                let ids: String = (0..1_001).map(|at| format!(r#""id":"c{at}","#)).collect();
                format!(
                    r#"{{"model":"m","max_tokens":1,"messages":[],"container":{{{ids}"x":1}}}}"#
                )
            }
        };
        let response = gate.ask(&gate.messages(&json!({})).body(text)).await;
        assert_eq!(response.status, 400, "{member}: {}", response.text());
        assert!(response.text().contains("1000"), "{}", response.text());
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_only_mentions_an_id_makes_it_nobodys() {
    let mentioned = json!([
        {"type": "text", "text": "see", "citations": [{"type": "char_location", "file_id": "file_cited"}]},
        {"type": "mcp_tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x", "file_id": "file_mcp"}]},
        {"type": "web_fetch_tool_result", "tool_use_id": "b", "content": {"type": "web_fetch_result", "file_id": "file_web"}},
        {"type": "mcp_tool_use", "id": "c", "name": "n", "server_name": "s", "input": {}, "file_id": "file_use"},
        {"type": "bash_code_execution_tool_result", "tool_use_id": "d", "content": {"type": "bash_code_execution_result",
            "content": [{"type": "bash_code_execution_output", "file_id": "file_made"}]}}
    ]);
    let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": mentioned,
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
    let upstream = Upstream::always(Answer::json(200, &[], &answer)).await;
    let gate = Plan::shipped()
        .upstream("default", &upstream)
        .extra(STATE)
        .start()
        .await;
    let caller = Caller::first(&gate);
    let plain = json!({"model": "m", "max_tokens": 5, "messages": []});
    assert_eq!(
        gate.ask(&gate.messages(&plain)).await.status,
        200,
        "it is relayed"
    );
    for id in ["file_cited", "file_mcp", "file_web", "file_use"] {
        let response = gate
            .ask(&caller.request("GET", &format!("/v1/files/{id}")))
            .await;
        assert_eq!(response.status, 404, "{id}: {}", response.text());
    }
    let made = gate
        .ask(&caller.request("GET", "/v1/files/file_made"))
        .await;
    assert_eq!(made.status, 200, "what a tool made: {}", made.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_is_for_the_gateways_user_alone_whatever_it_was_before() {
    let (gate, _upstream) = gate().await;
    let folder = gate.file("state");
    let mode = |path: &std::path::Path| {
        let mode = std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode();
        mode & 0o777
    };
    assert_eq!(mode(&folder), 0o700, "the directory");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("it is a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            continue;
        }
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 3, "the database and its companions: {seen}");
}
