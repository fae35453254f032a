//! The head of an edited body says what a scan of the bytes that are sent says.

use bytes::Bytes;
use witgate_messages::head::Head;
use witgate_messages::splice::{Edit, EditError, splice};

const BODY: &str = r#"{"model":"claude-haiku-4-5", "vmx" : {"a":1},"max_tokens":5,"stream":false,
    "tools":[{"name":"Read"}],"metadata":{"user_id":"u"},"messages":[{"role":"user","content":"hello"}]}"#;

fn head() -> Head {
    Head::scan(Bytes::from_static(BODY.as_bytes())).unwrap()
}

fn set(name: &str, json: &str) -> Edit {
    Edit::Set(name.to_owned(), json.to_owned())
}

/// All facts of a head.
fn facts(head: &Head) -> String {
    let members = [
        "model",
        "vmx",
        "max_tokens",
        "system",
        "temperature",
        "tools",
    ];
    let members: Vec<_> = members.iter().map(|name| head.member(name)).collect();
    let tools: Vec<_> = head.tools().map(String::from).collect();
    format!(
        "{:?} {} {:?} {} {} {tools:?} {:?} {} {} {members:?}",
        head.model(),
        head.stream(),
        head.max_tokens(),
        head.message_count(),
        head.tool_count(),
        head.user_id(),
        head.prompt_tokens(),
        head.sent_len(),
    )
}

#[test]
fn an_edited_head_says_what_the_bytes_that_are_sent_say() {
    let remove = |name: &str| Edit::Remove(name.to_owned());
    let cases = [
        vec![],
        vec![remove("vmx")],
        vec![remove("model"), remove("tools"), remove("metadata")],
        vec![set("model", r#""claude-op\u0075s""#), set("stream", "true")],
        vec![set("model", r#" "padded" "#), set("temperature", "0.5")],
        vec![set("max_tokens", "1000"), set("max_tokens", "7")],
        vec![set("tools", r#"[{"name":"Bash"},{"name":"Edit"}]"#)],
        vec![set("messages", "[]"), set("system", r#""be brief""#)],
        vec![
            set("metadata", r#"{"user_id":"v\n"}"#),
            remove("max_tokens"),
        ],
        vec![set("system", r#""gone again""#), remove("system")],
        vec![remove("model"), set("model", r#""back""#)],
        vec![set("model", "null"), set("metadata", "null")],
    ];
    for edits in cases {
        let edited = head().edited(&edits).unwrap();
        let sent = edited.sent().into_bytes();
        assert_eq!(
            sent,
            splice(&head(), &edits).unwrap().into_bytes(),
            "{edits:?}: what is sent is what splicing gives"
        );
        let scanned = Head::scan(sent).unwrap();
        assert_eq!(facts(&edited), facts(&scanned), "{edits:?}");
        assert_eq!(edited.body(), BODY, "{edits:?}: the body stays");
    }
}

#[test]
fn edits_of_an_edited_head_come_after_those_that_it_has() {
    let first = head().edited(&[set("model", r#""a""#)]).unwrap();
    let both = [set("model", r#""b""#), Edit::Remove("vmx".to_owned())];
    let second = first.edited(&both).unwrap();
    assert_eq!(second.model().as_deref(), Some("b"), "the last one counts");
    let spliced = splice(&first, &both).unwrap();
    assert_eq!(
        spliced.into_bytes(),
        second.sent().into_bytes(),
        "a splice of an edited head begins with its edits"
    );
}

#[test]
fn an_edit_that_policy_could_not_read_is_refused_with_its_member() {
    for (name, json, told) in [
        ("model", "{not json", "is not JSON"),
        ("model", "1", "`model` must be a string"),
        ("stream", r#""yes""#, "`stream` must be a boolean"),
        (
            "max_tokens",
            r#""many""#,
            "`max_tokens` must be a whole number",
        ),
        ("messages", "{}", "`messages` must be an array"),
        (
            "metadata",
            r#"{"user_id":"a","user_id":"b"}"#,
            "`user_id` appears twice",
        ),
    ] {
        let error: EditError = head().edited(&[set(name, json)]).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(told) && error.contains(&format!("`{name}`")),
            "{name} = {json}: {error}"
        );
    }
}
