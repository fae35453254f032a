//! The content of ordinary responses.

use serde_json::{Value, json};

use super::caller::{Caller, KEY, ask, streamed, with};

#[tokio::test]
async fn a_message_says_what_was_asked() {
    let got = Caller::new()
        .await
        .message("", &ask("what is the time?"))
        .await;
    let body = got.json();
    assert_eq!(got.status, 200, "{body}");
    assert!(
        body["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("what is the time?"),
        "{body}"
    );
    assert_eq!(body["stop_reason"], "end_turn", "{body}");
    assert!(
        body["usage"]["input_tokens"].as_u64().unwrap() > 0,
        "{body}"
    );
    assert!(
        got.header("request-id").unwrap().starts_with("req_"),
        "{}",
        got.head
    );
    assert!(
        got.header("anthropic-ratelimit-requests-reset")
            .unwrap()
            .ends_with('Z'),
        "{}",
        got.head
    );
}

#[tokio::test]
async fn a_stream_has_the_order_of_the_api_and_ends_with_cumulative_usage() {
    let mut caller = Caller::new().await;
    let got = caller.message("events=3", &streamed(ask("hi"))).await;
    let delta = "content_block_delta";
    let expected = [
        "message_start",
        "content_block_start",
        "ping",
        delta,
        delta,
        delta,
        "content_block_stop",
    ];
    let expected = [&expected[..], &["message_delta", "message_stop"]].concat();
    assert_eq!(got.kinds(), expected, "the order is not the API's");
    let events = got.events();
    assert_eq!(
        events[0]["message"]["usage"]["output_tokens"], 1,
        "message_start has the placeholder"
    );
    let (start, end) = (&events[0]["message"]["usage"], &events[7]["usage"]);
    assert_eq!(
        start["input_tokens"], end["input_tokens"],
        "input is told twice, not added"
    );
    assert!(end["output_tokens"].as_u64().unwrap() > 1, "{end}");
    assert_eq!(
        caller.message("", &ask("again")).await.status,
        200,
        "the connection must live on"
    );
}

#[tokio::test]
async fn a_tool_asked_for_is_used_and_its_result_is_answered() {
    let mut caller = Caller::new().await;
    let schema = json!({"type": "object", "required": ["command"], "properties": {
        "command": {"type": "string"}, "description": {"type": "string"}, "timeout": {"type": "number"}}});
    let tools = json!([{"name": "Read", "input_schema": {"type": "object"}}, {"name": "Bash", "input_schema": schema}]);
    let body = streamed(with(ask("please use Bash to read"), "tools", tools.clone()));
    let events = caller.message("", &body).await.events();
    let used = &events[1]["content_block"];
    assert_eq!(
        (&used["type"], &used["name"]),
        (&json!("tool_use"), &json!("Bash")),
        "{used}"
    );
    let input: String = events
        .iter()
        .filter_map(|event| event["delta"]["partial_json"].as_str())
        .collect();
    let input: Value = serde_json::from_str(&input).expect("the pieces are one JSON text");
    assert_eq!(
        input,
        json!({"command": "echo hi", "description": "Say hi"}),
        "the input must fit the schema"
    );
    assert_eq!(
        events[events.len() - 2]["delta"]["stop_reason"],
        "tool_use",
        "{events:?}"
    );

    let mut next = with(ask("please use Bash to read"), "tools", tools);
    let messages = next["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": [{"type": "tool_use", "id": used["id"], "name": "Bash", "input": input}]}));
    messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": used["id"], "content": "hi there"}]}));
    let body = caller.message("", &next).await.json();
    assert!(
        body["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("hi there"),
        "{body}"
    );
}

#[tokio::test]
async fn thinking_comes_first_and_is_signed() {
    let body = with(
        ask("hi"),
        "thinking",
        json!({"type": "adaptive", "display": "omitted"}),
    );
    let got = Caller::new().await.message("", &body).await.json();
    let block = &got["content"][0];
    assert_eq!(
        (&block["type"], &block["thinking"]),
        (&json!("thinking"), &json!("")),
        "{block}"
    );
    assert!(!block["signature"].as_str().unwrap().is_empty(), "{block}");
    assert!(
        got["usage"]["output_tokens_details"]["thinking_tokens"]
            .as_u64()
            .unwrap()
            > 0,
        "{got}"
    );
}

