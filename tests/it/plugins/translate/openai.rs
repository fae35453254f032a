//! Chat Completions that are no streams, errors and models.

use serde_json::{Value, json};
use witgate_artifacts::{BUDGET, OPENAI, WARDEN};

use super::{CHAT, MODEL, asking, chat, get, openai, post, shipped_sidecar};
use crate::harness::{Answer, FakeOrganization, GatewayBuilder, Request, Upstream};

fn usage() -> Value {
    json!({"input_tokens": 7, "cache_read_input_tokens": 5, "output_tokens": 3})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_completion_is_an_ordinary_exchange_in_between() {
    let upstream = Upstream::always(Answer::message(MODEL, "Hello", &usage())).await;
    let gate = openai(&upstream).start().await;
    let request = chat(&gate, &asking("hi"))
        .header("openai-organization", "org-1")
        .header("accept-encoding", "gzip")
        .header("x-stainless-lang", "python");
    let response = gate.ask(&request).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let body = response.json();
    assert_eq!(body["object"], "chat.completion", "{body}");
    assert_eq!(body["choices"][0]["message"]["content"], "Hello", "{body}");
    assert_eq!(body["choices"][0]["finish_reason"], "stop", "{body}");
    assert_eq!(body["usage"]["prompt_tokens"], 12, "{body}");
    let header = |name: &str| response.headers.get(name).map(str::to_owned);
    assert_eq!(
        header("x-request-id").as_deref(),
        Some("req_011Harness"),
        "OpenAI's name for it"
    );
    assert_eq!(
        header("content-type").as_deref(),
        Some("application/json"),
        "the type"
    );
    assert!(header("witgate-request-id").is_some(), "the gateway's own");

    let asked = upstream.next_request().await;
    assert_eq!(asked.target(), "/v1/messages", "the API's path");
    let header = |name: &str| asked.headers.get(name).map(str::to_owned);
    assert_eq!(
        header("anthropic-version").as_deref(),
        Some("2023-06-01"),
        "its version"
    );
    assert_eq!(
        header("accept-encoding").as_deref(),
        Some("identity"),
        "nothing compressed"
    );
    assert_eq!(
        header("openai-organization"),
        None,
        "OpenAI's own headers end here"
    );
    assert_eq!(
        header("x-stainless-lang").as_deref(),
        Some("python"),
        "others stay"
    );
    assert_eq!(
        asked.json()["messages"][0]["content"][0]["text"],
        "hi",
        "{}",
        asked.json()
    );

    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["endpoint"], "messages", "{receipt}");
    assert_eq!(receipt["dialect"]["plugin"], "openai", "{receipt}");
    assert_eq!(receipt["dialect"]["path"], CHAT, "{receipt}");
    assert_eq!(receipt["model"]["requested"], MODEL, "{receipt}");
    assert_eq!(receipt["usage"]["output_tokens"], 3, "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_other_paths_ask_no_translating_plugin() {
    let upstream = Upstream::always(Answer::message(MODEL, "Hello", &usage())).await;
    let gate = openai(&upstream).start().await;
    let response = gate.ask(&gate.messages(&asking("hi"))).await;
    assert_eq!(response.json()["type"], "message", "{}", response.text());
    let status = gate.plugin_status("openai").await;
    assert_eq!(
        status["metrics"]["hooks"]["translate"]["calls"], 0,
        "{status}"
    );
    let receipt = gate.only_receipt().await;
    assert!(receipt["dialect"].is_null(), "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_the_shape_of_the_clients_api() {
    let upstream = Upstream::always(Answer::error(529, "overloaded_error", "Overloaded")).await;
    let gate = openai(&upstream).start().await;

    let keyless = chat(&gate, &asking("hi")).set_header("Authorization", "Bearer wrong");
    let response = gate.ask(&keyless).await;
    assert_eq!(response.status, 401, "{}", response.text());
    assert_eq!(
        response.json()["error"]["code"],
        "invalid_api_key",
        "{}",
        response.text()
    );

    let mut body = asking("hi");
    body["logit_bias"] = json!({"1": 2});
    let response = gate.ask(&chat(&gate, &body)).await;
    assert_eq!(response.status, 400, "{}", response.text());
    let error = &response.json()["error"];
    assert_eq!(error["param"], "logit_bias", "{error}");
    assert_eq!(error["code"], "unsupported_parameter", "{error}");

    let response = gate
        .ask(&chat(&gate, &asking("hi")).body(b"{".to_vec()))
        .await;
    assert_eq!(response.status, 400, "{}", response.text());
    assert_eq!(
        response.json()["error"]["param"],
        "body",
        "{}",
        response.text()
    );
    assert!(upstream.requests().is_empty(), "nothing was sent");

    let response = gate.ask(&chat(&gate, &asking("hi"))).await;
    assert_eq!(response.status, 503, "{}", response.text());
    assert_eq!(
        response.json()["error"]["code"],
        "overloaded_error",
        "{}",
        response.text()
    );

    let response = gate
        .ask(&post(&gate, "/v1/chat/other", &asking("hi")))
        .await;
    assert_eq!(response.status, 404, "{}", response.text());
    assert_eq!(
        response.json()["type"],
        "error",
        "an unclaimed path: {}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spent_budget_is_told_in_the_clients_shape_with_its_headers() {
    let upstream = Upstream::always(Answer::message(MODEL, "Hello", &usage())).await;
    let sidecar = "[settings]\nunpriced = \"pass\"\n[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nrequests = 1\n";
    let gate = openai(&upstream)
        .plugin("budget", BUDGET, sidecar)
        .start()
        .await;
    let first = gate.ask(&chat(&gate, &asking("hi"))).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let second = gate.ask(&chat(&gate, &asking("hi"))).await;
    assert_eq!(second.status, 429, "{}", second.text());
    let error = &second.json()["error"];
    assert_eq!(error["code"], "rate_limit_exceeded", "{error}");
    assert_eq!(
        second.headers.get("x-should-retry"),
        Some("false"),
        "SDKs obey it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_read_what_a_client_of_another_api_writes() {
    let upstream = Upstream::always(Answer::message(MODEL, "a SECRET", &usage())).await;
    let guard = "[grants]\ncontent = [\"request\", \"response\"]\n[settings]\ncontent = [\"user\", \"text\"]\nhold = 5\nfind = \"SECRET\"\nreplace = \"[x]\"\n";
    let gate = openai(&upstream)
        .plugin("warden", WARDEN, guard)
        .start()
        .await;
    let response = gate.ask(&chat(&gate, &asking("my SECRET"))).await;
    let content = &response.json()["choices"][0]["message"]["content"];
    assert_eq!(content, "a [x]", "the answer: {}", response.text());
    let asked = upstream.next_request().await.json();
    assert_eq!(
        asked["messages"][0]["content"][0]["text"], "my [x]",
        "the request: {asked}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_have_the_shape_of_the_client_that_asks() {
    let upstream = FakeOrganization::with_models(&["claude-opus-5-5", MODEL])
        .start()
        .await;
    let names = "[settings.models]\ngpt-5 = \"claude-opus-5-5\"\n";
    let gate = GatewayBuilder::shipped()
        .plugin("openai", OPENAI, &shipped_sidecar(names))
        .upstream("default", &upstream)
        .start()
        .await;
    let ids = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().expect("a list").iter();
        data.filter_map(|item| item["id"].as_str().map(str::to_owned))
            .collect()
    };
    let page = gate.ask(&get(&gate, "/v1/models")).await.json();
    assert_eq!(page["object"], "list", "{page}");
    assert_eq!(
        ids(&page),
        ["claude-opus-5-5", MODEL, "gpt-5"],
        "with the operator's: {page}"
    );
    let model = gate.ask(&get(&gate, "/v1/chat/models/gpt-5")).await.json();
    assert_eq!(
        (&model["object"], &model["id"]),
        (&json!("model"), &json!("gpt-5")),
        "{model}"
    );

    let own = get(&gate, "/v1/models").header("anthropic-version", "2023-06-01");
    let page = gate.ask(&own).await.json();
    assert!(page["object"].is_null(), "the API's own shape: {page}");
    assert_eq!(ids(&page), ["claude-opus-5-5", MODEL], "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_image_in_a_compressed_request_arrives_whole() {
    let upstream = Upstream::always(Answer::message(MODEL, "A cat", &usage())).await;
    let gate = openai(&upstream).start().await;
    let data = "iVBORw0KGgo".repeat(400_000);
    let mut body = asking("");
    body["messages"][0]["content"] = json!([
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}")}},
    ]);
    let response = gate.ask(&chat(&gate, &body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let asked = upstream.next_request().await.json();
    let source = &asked["messages"][0]["content"][1]["source"];
    assert_eq!(source["media_type"], "image/png", "the type");
    assert_eq!(
        source["data"].as_str().map(str::len),
        Some(data.len()),
        "all of it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_an_error_in_the_clients_shape() {
    let answer = Answer::message(MODEL, "Hello", &usage()).stop_in_body(20);
    let upstream = Upstream::always(answer).await;
    let gate = openai(&upstream).start().await;
    let response = gate.ask(&chat(&gate, &asking("hi"))).await;
    assert_eq!(response.status, 502, "{}", response.text());
    assert_eq!(
        response.json()["error"]["type"],
        "server_error",
        "{}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_serves_both_dialects_in_turns() {
    let upstream = Upstream::always(Answer::message(MODEL, "Hello", &usage())).await;
    let gate = openai(&upstream).start().await;
    let mut client = gate.client().await;
    for _ in 0..2 {
        let theirs = client.ask(&chat(&gate, &asking("hi"))).await;
        assert_eq!(
            theirs.json()["object"],
            "chat.completion",
            "{}",
            theirs.text()
        );
        let own: Request = gate.messages(&asking("hi"));
        let own = client.ask(&own).await;
        assert_eq!(own.json()["type"], "message", "{}", own.text());
    }
}
