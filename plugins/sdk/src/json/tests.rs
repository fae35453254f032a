use super::{Json, parse};

#[test]
fn a_value_is_read_and_written_as_serde_json_does() {
    for text in [
        "null",
        " true ",
        "[false,\t0, -1, 1.5e+3]",
        r#"{"a": {"b": []}, "c": "d\"\\\/\n\r\t\b\f", "é": "\u00e9\ud83d\ude00", "": {}}"#,
        "18446744073709551615",
        "\"\u{7f}\"",
    ] {
        let ours = parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        let theirs: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let again: serde_json::Value =
            serde_json::from_str(&ours.to_string()).expect("what is written is JSON");
        assert_eq!(again, theirs, "{text} became {ours}");
    }
}

#[test]
fn a_text_that_is_not_json_is_refused_with_its_place() {
    for (text, at) in [
        ("", 0),
        ("nul", 3),
        ("01", 1),
        ("-", 1),
        ("1.", 2),
        ("1e", 2),
        ("+1", 0),
        ("[1,]", 3),
        ("[1 2]", 3),
        ("{\"a\" 1}", 5),
        ("{a: 1}", 1),
        ("{} {}", 3),
        ("\"a", 2),
        ("\"\n\"", 1),
        (r#""\x""#, 2),
        (r#""\ud800""#, 7),
        (r#""\ud800\u0041""#, 13),
        (r#""\udc00""#, 7),
    ] {
        let wrong = parse(text).expect_err(text);
        assert_eq!(
            wrong.to_string(),
            format!("not JSON from byte {at} on"),
            "{text}"
        );
        assert!(
            serde_json::from_str::<serde_json::Value>(text).is_err(),
            "{text} is JSON"
        );
    }
}

#[test]
fn deep_nesting_is_refused_before_it_takes_the_stack() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(&nested(128)).is_ok(), "128 deep");
    assert!(parse(&nested(129)).is_err(), "129 deep");
    assert!(parse(&"[".repeat(1_000_000)).is_err(), "a million deep");
}

#[test]
fn members_and_numbers_are_asked_for_by_type() {
    let value = parse(r#"{"a": 1, "b": "x", "a": 2, "f": 1.0, "n": -1}"#).expect("JSON");
    assert_eq!(value.get("a").and_then(Json::as_u64), Some(2), "the last");
    assert_eq!(value.get("b").and_then(Json::as_str), Some("x"), "a text");
    assert_eq!(value.get("c"), None, "absent");
    for name in ["b", "f", "n"] {
        let number = value.get(name).and_then(Json::as_u64);
        assert_eq!(number, None, "{name} is not a whole number");
    }
}