#[tokio::test]
async fn a_schema_gives_a_text_that_fits_it() {
    let schema = json!({"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]});
    let format = json!({"format": {"type": "json_schema", "schema": schema}});
    let got = Caller::new()
        .await
        .message("", &with(ask("name this talk"), "output_config", format))
        .await
        .json();
    let text: Value =
        serde_json::from_str(got["content"][0]["text"].as_str().unwrap()).expect("a JSON text");
    assert_eq!(
        text,
        json!({"title": "name this talk"}),
        "the text must fit the schema"
    );
}

#[tokio::test]
async fn a_tiny_limit_or_a_stop_sequence_ends_the_text() {
    let mut caller = Caller::new().await;
    let body = caller
        .message("", &with(ask("hi"), "max_tokens", json!(3)))
        .await
        .json();
    assert_eq!(
        (&body["stop_reason"], &body["usage"]["output_tokens"]),
        (&json!("max_tokens"), &json!(3)),
        "{body}"
    );
    let body = caller
        .message(
            "",
            &with(ask("hi"), "stop_sequences", json!(["for Claude"])),
        )
        .await
        .json();
    assert_eq!(
        (&body["stop_reason"], &body["stop_sequence"]),
        (&json!("stop_sequence"), &json!("for Claude")),
        "{body}"
    );
    assert_eq!(
        body["content"][0]["text"], "This is the stand-in ",
        "{body}"
    );
}

#[tokio::test]
async fn a_marked_prefix_is_written_once_and_then_read() {
    let mut caller = Caller::new().await;
    let system = json!([{"type": "text", "text": "long ".repeat(2_000), "cache_control": {"type": "ephemeral", "ttl": "1h"}}]);
    let body = with(ask("hi"), "system", system);
    let first = caller.message("", &body).await.json()["usage"].clone();
    let second = caller.message("", &body).await.json()["usage"].clone();
    let written = first["cache_creation"]["ephemeral_1h_input_tokens"]
        .as_u64()
        .unwrap();
    assert!(written > 2_000, "{first}");
    assert_eq!(second["cache_read_input_tokens"], written, "{second}");
    assert_eq!(second["cache_creation_input_tokens"], 0, "{second}");
}

#[tokio::test]
async fn counts_agree_with_messages_and_models_are_paged() {
    let mut caller = Caller::new().await;
    let body = ask("hi").to_string();
    let counted = caller
        .ask("POST /v1/messages/count_tokens", KEY, &body)
        .await
        .json();
    assert_eq!(
        counted["input_tokens"],
        caller.message("", &ask("hi")).await.json()["usage"]["input_tokens"],
        "{counted}"
    );

    let mut seen = Vec::new();
    let mut target = String::from("GET /v1/models?limit=7");
    loop {
        let page = caller.ask(&target, KEY, "").await.json();
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|model| model["id"].as_str().unwrap().to_owned()),
        );
        if page["has_more"] == false {
            break;
        }
        target = format!(
            "GET /v1/models?limit=7&after_id={}",
            page["last_id"].as_str().unwrap()
        );
    }
    let all = caller
        .ask("GET /v1/models?limit=1000", KEY, "")
        .await
        .json();
    assert_eq!(
        seen.len(),
        all["data"].as_array().unwrap().len(),
        "the pages are the list"
    );
    let one = caller
        .ask("GET /v1/models/claude-haiku-4-5", KEY, "")
        .await
        .json();
    assert_eq!(
        one["id"], "claude-haiku-4-5-20251001",
        "an alias names its snapshot"
    );
    assert_eq!(
        caller.ask("GET /v1/models?limit=0", KEY, "").await.status,
        400,
        "a page of nothing"
    );
}
