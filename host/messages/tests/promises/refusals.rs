//! Refusals of the scan, with position and reason.

use bytes::Bytes;
use witgate_messages::head::{MAX_DEPTH, MAX_MEMBERS, MAX_NAME};
use witgate_messages::{Head, MalformedKind};

fn refusal(document: &[u8]) -> (usize, MalformedKind) {
    let error = Head::scan(Bytes::copy_from_slice(document))
        .map(|head| head.into_body())
        .expect_err(&format!("refused: {}", String::from_utf8_lossy(document)));
    assert!(
        error
            .to_string()
            .contains(&format!("byte {}", error.offset)),
        "the client learns where: {error}"
    );
    (error.offset, error.kind)
}

#[test]
fn what_is_no_request_is_refused_at_its_first_wrong_byte() {
    use MalformedKind::*;
    let table: &[(&[u8], usize, MalformedKind)] = &[
        (b"", 0, Truncated),
        (b"  ", 2, Truncated),
        (b"[]", 0, NotAnObject),
        (b" 7", 1, NotAnObject),
        (b"\xef\xbb\xbf{}", 0, NotAnObject),
        (b"{}x", 2, TrailingBytes),
        (b"{} {}", 3, TrailingBytes),
        (b"{", 1, Truncated),
        (b"{\"a", 3, UnterminatedString),
        (b"{\"a\"", 4, Truncated),
        (b"{\"a\":", 5, Truncated),
        (b"{\"a\":tr", 7, Truncated),
        (b"{\"a\":1", 6, Truncated),
        (b"{\"a\":-", 6, Truncated),
        (b"{\"a\":[{\"b\":\"", 12, UnterminatedString),
        (b"{\"a\" 1}", 5, MissingColon),
        (b"{\"a\":1 \"b\":2}", 7, MissingComma),
        (b"{\"a\":1,}", 7, TrailingComma),
        (b"{,}", 1, MissingName),
        (b"{a:1}", 1, MissingName),
        (b"{\"a\":}", 5, BadValue),
        (b"{\"a\":trve}", 5, BadValue),
        (b"{\"a\":01}", 6, MissingComma),
        (b"{\"a\":+1}", 5, BadValue),
        (b"{\"a\":1.}", 5, BadValue),
        (b"{\"a\":1e}", 5, BadValue),
        (b"{\"a\":NaN}", 5, BadValue),
        (b"{\"a\":\"\\q\"}", 6, BadEscape),
        (b"{\"a\":\"\\u12g4\"}", 6, BadEscape),
        (b"{\"a\":\"\n\"}", 6, ControlCharacter),
        (b"{\"a\":[\"x\ty\"]}", 8, ControlCharacter),
        (b"{\"a\":[\\\"]}", 6, StrayBackslash),
        (b"{\"a\":[}]", 6, Unbalanced),
        (b"{\"a\":{]}", 6, Unbalanced),
        (b"{\"a\":1]", 6, MissingComma),
        (b"{\"a\":\"\xff\"}", 6, InvalidUtf8),
        (b"{\"a\":\"\xc3", 7, Truncated),
        (b"{\"\\ud800\":1}", 2, LoneSurrogate),
        (b"{\"model\":\"x\\udc00\"}", 11, LoneSurrogate),
        (
            b"{\"metadata\":{\"user_id\":\"\\ud800\\u0041\"}}",
            24,
            LoneSurrogate,
        ),
    ];
    for (document, offset, kind) in table {
        assert_eq!(
            refusal(document),
            (*offset, kind.clone()),
            "{}",
            String::from_utf8_lossy(document)
        );
    }
}

#[test]
fn a_member_that_comes_twice_is_refused_under_any_spelling() {
    for document in [
        r#"{"model":"a","model":"a"}"#,
        r#"{"model":"a","\u006dodel":"b"}"#,
        r#"{"mode\u006C":"a","\u006dodel":"b"}"#,
        r#"{"stream":true,"x":1,"s\u0074ream":false}"#,
        r#"{"vmx":{},"v\u006Dx":{}}"#,
        r#"{"x\/":1,"x/":1}"#,
        r#"{"metadata":{"user_id":"a","user\u005fid":"b"}}"#,
    ] {
        let (_, kind) = refusal(document.as_bytes());
        assert!(
            matches!(kind, MalformedKind::Duplicate { .. }),
            "{document}: {kind}"
        );
    }
}

