//! What an upstream keeps belongs to the first key, whichever agent asks.

use serde_json::json;

use super::standin::Standin;
use super::{agent_of, asking, body, gateway, secrets, table};
use crate::harness::Request;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_may_make_a_container_are_sent_with_the_first_key() {
    let standin = Standin::start(&[("a", 1000), ("b", 1000)]).await;
    let folder = secrets(&["a", "b"]);
    let gate = gateway(&table(
        "only",
        &standin.upstream.url(),
        &folder,
        &["a", "b"],
    ))
    .await;
    let agent = agent_of(&gate, &standin, "b", 0).await;
    let mut running = body();
    running["tools"] = json!([{"type": "code_execution_20250825", "name": "code_execution"}]);
    for agent in agent..agent + 10 {
        let response = gate.ask(&asking(&gate, agent, &running)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(standin.last(), "a", "agent {agent}");
    }
    let response = gate.ask(&asking(&gate, agent, &body())).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(standin.last(), "b", "the session has not moved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_and_files_are_made_and_read_with_the_first_key() {
    let standin = Standin::start(&[("a", 1000), ("b", 1000)]).await;
    let folder = secrets(&["a", "b"]);
    let state = "[state]\ndirectory = \"state\"\n";
    let tables = table("only", &standin.upstream.url(), &folder, &["a", "b"]);
    let gate = gateway(&format!("{tables}{state}")).await;
    let agent = agent_of(&gate, &standin, "b", 0).await;
    let one = json!({"requests": [{"custom_id": "one", "params": body()}]});
    for (target, body) in [("/v1/messages/batches", one), ("/v1/files", body())] {
        let mut creation = asking(&gate, agent, &body);
        creation.target = target.to_owned();
        let created = gate.ask(&creation).await;
        assert_eq!(created.status, 200, "{target}: {}", created.text());
        assert_eq!(standin.last(), "a", "{target} is made with the first");
        let id = created.json()["id"].as_str().expect("an id").to_owned();
        let request = Request::new("GET", &format!("{target}/{id}"))
            .header("Host", "gateway.test")
            .header("X-Claude-Code-Session-Id", "session-1")
            .header("X-Claude-Code-Agent-Id", &format!("agent-{agent}"))
            .header("anthropic-version", "2023-06-01");
        let request = gate.keyed(request);
        let before = standin.upstream.requests().len();
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        let asked = standin.upstream.requests().len();
        assert!(asked > before, "{target} is asked for");
        assert_eq!(standin.last(), "a", "{target} is read with the first");
    }
}
