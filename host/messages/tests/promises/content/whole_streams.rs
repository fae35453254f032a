//! Any stream, cut anywhere: unchanged where no guard changed it, and as if its texts had been changed at once elsewhere.

use proptest::prelude::*;
use serde_json::Value;
use witgate_messages::content::Kind;
use witgate_messages::sse::{Frame, Framer};

use super::guards::{Does, Rule};
use super::through;
use crate::streams;

/// A block's text, by its index, and every other event in order.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    texts: Vec<(u64, String)>,
    others: Vec<Value>,
}

/// Reads a stream as a client does.
fn read(stream: &str) -> Seen {
    let mut seen = Seen::default();
    Framer::new().feed(stream.as_bytes(), |frame| {
        let Frame::Event(event) = frame else {
            panic!("no event is so large");
        };
        let data: Value = serde_json::from_slice(event.data).expect("events are JSON");
        let delta = &data["delta"];
        let text = ["text", "thinking", "partial_json"]
            .iter()
            .find_map(|name| delta[*name].as_str());
        let Some(text) = text else {
            seen.others.push(data);
            return;
        };
        let index = data["index"].as_u64().unwrap();
        match seen.texts.iter_mut().find(|(block, _)| *block == index) {
            Some((_, all)) => all.push_str(text),
            None => seen.texts.push((index, text.to_owned())),
        }
    });
    seen.texts.retain(|(_, text)| !text.is_empty());
    seen
}

/// A text as one of several spellings of a JSON string.
fn spelled(text: &str, spelling: u8) -> String {
    match spelling % 3 {
        0 => serde_json::to_string(text).unwrap(),
        1 => {
            let units = text.encode_utf16();
            let escapes: String = units.map(|unit| format!("\\u{unit:04x}")).collect();
            format!("\"{escapes}\"")
        }
        _ => serde_json::to_string(text).unwrap().replace('/', "\\/"),
    }
}

fn event(data: &str) -> String {
    let value: Value = serde_json::from_str(data).expect("events are JSON");
    format!(
        "event: {}\ndata: {data}\n\n",
        value["type"].as_str().unwrap()
    )
}

