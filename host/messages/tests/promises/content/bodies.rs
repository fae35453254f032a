//! The texts of requests and of whole responses.

use proptest::prelude::*;
use serde_json::{Value, json};
use witgate_messages::Malformed;
use witgate_messages::content::{self, Cut, Kind, Message, Text};

type Found = Vec<(Kind, String)>;

fn of(text: &Text<'_>) -> (Kind, String) {
    (text.kind, text.decoded().into_owned())
}

fn messages(json: &str) -> Result<Found, Malformed> {
    let mut found = Vec::new();
    content::messages(json, |text| {
        found.push(of(&text));
        Ok::<_, Malformed>(())
    })?;
    Ok(found)
}

fn answer(json: &str) -> Found {
    let mut found = Vec::new();
    let read = content::answer(json.as_bytes(), |text| {
        found.push(of(&text));
        Ok::<_, Malformed>(())
    });
    assert_eq!(read, Ok(()), "{json}");
    found
}

fn pairs(list: &[(Kind, &str)]) -> Found {
    let pairs = list.iter().map(|(kind, text)| (*kind, (*text).to_owned()));
    pairs.collect()
}

#[test]
fn every_text_of_a_request_is_found_with_its_kind() {
    use Kind::{Assistant, System, ToolResult, User};
    let system = json!([{"type": "text", "text": "s1", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "s2"}]);
    let mut found = Vec::new();
    let read = content::system(&system.to_string(), |text| {
        found.push(of(&text));
        Ok::<_, Malformed>(())
    });
    assert_eq!(read, Ok(()), "a list of blocks");
    assert_eq!(found, pairs(&[(System, "s1"), (System, "s2")]));

    let list = json!([
        {"role": "user", "content": "u1"},
        {"content": [{"text": "a1", "type": "text"},
            {"type": "thinking", "thinking": "SIGNED", "signature": "x"},
            {"type": "redacted_thinking", "data": "SIGNED"},
            {"type": "tool_use", "id": "id", "name": "Bash", "input": {"command": "a2", "list": [1, "a3", {"deep": "a4"}]}},
        ], "role": "assistant"},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "id", "content": "r1"},
            {"type": "tool_result", "content": [{"type": "text", "text": "r2"}, {"type": "image", "source": {"type": "base64", "data": "QUJD"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "r3"}}]},
            {"type": "document", "title": "u2", "context": "u3", "source": {"type": "text", "data": "u4"}},
            {"type": "document", "source": {"type": "base64", "data": "QUJD"}},
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "u5"}]}},
            {"type": "search_result", "source": "https://x", "title": "u6", "content": [{"type": "text", "text": "u7"}]},
            {"type": "text", "text": "u8 \"🎉\"\n"},
        ]},
        {"role": "system", "content": "s3"},
        {"role": "assistant", "content": [{"type": "mcp_tool_result", "content": [{"type": "text", "text": "r4"}]},
            {"type": "bash_code_execution_tool_result", "content": {"type": "x", "stdout": "r5", "stderr": ""}}]},
    ]);
    let wanted = pairs(&[
        (User, "u1"),
        (Assistant, "a1"),
        (Assistant, "a2"),
        (Assistant, "a3"),
        (Assistant, "a4"),
        (ToolResult, "r1"),
        (ToolResult, "r2"),
        (ToolResult, "r3"),
        (User, "u2"),
        (User, "u3"),
        (User, "u4"),
        (User, "u5"),
        (User, "u6"),
        (User, "u7"),
        (User, "u8 \"🎉\"\n"),
        (System, "s3"),
        (ToolResult, "r4"),
        (ToolResult, "r5"),
    ]);
    assert_eq!(messages(&list.to_string()), Ok(wanted));
}

#[test]
fn no_spelling_hides_a_text() {
    for spelled in [
        r#"[{"role":"user","content":[{"t\u0079pe":"text","te\u0078t":"h\u0069"}]}]"#,
        r#" [ { "content" : [ { "text" : "hi" , "type" : "text" } ] , "role" : "user" } ] "#,
        r#"[{"role":"user","content":{"type":"text","text":"hi"}}]"#,
        r#"[{"role":"assistant","role":"user","content":"hi"}]"#,
        r#"[{"content":"hi"}]"#,
    ] {
        assert_eq!(
            messages(spelled),
            Ok(pairs(&[(Kind::User, "hi")])),
            "{spelled}"
        );
    }
    let twice = r#"[{"role":"user","content":"one","content":"two"}]"#;
    let both = pairs(&[(Kind::User, "one"), (Kind::User, "two")]);
    assert_eq!(messages(twice), Ok(both), "whichever a reader takes");
    for odd in [
        r#"[{"role":"user","content":"a"} {"role":"user","content":"b"}]"#,
        r#"[{"role":"user" "content":"a"}]"#,
        r#"[{"role":"user","content":[{"type":"text","text":"a"},]}]"#,
    ] {
        assert!(
            messages(odd).is_err(),
            "what can't be followed is an error: {odd}"
        );
    }
    let deep = format!(
        "[{{\"content\":{}\"a\"{}}}]",
        "[".repeat(40),
        "]".repeat(40)
    );
    assert!(
        messages(&deep).is_err(),
        "as is content below any level of the API"
    );
}

