//! Objects that an answer created at the upstream are known before the answer has ended.

use witgate_messages::Meter;
use witgate_messages::meter::Made;

const STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"container\":null,",
    "\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{",
    "\"type\":\"bash_code_execution_tool_result\",\"content\":{\"content\":[{\"type\":\"x\",\"file_id\":\"file_1\"}]}}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",",
    "\"container\":{\"id\":\"container_1\",\"expires_at\":\"2026\"}},\"usage\":{\"output_tokens\":9}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

const JSON: &str = concat!(
    "{\"model\":\"m\",\"content\":[{\"type\":\"code_execution_tool_result\",\"content\":{\"content\":[{\"file_id\":\"file_1\"}]}}],",
    "\"container\":{\"id\":\"container_1\",\"expires_at\":\"2026\"},\"usage\":{\"input_tokens\":7,\"output_tokens\":9}}\n"
);

/// All that a meter reports, fed in pieces of this size, and where in the text it was all known.
fn made(mut meter: Meter, text: &str, size: usize) -> (Made, usize) {
    let (mut all, mut at, mut known) = (Made::default(), 0, 0);
    for piece in text.as_bytes().chunks(size) {
        meter.feed(piece);
        at += piece.len();
        if let Some(made) = meter.take_made() {
            all.containers.extend(made.containers);
            all.files.extend(made.files);
            known = at;
        }
    }
    let so_far = meter.reading().container;
    assert_eq!(so_far.as_deref(), Some("container_1"), "pieces of {size}");
    let container = meter.finish().container;
    assert_eq!(
        container.as_deref(),
        Some("container_1"),
        "pieces of {size}"
    );
    (all, known)
}

#[test]
fn containers_and_files_are_reported_once_in_every_cut_of_the_answer() {
    let wanted = Made {
        containers: vec!["container_1".into()],
        files: vec!["file_1".into()],
    };
    for size in 1..STREAM.len() {
        let (all, known) = made(Meter::sse(), STREAM, size);
        assert_eq!(all, wanted, "a stream in pieces of {size}");
        let end = STREAM.find("event: message_stop").unwrap();
        assert!(known <= end + size, "before the stream has ended");
    }
    for size in 1..JSON.len() {
        let (all, _) = made(Meter::json(), JSON, size);
        assert_eq!(all, wanted, "JSON in pieces of {size}");
    }
}

#[test]
fn a_container_of_an_unknown_shape_costs_no_usage() {
    let odd = STREAM.replace("{\"id\":\"container_1\",\"expires_at\":\"2026\"}", "[17]");
    let mut meter = Meter::sse();
    meter.feed(odd.as_bytes());
    let reading = meter.finish();
    assert_eq!(reading.usage.tokens.output, 9, "the usage is read");
    assert_eq!(reading.container, None, "no container is known");
}

#[test]
fn an_id_that_another_block_mentions_is_nothing_that_was_made() {
    for other in [
        "text",
        "mcp_tool_result",
        "web_fetch_tool_result",
        "x_code_execution_tool_result",
        "tool_use",
    ] {
        let stream = STREAM.replace("bash_code_execution_tool_result", other);
        let json = JSON.replace("\"code_execution_tool_result", &format!("\"{other}"));
        for (meter, text) in [(Meter::sse(), stream), (Meter::json(), json)] {
            let (all, _) = made(meter, &text, 4096);
            assert_eq!(all.files, Vec::<String>::new(), "{text}");
        }
    }
    // A value of a tool's own in the result of one that makes files.
    let deeper = STREAM.replace("{\"type\":\"x\",", "{\"stdout\":{\"file_id\":\"file_2\"},");
    let (all, _) = made(Meter::sse(), &deeper, 4096);
    assert_eq!(all.files, ["file_1"], "only where the API names files");
}