fn block(index: usize, kind: u8, texts: &[(String, u8)]) -> String {
    let (kind, member, start) = match kind % 3 {
        0 => ("text_delta", "text", r#"{"type":"text","text":""}"#),
        1 => (
            "input_json_delta",
            "partial_json",
            r#"{"type":"tool_use","id":"t","name":"n","input":{}}"#,
        ),
        _ => (
            "thinking_delta",
            "thinking",
            r#"{"type":"thinking","thinking":"","signature":""}"#,
        ),
    };
    let mut all = event(&format!(
        r#"{{"type":"content_block_start","index":{index},"content_block":{start}}}"#
    ));
    for (text, spelling) in texts {
        let text = spelled(text, *spelling);
        let delta = format!(r#"{{"type":"{kind}","{member}":{text}}}"#);
        all += &match spelling % 5 {
            // Other spellings of the same event.
            3 => event(&format!(
                r#"{{ "delta" : {delta}, "index":{index},"type":"content_block_delta"}}"#
            )),
            _ => event(&format!(
                r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#
            )),
        };
        if spelling % 7 == 0 {
            all += &event(r#"{"type": "ping"}"#);
        }
        if spelling % 7 == 1 {
            all += ": a comment\n\n";
        }
        if spelling % 7 == 2 {
            all += &event(&format!(
                r#"{{"type":"content_block_delta","index":{index},"delta":{{"type":"citations_delta","citation":{{"cited_text":"SECRET"}}}}}}"#
            ));
        }
    }
    all + &event(&format!(
        r#"{{"type":"content_block_stop","index":{index}}}"#
    ))
}

fn pieces() -> impl Strategy<Value = Vec<(u8, Vec<(String, u8)>)>> {
    let part = prop::sample::select(vec![
        "SEC", "RET", "SECRET", "S", "E", " ", "é", "🎉", "\n", "\"", "\\", "/", "\u{1}", "你好",
        "",
    ]);
    let text = prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat());
    let texts = prop::collection::vec((text, any::<u8>()), 0..8);
    prop::collection::vec((any::<u8>(), texts), 0..4)
}

fn stream(blocks: &[(u8, Vec<(String, u8)>)]) -> String {
    let mut all = event(r#"{"type":"message_start","message":{"content":[],"usage":{}}}"#);
    for (index, (kind, texts)) in blocks.iter().enumerate() {
        all += &block(index, *kind, texts);
    }
    all + &event(
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#,
    ) + &event(r#"{"type":"message_stop"}"#)
}

fn chunks<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}

#[test]
fn recorded_streams_pass_byte_for_byte_in_every_chunking() {
    for (name, stream) in streams::all() {
        for ends in ["\n", "\r\n", "\r"] {
            let stream = stream.replace('\n', ends);
            for does in [Does::Pass, Does::Replace("x".into())] {
                for size in 1..200 {
                    let mut rule = Rule::new("NOT THERE", does.clone());
                    let (out, _) = through(&mut rule, stream.as_bytes().chunks(size));
                    assert_eq!(out, stream, "{name} in chunks of {size}, {does:?}");
                }
            }
        }
    }
}

#[test]
fn a_guard_sees_the_texts_of_the_kinds_it_wants_and_the_end_once() {
    let stream = streams::agent();
    let mut rule = Rule::new("x", Does::Pass);
    rule.kinds = Some(vec![Kind::ToolInput, Kind::End]);
    let (out, _) = through(&mut rule, [stream.as_bytes()]);
    assert_eq!(out, stream, "unchanged");
    let piece = |kind, index, text: &str, last| (kind, index, text.to_owned(), last);
    let wanted = [
        piece(Kind::ToolInput, 0, "{\"command\": \"ls -l", false),
        piece(Kind::ToolInput, 0, "a\"}", false),
        piece(Kind::ToolInput, 0, "", true),
        piece(Kind::End, 1, "", true),
    ];
    assert_eq!(rule.asked, wanted, "nothing of the thinking");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn what_nobody_changes_leaves_as_it_came(
        blocks in pieces(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        hold in any::<bool>(),
    ) {
        let stream = stream(&blocks);
        let does = if hold { Does::HoldAll } else { Does::Pass };
        let (out, _) = through(&mut Rule::new("SECRET", does), chunks(stream.as_bytes(), &cuts));
        if hold {
            // Pings and comments don't wait.
            prop_assert_eq!(read(&out).texts, read(&stream).texts);
        } else {
            prop_assert_eq!(out, stream);
        }
    }

    #[test]
    fn a_word_is_replaced_wherever_it_is_cut(
        blocks in pieces(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        new in prop::sample::select(vec!["", "\"", "[redacted]", "🎉"]),
    ) {
        let stream = stream(&blocks);
        let mut rule = Rule::new("SECRET", Does::Replace(new.to_owned()));
        let (out, _) = through(&mut rule, chunks(stream.as_bytes(), &cuts));
        let mut wanted = read(&stream);
        for (_, text) in &mut wanted.texts {
            *text = text.replace("SECRET", new);
        }
        wanted.texts.retain(|(_, text)| !text.is_empty());
        let seen = read(&out);
        prop_assert_eq!(seen.texts, wanted.texts);
        let without_pings = |others: Vec<Value>| -> Vec<Value> {
            others.into_iter().filter(|event| event["type"] != "ping").collect()
        };
        prop_assert_eq!(without_pings(seen.others), without_pings(wanted.others));
        if !read(&stream).texts.iter().any(|(_, text)| text.contains("SECRET")) {
            prop_assert_eq!(out.len(), stream.len(), "no byte more or less");
        }
    }

    #[test]
    fn nothing_of_a_word_that_stops_the_stream_leaves(
        blocks in pieces(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream = stream(&blocks);
        let mut rule = Rule::new("SECRET", Does::Stop);
        let (out, ended) = through(&mut rule, chunks(stream.as_bytes(), &cuts));
        let before = read(&stream);
        let stops = before.texts.iter().any(|(_, text)| text.contains("SECRET"));
        prop_assert_eq!(ended.is_err(), stops);
        let seen = read(&out);
        for (index, text) in &seen.texts {
            let whole = &before.texts.iter().find(|(block, _)| block == index).unwrap().1;
            prop_assert!(whole.starts_with(text.as_str()), "a beginning: {text:?} of {whole:?}");
            let most = whole.find("SECRET").unwrap_or(whole.len());
            prop_assert!(text.len() <= most, "{text:?} of {whole:?}");
        }
        let count = |kind: &str| seen.others.iter().filter(|event| event["type"] == kind).count();
        prop_assert_eq!(count("content_block_start"), count("content_block_stop"));
        prop_assert_eq!(count("message_stop"), 1);
        prop_assert_eq!(count("message_delta"), 1);
    }
}