#[test]
fn a_policy_member_of_a_type_that_it_cannot_have_is_named_and_left_to_the_upstream() {
    for (document, member, kind) in [
        (r#"{"model":7}"#, "model", "number"),
        (r#"{"model":["a"]}"#, "model", "array"),
        (r#"{"stream":"true"}"#, "stream", "string"),
        (r#"{"stream":1}"#, "stream", "number"),
        (r#"{"max_tokens":-1}"#, "max_tokens", "number"),
        (r#"{"max_tokens":1.5}"#, "max_tokens", "number"),
        (r#"{"max_tokens":"1"}"#, "max_tokens", "string"),
        (
            r#"{"max_tokens":18446744073709551616}"#,
            "max_tokens",
            "number",
        ),
        (r#"{"messages":{}}"#, "messages", "object"),
        (r#"{"messages":"x"}"#, "messages", "string"),
        (r#"{"tools":true}"#, "tools", "boolean"),
    ] {
        let head = Head::scan(Bytes::from_static(document.as_bytes())).unwrap();
        let unread: Vec<_> = head
            .unread()
            .iter()
            .map(|it| (it.member, it.kind))
            .collect();
        assert_eq!(unread, [(member, kind)], "{document}");
        assert!(head.is_unread(member), "{document}");
        let read = (head.model(), head.stream(), head.max_tokens());
        assert_eq!(read, (None, false, None), "{document}: nothing is read");
        assert_eq!(
            (head.message_count(), head.tool_count()),
            (0, 0),
            "{document}"
        );
    }
    for (document, user_id) in [
        (r#"{"metadata":[]}"#, None),
        (r#"{"metadata":{"user_id":7}}"#, None),
        (r#"{"metadata":{"a":1,"a":2,"user_id":"x"}}"#, Some("x")),
        (
            r#"{"metadata":{"a":{"user_id":"y"},"user_id":"x"}}"#,
            Some("x"),
        ),
    ] {
        let head = Head::scan(Bytes::from_static(document.as_bytes())).unwrap();
        assert_eq!(head.user_id().as_deref(), user_id, "{document}");
    }
}

#[test]
fn whole_numbers_are_the_same_however_they_are_written() {
    for text in ["64", "64.0", "6.4e1", "640E-1", "0.64e+2"] {
        let document = format!("{{\"max_tokens\":{text}}}");
        let head = Head::scan(document.into()).unwrap();
        assert_eq!(head.max_tokens(), Some(64), "{text}");
        assert!(head.unread().is_empty(), "{text} is read");
    }
}

#[test]
fn limits_are_kept_to_the_last_step() {
    let nested = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(
        Head::scan(nested(MAX_DEPTH).into()).is_ok(),
        "the deepest nesting passes"
    );
    assert_eq!(
        refusal(nested(MAX_DEPTH + 1).as_bytes()),
        (5 + MAX_DEPTH, MalformedKind::TooDeep),
        "one deeper"
    );

    let members = |count: usize| {
        let members: Vec<_> = (0..count).map(|n| format!(r#""m{n}":{n}"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(
        Head::scan(members(MAX_MEMBERS).into()).is_ok(),
        "the most members pass"
    );
    assert_eq!(
        refusal(members(MAX_MEMBERS + 1).as_bytes()).1,
        MalformedKind::TooManyMembers,
        "one more"
    );

    let named = |length: usize| format!(r#"{{"{}":1}}"#, "n".repeat(length));
    assert!(
        Head::scan(named(MAX_NAME).into()).is_ok(),
        "the longest name passes"
    );
    assert_eq!(
        refusal(named(MAX_NAME + 1).as_bytes()),
        (1, MalformedKind::NameTooLong),
        "one longer"
    );
}
