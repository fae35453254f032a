//! Usage that is written in an unusual way: each member that can be read counts by itself.

use std::sync::Arc;

use serde_json::{Value, json};
use witgate_messages::{Meter, PriceBook, Reading, Source, Usage};

fn whole() -> Value {
    json!({
        "input_tokens": 20, "output_tokens": 30, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 50,
        "cache_creation": {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 35},
        "output_tokens_details": {"thinking_tokens": 5}, "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 3},
        "service_tier": "priority", "inference_geo": "us", "speed": "fast",
        "iterations": [{"type": "message", "model": "m", "input_tokens": 20, "output_tokens": 30}],
    })
}

fn read(usage: &Value) -> Usage {
    Usage::parse(usage.to_string().as_bytes()).expect("a usage")
}

/// The whole usage without one of its members.
fn without(name: &str) -> Usage {
    let mut usage = whole();
    usage.as_object_mut().unwrap().remove(name);
    read(&usage)
}

#[test]
fn a_member_of_another_type_costs_only_itself() {
    for name in whole().as_object().unwrap().keys() {
        for wrong in [
            json!(true),
            json!(-1),
            json!(0.5),
            json!("1"),
            json!(["1"]),
            json!({"x": 1}),
        ] {
            let mut usage = whole();
            usage[name] = wrong.clone();
            let mut wanted = without(name);
            let told = read(&usage);
            let is_right = match name.as_str() {
                "service_tier" | "inference_geo" | "speed" => wrong.is_string(),
                "iterations" => wrong.is_array(),
                "cache_creation" | "output_tokens_details" | "server_tool_use" => wrong.is_object(),
                _ => false,
            };
            if is_right {
                continue;
            }
            wanted.unread = 1;
            assert_eq!(told, wanted, "{name}: {wrong}");
        }
    }
}

#[test]
fn a_count_inside_of_a_member_costs_only_itself_too() {
    let mut usage = whole();
    usage["cache_creation"]["ephemeral_5m_input_tokens"] = json!({});
    usage["server_tool_use"]["web_fetch_requests"] = json!("3");
    usage["output_tokens_details"]["thinking_tokens"] = json!(null);
    usage["iterations"] = json!([7, {"type": "message", "input_tokens": [], "output_tokens": 30}]);
    let told = read(&usage);
    assert_eq!(told.unread, 4, "each is counted");
    let split = told.tokens.cache_split.expect("a split");
    assert_eq!(
        (split.five_minutes, split.one_hour),
        (0, 35),
        "the other half"
    );
    assert_eq!(
        (told.web_searches, told.web_fetches),
        (2, 0),
        "the searches"
    );
    assert_eq!(told.iterations.len(), 1, "the entry that is one");
    assert_eq!(told.iterations[0].tokens.output, 30, "with what it says");
}

#[test]
fn whole_numbers_may_be_written_with_a_fraction_or_an_exponent() {
    let usage =
        br#"{"input_tokens":2.1e4,"output_tokens":500.0,"cache_read_input_tokens":5000e-1}"#;
    let told = Usage::parse(usage).expect("a usage");
    let tokens = told.tokens;
    assert_eq!(
        (tokens.input, tokens.output, tokens.cache_read, told.unread),
        (21_000, 500, 500, 0),
        "the same numbers"
    );
}

fn metered(mut meter: Meter, text: &str) -> Reading {
    meter.feed(text.as_bytes());
    meter.finish()
}

#[test]
fn an_answer_without_a_readable_output_is_estimated_and_its_prompt_counts() {
    let content = "x".repeat(4_000);
    let body = json!({"model": "m", "content": [{"type": "text", "text": content}],
                      "usage": {"input_tokens": 21_500, "output_tokens": {"text": 14}}});
    let reading = metered(Meter::json(), &body.to_string());
    assert_eq!(reading.source, Source::Estimated, "from its bytes");
    assert_eq!(reading.usage.tokens.input, 21_500, "the prompt is known");
    assert!(reading.usage.tokens.output >= 1_000, "{reading:?}");
    assert_eq!(reading.usage.unread, 1, "and it is said");
}

#[test]
fn a_start_with_a_strange_model_still_says_what_the_prompt_came_to() {
    let stream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":{},\"usage\":{\"input_tokens\":21500,\"output_tokens\":1}}}\n\n\
                  event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":5,\"usage\":{\"output_tokens\":7}}\n\n\
                  event: message_stop\ndata: {}\n\n";
    let reading = metered(Meter::sse(), stream);
    let tokens = reading.usage.tokens;
    assert_eq!(
        (tokens.input, tokens.output),
        (21_500, 7),
        "all that is said"
    );
    assert_eq!(reading.source, Source::Reported, "it is complete");
    assert_eq!(reading.passed_over, 2, "two events had something strange");
}

#[test]
fn a_result_of_a_batch_with_a_strange_member_is_read_and_settled() {
    let line = json!({"custom_id": "a", "result": {"type": "succeeded", "message": {
        "model": "claude-haiku-4-5", "usage": {"input_tokens": 1000.0, "output_tokens": 10, "iterations": 1}}}});
    let reading = metered(
        Meter::results(Arc::new(PriceBook::builtin())),
        &format!("{line}\n"),
    );
    let totals = reading.batch.expect("totals");
    assert_eq!((totals.unread, totals.succeeded), (0, 1), "the line counts");
    assert_eq!(totals.usage_unread, 1, "and what was strange is said");
    assert_eq!(
        (totals.tokens.input, totals.tokens.output),
        (1_000, 10),
        "both"
    );
    assert_eq!(totals.usage().unread, 1, "on its receipt too");
}