#[test]
fn texts_of_a_batch_are_found_with_the_number_of_their_request() {
    let list = json!([
        {"custom_id": "a", "params": {"system": "s", "messages": [{"role": "user", "content": "u"}]}},
        {"custom_id": "b", "params": {"messages": []}},
        {"custom_id": "c", "params": {"messages": [{"role": "user", "content": "v"}]}},
    ]);
    let mut found = Vec::new();
    let mut read = |sent: fn(&str) -> bool| {
        found.clear();
        let read = content::requests(&list.to_string(), sent, |index, text| {
            found.push((index, of(&text).1));
            Ok::<_, Malformed>(())
        });
        assert_eq!(read, Ok(()), "a list of requests");
        found.sort();
        found.clone()
    };
    let wanted = [(0, "s"), (0, "u"), (2, "v")].map(|(index, text)| (index, text.to_owned()));
    assert_eq!(read(|_| true), wanted);
    let without = read(|member| member != "system");
    assert_eq!(without, wanted[1..], "but for a member that is not sent");
}

#[test]
fn every_text_of_a_response_is_found_with_its_kind() {
    let message = json!({"id": "msg", "role": "assistant", "content": [
        {"type": "text", "text": "t1", "citations": [{"cited_text": "NO"}]},
        {"type": "thinking", "thinking": "th", "signature": "NO"},
        {"type": "tool_use", "id": "NO", "name": "NO", "input": {"a": "b"}},
        {"type": "tool_use", "id": "NO", "name": "NO", "input": {}},
        {"type": "web_search_tool_result", "content": [{"type": "web_search_result", "url": "NO", "title": "w", "encrypted_content": "NO"}]},
    ], "stop_reason": "end_turn"});
    let wanted = pairs(&[
        (Kind::Text, "t1"),
        (Kind::Thinking, "th"),
        (Kind::ToolInput, "{\"a\":\"b\"}"),
        (Kind::ServerToolResult, "w"),
    ]);
    assert_eq!(answer(&message.to_string()), wanted);
    let line = json!({"custom_id": "a", "result": {"type": "succeeded", "message": message}});
    let mut found = Vec::new();
    let read = content::result(line.to_string().as_bytes(), |text| {
        found.push(of(&text));
        Ok::<_, Malformed>(())
    });
    let wanted = (Ok(Message::Present), wanted);
    assert_eq!((read, found), wanted, "and in a batch's results");
    let errored = json!({"custom_id": "a", "result": {"type": "errored"}});
    let read = content::result(errored.to_string().as_bytes(), |_| Ok::<_, Malformed>(()));
    assert_eq!(read, Ok(Message::Absent), "an error has no message");
}

#[test]
fn changed_thinking_of_a_response_loses_its_signature() {
    let json = r#"{"content":[{"type":"thinking","thinking":"SECRET","signature":"Eq=="},{"type":"text","text":"t"}]}"#;
    let mut cuts = Vec::new();
    content::answer(json.as_bytes(), |text| {
        if text.kind == Kind::Thinking {
            cuts.extend(text.cuts("[x]"));
        }
        Ok::<_, Malformed>(())
    })
    .unwrap();
    let new = content::rewrite(json.as_bytes(), &mut cuts);
    let wanted = json.replace("SECRET", "[x]").replace("Eq==", "");
    assert_eq!(String::from_utf8(new).unwrap(), wanted);
}

/// A value with texts at any place.
fn value() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["", "a", "é🎉", "\"\\\n", "\u{1}", "SECRET"]);
    let text = text.prop_map(Value::from);
    let leaf = prop_oneof![text, Just(Value::Null), any::<i32>().prop_map(Value::from)];
    let name = prop::sample::select(vec![
        "type", "text", "content", "title", "x", "input", "source",
    ]);
    leaf.prop_recursive(4, 30, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..4)
                .prop_map(|list| list.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn texts_written_back_as_they_were_change_nothing_a_parser_sees(content in value()) {
        let list = json!([{"role": "user", "content": content}]);
        let json = list.to_string();
        let mut cuts: Vec<Cut> = Vec::new();
        let read = content::messages(&json, |text| {
            cuts.extend(text.cuts(&text.decoded()));
            Ok::<_, Malformed>(())
        });
        prop_assert_eq!(read, Ok(()));
        let new = content::rewrite(json.as_bytes(), &mut cuts);
        prop_assert_eq!(serde_json::from_slice::<Value>(&new).unwrap(), list);
        let same = content::rewrite(json.as_bytes(), &mut []);
        prop_assert_eq!(same, json.into_bytes());
    }
}
