use super::*;

fn headers(lines: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in lines {
        headers.add(name, value.as_bytes());
    }
    headers
}

fn text(headers: &Headers) -> String {
    let mut out = Vec::new();
    headers.write(&mut out);
    String::from_utf8(out).expect("they are texts")
}

#[test]
fn lines_keep_their_order_and_spelling() {
    let headers = headers(&[("X-Api-Key", "k"), ("accept", ""), ("X-API-key", "l")]);
    assert_eq!(
        text(&headers),
        "X-Api-Key: k\r\naccept: \r\nX-API-key: l\r\n"
    );
    let mut copy = Headers::default();
    for header in headers.iter() {
        copy.copy(header);
    }
    assert_eq!(text(&copy), text(&headers), "a copy is the same");
    copy.remove("x-api-key");
    assert_eq!(
        text(&copy),
        "accept: \r\n",
        "all lines of a name are removed"
    );
}

#[test]
fn names_are_found_in_any_spelling() {
    let headers = headers(&[("X-Api-Key", "k"), ("x-api-kex", "no"), ("X-API-key", "l")]);
    let all: Vec<_> = headers.get_all(&"x-api-key").map(Value::as_bytes).collect();
    assert_eq!(all, [b"k", b"l"]);
    assert_eq!(headers.get("x-api-key").and_then(Value::to_str), Some("k"));
    assert!(!headers.contains_key("x-api"), "a part of a name is none");
    assert!(headers.has_option("x-api-key", "l"), "any line may have it");
    assert!(headers.has_repeated());
}

#[test]
fn repeated_lines_fold_into_one() {
    let headers = headers(&[("A", "1"), ("b", "2"), ("a", "3")]);
    assert_eq!(text(&headers.folded()), "A: 1, 3\r\nb: 2\r\n");
}

#[test]
fn a_text_can_not_end_its_line() {
    let mut headers = Headers::default();
    headers.push_text("a", "1\r\nb: 2\0");
    assert_eq!(text(&headers), "a: 1b: 2\r\n");
}

#[test]
fn values_are_not_shown_to_debuggers() {
    let headers = headers(&[("X-Api-Key", "hidden")]);
    assert_eq!(format!("{headers:?}"), r#"["x-api-key"]"#);
    assert_eq!(format!("{:?}", headers.get("x-api-key")), "Some((6 bytes))");
}
