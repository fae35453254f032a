//! The order and the time in which events leave while a text is held back.

use witgate_messages::content::{Follows, Stream};

use super::guards::{Does, Rule};
use super::{before, through};

fn delta(index: usize, text: &str) -> String {
    format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
    )
}

fn other(kind: &str, rest: &str) -> String {
    format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n")
}

fn signature() -> String {
    other(
        "content_block_delta",
        r#","index":0,"delta":{"type":"signature_delta","signature":"Eq"}"#,
    )
}

fn thinking(text: &str) -> String {
    delta(0, text)
        .replace("text_delta", "thinking_delta")
        .replace("\"text\"", "\"thinking\"")
}

#[test]
fn only_events_with_held_text_and_those_behind_them_wait() {
    let mut stream = Stream::default();
    let mut rule = Rule::new("SECRET", Does::Replace("[x]".into()));
    let mut step = |bytes: &str| {
        let mut out = Vec::new();
        let fed = stream.feed(bytes.as_bytes(), &mut rule, &mut out);
        assert!(fed.is_ok(), "the rule stops nothing");
        (String::from_utf8(out).unwrap(), stream.held())
    };
    let plain = delta(0, "plain");
    assert_eq!(step(&plain), (plain.clone(), 0), "at once");
    let begun = delta(0, "a SEC");
    assert_eq!(step(&begun), (String::new(), begun.len()), "held whole");
    let ping = other("ping", "");
    assert_eq!(step(&ping).0, ping, "a ping does not wait");
    assert_eq!(step(": hello\n\n").0, ": hello\n\n", "nor does a comment");
    let later = other("a_type_to_come", "");
    assert_eq!(step(&later).0, "", "another event keeps its order");
    let clean = delta(0, "OND");
    let wanted = begun + &later + &clean;
    assert_eq!(step(&clean), (wanted, 0), "all of it as it came");

    assert_eq!(step(&delta(0, "my SE")).0, "", "held");
    assert_eq!(step(&delta(0, "CR")).0, "", "and on");
    let changed = delta(0, "my ") + &delta(0, "[x] ok");
    assert_eq!(
        step(&delta(0, "ET ok")),
        (changed, 0),
        "what had passed stays where it was, an event without text goes"
    );
}

#[test]
fn text_that_is_owed_at_the_end_of_a_block_gets_an_event_of_its_own() {
    let stop = other("content_block_stop", r#","index":0"#);
    let stream = delta(0, "SECRET SEC") + &stop;
    let mut rule = Rule::new("SECRET", Does::Replace("[x]".into()));
    let (out, _) = through(&mut rule, [stream.as_bytes()]);
    assert_eq!(out, delta(0, "[x] ") + &delta(0, "SEC") + &stop);
}

#[test]
fn a_cut_passes_what_was_held() {
    let stream = delta(0, "a SEC");
    let mut rule = Rule::new("SECRET", Does::Replace("[x]".into()));
    let (out, _) = through(&mut rule, [stream.as_bytes()]);
    assert_eq!(out, stream, "as it came");
    let cut = stream.clone() + "event: content_block_delta\ndata: {\"type\":\"content_bl";
    let (out, _) = through(&mut Rule::new("SECRET", Does::Pass), [cut.as_bytes()]);
    assert_eq!(out, stream, "without half an event");
    let unfinished = stream.trim_end();
    let (out, _) = through(
        &mut Rule::new("SECRET", Does::Pass),
        [unfinished.as_bytes()],
    );
    assert_eq!(out, unfinished, "with one that only lacks the empty line");
}

#[test]
fn an_event_that_lacks_its_empty_line_gets_it_before_another_one() {
    let stream = delta(0, "SECRET SEC");
    let lines = stream.replace('\n', "\r\n");
    let owed = || Rule::new("SECRET", Does::Replace("[x]".into()));
    for (unfinished, end) in [
        (stream.trim_end(), "\n\n"),
        (stream.strip_suffix('\n').unwrap(), "\n"),
        (lines.strip_suffix("\r\n").unwrap(), "\n"),
        (lines.strip_suffix("\n\r\n").unwrap(), "\n\n"),
    ] {
        let (out, _) = before(
            Follows::Event,
            &mut Rule::new("SECRET", Does::Pass),
            [unfinished.as_bytes()],
        );
        assert_eq!(out, unfinished.to_owned() + end, "an error of the gateway");
        let (out, _) = through(&mut owed(), [unfinished.as_bytes()]);
        let changed = unfinished.replace("SECRET SEC", "[x] ");
        assert_eq!(out, changed + end + &delta(0, "SEC"), "what was owed");
    }
}

#[test]
fn thinking_that_was_changed_loses_its_signature() {
    let stop = other("content_block_stop", r#","index":0"#);
    for (text, new, signed) in [("a SEC", "a SEC", true), ("SECRET", "[x]", false)] {
        let stream = thinking(text) + &signature() + &stop;
        let mut rule = Rule::new("SECRET", Does::Replace("[x]".into()));
        let (out, _) = through(&mut rule, [stream.as_bytes()]);
        let kept = if signed { signature() } else { String::new() };
        assert_eq!(out, thinking(new) + &kept + &stop, "{text}");
    }
}

#[test]
fn an_error_of_the_upstream_comes_after_what_was_held() {
    let error = other(
        "error",
        r#","error":{"type":"overloaded_error","message":""}"#,
    );
    let stream = delta(0, "a SEC") + &error;
    let mut rule = Rule::new("SECRET", Does::Replace("[x]".into()));
    let (out, _) = through(&mut rule, [stream.as_bytes()]);
    assert_eq!(out, stream);
}

#[test]
fn texts_in_the_start_of_a_block_are_read() {
    let start = |text: &str| {
        other(
            "content_block_start",
            &format!(
                r#","index":0,"content_block":{{"type":"bash_code_execution_tool_result","tool_use_id":"SECRET","content":{{"stdout":"{text}","return_code":0,"content":[{{"file_id":"SECRET"}}]}}}}"#
            ),
        )
    };
    let mut rule = Rule::new("SECRET", Does::Replace("[x]".into()));
    let (out, _) = through(&mut rule, [start("my SECRET").as_bytes()]);
    assert_eq!(out, start("my [x]"), "the ids stay");
    let begun = |text: &str| {
        other(
            "content_block_start",
            &format!(r#","index":0,"content_block":{{"type":"text","text":"{text}"}}"#),
        )
    };
    let stream = begun("a SEC") + &delta(0, "RET");
    let (out, _) = through(&mut rule, [stream.as_bytes()]);
    assert_eq!(
        out,
        begun("a ") + &delta(0, "[x]"),
        "with the deltas behind it"
    );
}

#[test]
fn a_stream_ends_as_a_refusal_of_the_model_would() {
    let stream = other(
        "content_block_start",
        r#","index":3,"content_block":{"type":"text","text":""}"#,
    ) + &delta(3, "fine ")
        + &delta(3, "SECRET");
    let (out, ended) = through(&mut Rule::new("SECRET", Does::Stop), [stream.as_bytes()]);
    assert!(ended.is_err(), "it stopped");
    let end = out.strip_prefix(stream.strip_suffix(&delta(3, "SECRET")).unwrap());
    let wanted = other("content_block_stop", r#","index":3"#)
        + &other(
            "message_delta",
            r#","delta":{"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":null,"explanation":"told \"why\""}},"usage":{"output_tokens":7}"#,
        )
        + &other("message_stop", "");
    assert_eq!(end, Some(&*wanted), "{out}");
}
