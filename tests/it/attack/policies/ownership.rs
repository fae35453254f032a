//! Ownership under attack: a tenant's files, batches and skills stay its own, and looking them up costs others nothing.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{
    Answer, Caller, FakeOrganization, GatewayBuilder, TestGateway, Upstream, compressed,
};

const STATE: &str = "[state]\ndirectory = \"state\"\n";

async fn gate() -> (TestGateway, Upstream) {
    let upstream = FakeOrganization::default().start().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra(STATE)
        .start()
        .await;
    (gate, upstream)
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
            .body(compressed("gzip", text.as_bytes()));
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
    let gate = GatewayBuilder::shipped()
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

/// Makes a skill and gives its id.
async fn skill(gate: &TestGateway, caller: &Caller) -> String {
    let request = caller
        .request("POST", "/v1/skills?beta=true")
        .body("--b\r\nskill\r\n--b--");
    let made = gate.ask(&request).await;
    assert_eq!(made.status, 200, "{}", made.text());
    made.json()["id"].as_str().expect("an id").to_owned()
}

/// Bodies that load a skill, and where they go.
fn loading(skill: &str) -> [(&'static str, Value); 2] {
    let skills = json!([{"type": "anthropic", "skill_id": "pptx"}, {"type": "custom", "skill_id": skill, "version": "latest"}]);
    let message =
        json!({"model": "m", "max_tokens": 1, "messages": [], "container": {"skills": skills}});
    let batch = json!({"requests": [{"custom_id": "a", "params": message}]});
    [("/v1/messages", message), ("/v1/messages/batches", batch)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skill_is_its_tenants_in_paths_in_lists_and_in_bodies() {
    let (gate, upstream) = gate().await;
    let (acme, bolt) = (
        Caller::first(&gate),
        Caller::admit(&gate, "bob", "bolt", "").await,
    );
    let skill = skill(&gate, &acme).await;
    let asked = upstream.requests().len();
    let paths = [
        ("GET", format!("/v1/skills/{skill}")),
        ("HEAD", format!("/v1/skills/{skill}")),
        ("GET", format!("/v1/skills/{skill}/versions")),
        ("POST", format!("/v1/skills/{skill}/versions")),
        ("GET", format!("/v1/skills/{skill}/versions/1")),
        ("DELETE", format!("/v1/skills/{skill}/versions/1")),
        ("GET", format!("/v1/skills/{skill}/versions/1/content")),
    ];
    for (method, path) in &paths {
        let response = gate.ask(&bolt.request(method, path).body("")).await;
        assert_eq!(response.status, 404, "{method} {path}: {}", response.text());
    }
    let deleting = bolt.request("DELETE", &format!("/v1/skills/{skill}"));
    assert_eq!(gate.ask(&deleting).await.status, 404, "another's");
    for (path, body) in loading(&skill) {
        let response = gate.ask(&bolt.post(path, &body)).await;
        assert_eq!(response.status, 404, "{path}: {}", response.text());
        assert!(response.text().contains(&skill), "{}", response.text());
    }
    assert_eq!(
        upstream.requests().len(),
        asked,
        "the upstream was not asked"
    );

    for (caller, wanted) in [(&acme, vec![skill.as_str(), "pptx"]), (&bolt, vec!["pptx"])] {
        let list = gate
            .ask(&caller.request("GET", "/v1/skills?limit=9"))
            .await
            .json();
        let data = list["data"].as_array().expect("a list");
        let ids: Vec<_> = data.iter().filter_map(|item| item["id"].as_str()).collect();
        assert_eq!(ids, wanted, "one's own, and what is published: {list}");
        assert_eq!(list["next_page"], "page_2", "the upstream's token: {list}");
    }
    for (method, path) in &paths {
        let response = gate.ask(&acme.request(method, path).body("")).await;
        assert_eq!(response.status, 200, "{method} {path}: {}", response.text());
    }
    for (path, body) in loading(&skill) {
        let response = gate.ask(&acme.post(path, &body)).await;
        assert_eq!(response.status, 200, "{path}: {}", response.text());
    }
    let deleting = acme.request("DELETE", &format!("/v1/skills/{skill}"));
    assert_eq!(gate.ask(&deleting).await.status, 200, "one's own");
    let [(path, body), _] = loading(&skill);
    assert_eq!(
        gate.ask(&acme.post(path, &body)).await.status,
        404,
        "deleted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skill_that_the_operator_shares_is_loaded_and_read_by_all_and_changed_by_none() {
    let upstream = FakeOrganization::default().start().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra(STATE)
        .extra("[skills]\nshared = [\"skill_house\"]\n")
        .start()
        .await;
    let acme = Caller::first(&gate);
    for (path, body) in loading("skill_house") {
        let response = gate.ask(&acme.post(path, &body)).await;
        assert_eq!(response.status, 200, "{path}: {}", response.text());
    }
    let asked = upstream.requests().len();
    gate.ask(&acme.request("GET", "/v1/skills/skill_house/versions"))
        .await;
    assert_eq!(upstream.requests().len(), asked + 1, "it is read");
    for (method, path) in [
        ("DELETE", "/v1/skills/skill_house"),
        ("POST", "/v1/skills/skill_house/versions"),
        ("DELETE", "/v1/skills/skill_house/versions/1"),
    ] {
        let response = gate.ask(&acme.request(method, path).body("")).await;
        assert_eq!(response.status, 404, "{method} {path}: {}", response.text());
    }
    assert_eq!(upstream.requests().len(), asked + 1, "nothing was changed");
}
