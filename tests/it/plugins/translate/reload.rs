//! Plugins that come, change and claim the paths of others.

use serde_json::json;
use witgate_artifacts::{HOSTILE, OPENAI};

use super::{CHAT, MODEL, asking, chat, openai, shipped_sidecar, streaming};
use crate::harness::{Answer, Ending, Events, Pause, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_the_plugin_that_it_began_with() {
    let pause = Pause::new();
    let events = Events::begin(MODEL).text(&["one", "two"]).end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events).pause_at_event(3, &pause)).await;
    let gate = openai(&upstream).start().await;
    let mut client = gate.client().await;
    client.send(&chat(&gate, &streaming())).await;
    let mut reply = client.reply().await;
    reply.event().await.expect("the role");
    gate.change_policies(|folder| {
        std::fs::remove_file(folder.join("openai.wasm")).expect("it is there");
    })
    .await;
    pause.resume();
    let rest = reply.rest().await;
    assert_eq!(rest.ending, Ending::Complete, "{}", rest.text());
    assert!(rest.text().ends_with("data: [DONE]\n\n"), "{}", rest.text());
    let response = gate.ask(&chat(&gate, &asking("hi"))).await;
    assert_eq!(
        response.status,
        404,
        "nobody serves it now: {}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_claims_the_path_of_another_is_refused_with_both_names() {
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let upstream = Upstream::always(Answer::message(MODEL, "Hello", &usage)).await;
    let sidecar = format!(
        "[limits]\nmemory_mib = 32\n[grants]\nbody = \"read\"\nheaders = [\"x-hostile\"]\nkv = true\nmetrics = true\nclock = true\nclaims = [\"*\"]\n[settings]\nclaims = [\"{CHAT}\"]\n"
    );
    // Plugins are loaded by name, so this one is the second.
    let builder = openai(&upstream).plugin("rival", HOSTILE, &sidecar);
    let gate = builder.start_with_refused().await;
    let status = gate.plugin_status("rival").await;
    let error = status["last_error"].as_str().unwrap_or_default();
    assert!(
        error.contains("`rival`") && error.contains("`openai`"),
        "both: {status}"
    );
    assert!(
        error.contains(&format!("POST {CHAT}")),
        "the path: {status}"
    );
    let response = gate.ask(&chat(&gate, &asking("hi"))).await;
    assert_eq!(
        response.status,
        200,
        "the first one serves: {}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_not_granted_refuses_the_plugin() {
    let upstream = Upstream::answering().await;
    let sidecar = shipped_sidecar("").replace("\"/openai/v1/*\"", "\"/other/*\"");
    let gate = openai(&upstream)
        .plugin("openai", OPENAI, &sidecar)
        .start_with_refused()
        .await;
    let status = gate.plugin_status("openai").await;
    let error = status["last_error"].as_str().unwrap_or_default();
    assert!(
        error.contains("/openai/v1/chat/completions") && error.contains("claims"),
        "{status}"
    );
}
