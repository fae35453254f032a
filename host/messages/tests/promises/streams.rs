//! Streams as the API sends them, and a plain reader of them.

use serde_json::Value;
use witgate_messages::{Source, Tokens, Usage};

fn event(data: &str) -> String {
    let value: Value = serde_json::from_str(data).expect("events are JSON");
    format!(
        "event: {}\ndata: {data}\n\n",
        value["type"].as_str().unwrap()
    )
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_01","type":"message","role":"assistant","model":"claude-opus-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":3000,"cache_read_input_tokens":9000,"cache_creation":{"ephemeral_5m_input_tokens":1000,"ephemeral_1h_input_tokens":2000},"output_tokens":1,"service_tier":"standard","inference_geo":"us","speed":"fast"}}}"#;
const PING: &str = r#"{"type": "ping"}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn delta(index: usize, kind: &str, member: &str, text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    event(&format!(
        r#"{{"type":"content_block_delta","index":{index},"delta":{{"type":"{kind}","{member}":{text}}}}}"#
    ))
}

fn block(index: usize, block: &str, deltas: &[String]) -> String {
    let start = event(&format!(
        r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#
    ));
    let stop = event(&format!(
        r#"{{"type":"content_block_stop","index":{index}}}"#
    ));
    start + &deltas.concat() + &stop
}

/// Text in several languages, a ping in between.
pub(crate) fn text() -> String {
    let deltas = [
        delta(0, "text_delta", "text", "Hello"),
        event(PING),
        delta(0, "text_delta", "text", ", wörld – 你好 🎉\n"),
        delta(0, "text_delta", "text", "say \"event: error\\n\""),
    ];
    event(START)
        + &block(0, r#"{"type":"text","text":""}"#, &deltas)
        + &event(
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":42}}"#,
        )
        + &event(STOP)
}

/// Thinking, a tool call, several cumulative deltas, cache numbers that arrive late, iterations, a new event type.
pub(crate) fn agent() -> String {
    let thinking = [
        delta(0, "thinking_delta", "thinking", "Let me look at the files."),
        delta(0, "signature_delta", "signature", "EqQBCgIYAhIkM2Q="),
    ];
    let tool = [
        delta(1, "input_json_delta", "partial_json", ""),
        delta(
            1,
            "input_json_delta",
            "partial_json",
            "{\"command\": \"ls -l",
        ),
        delta(1, "input_json_delta", "partial_json", "a\"}"),
    ];
    event(START)
        + ": a comment\n\n"
        + &block(
            0,
            r#"{"type":"thinking","thinking":"","signature":""}"#,
            &thinking,
        )
        + &event(r#"{"type":"a_type_to_come","usage":{"output_tokens":999999}}"#)
        + &event(
            r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":30}}"#,
        )
        + &block(
            1,
            r#"{"type":"tool_use","id":"toolu_01","name":"Bash","input":{}}"#,
            &tool,
        )
        + &event(
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"input_tokens":20,"cache_creation_input_tokens":3000,"cache_read_input_tokens":9500,"output_tokens":95,"output_tokens_details":{"thinking_tokens":17},"server_tool_use":{"web_search_requests":2,"web_fetch_requests":1},"iterations":[{"type":"compaction","input_tokens":500,"output_tokens":60},{"type":"message","input_tokens":20,"output_tokens":95,"cache_read_input_tokens":9500,"cache_creation_input_tokens":3000,"cache_creation":{"ephemeral_5m_input_tokens":1000,"ephemeral_1h_input_tokens":2000}},{"type":"advisor_message","model":"claude-fable-5-2","input_tokens":7,"output_tokens":8}]}}"#,
        )
        + &event(STOP)
}

/// Text, then an error instead of an end.
pub(crate) fn overloaded() -> String {
    let deltas = [delta(0, "text_delta", "text", "This will not en")];
    let begun = event(START)
        + &event(
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        );
    begun
        + &deltas.concat()
        + &event(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#)
}

/// All streams, by name.
pub(crate) fn all() -> [(&'static str, String); 3] {
    [
        ("text", text()),
        ("agent", agent()),
        ("overloaded", overloaded()),
    ]
}

/// What the plain reader finds in the whole events of a stream.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub(crate) usage: Usage,
    pub(crate) source: Source,
    pub(crate) model: Option<String>,
    pub(crate) stop_reason: Option<String>,
    pub(crate) events: u64,
    pub(crate) content_started: bool,
    pub(crate) ended: bool,
    pub(crate) error: Option<(String, String)>,
}

/// Reads all events that are complete, each one parsed in full.
pub(crate) fn read(stream: &str) -> Read {
    let mut read = Read::default();
    let (mut delivered, mut counted, mut started) = (0u64, false, false);
    let whole = stream.rfind("\n\n").map_or("", |end| &stream[..end]);
    for event in whole.split("\n\n") {
        let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else {
            continue;
        };
        let value: Value = serde_json::from_str(data).unwrap();
        read.events += 1;
        let kind = value["type"].as_str().unwrap();
        read.content_started |= kind.starts_with("content_block");
        match kind {
            "message_start" => {
                started = true;
                read.model = value["message"]["model"].as_str().map(Into::into);
                replace(&mut read.usage, &value["message"]["usage"]);
            }
            "content_block_delta" => {
                let delta = value["delta"].as_object().unwrap();
                let (_, text) = delta.iter().find(|(name, _)| *name != "type").unwrap();
                // As it is spelled on the wire, without quotes.
                delivered += text.to_string().len() as u64 - 2;
            }
            "message_delta" => {
                counted |= value["usage"]["output_tokens"].is_u64();
                if let Some(reason) = value["delta"]["stop_reason"].as_str() {
                    read.stop_reason = Some(reason.to_owned());
                }
                replace(&mut read.usage, &value["usage"]);
            }
            "message_stop" => read.ended = true,
            "error" => {
                let text = |name: &str| value["error"][name].as_str().unwrap().to_owned();
                read.error = Some((text("type"), text("message")));
            }
            _ => {}
        }
    }
    read.source = match (counted, read.ended, started || delivered > 0) {
        (true, true, _) => Source::Reported,
        (true, false, _) => Source::Partial,
        (false, _, true) => {
            read.usage.tokens.output = delivered.div_ceil(4);
            Source::Estimated
        }
        (false, _, false) => Source::None,
    };
    read
}

fn replace(usage: &mut Usage, json: &Value) {
    let new = Usage::parse(json.to_string().as_bytes()).unwrap();
    let has = |name: &str| !json[name].is_null();
    let Tokens {
        input,
        output,
        cache_read,
        cache_write,
        cache_split,
    } = new.tokens;
    let tokens = &mut usage.tokens;
    for (name, old, new) in [
        ("input_tokens", &mut tokens.input, input),
        ("output_tokens", &mut tokens.output, output),
        (
            "cache_read_input_tokens",
            &mut tokens.cache_read,
            cache_read,
        ),
        (
            "cache_creation_input_tokens",
            &mut tokens.cache_write,
            cache_write,
        ),
    ] {
        if has(name) {
            *old = new;
        }
    }
    tokens.cache_split = cache_split.or(tokens.cache_split);
    usage.thinking = new.thinking.or(usage.thinking);
    if has("server_tool_use") {
        (usage.web_searches, usage.web_fetches) = (new.web_searches, new.web_fetches);
    }
    usage.service_tier = new.service_tier.or(usage.service_tier.take());
    usage.inference_geo = new.inference_geo.or(usage.inference_geo.take());
    usage.speed = new.speed.or(usage.speed.take());
    if has("iterations") {
        usage.iterations = new.iterations;
    }
}
