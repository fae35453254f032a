//! Heads of answers, and the bodies that they announce.

use super::*;

fn head(text: &str) -> pingora_core::Result<ResponseHeader> {
    let parsed = parse(text.as_bytes())?;
    Ok(parsed.expect("a whole head").1)
}

fn body_of(text: &str, to: AnswerTo) -> Option<Rest> {
    rest(&head(text).ok()?, to).ok()
}

#[test]
fn a_head_keeps_the_order_and_the_case_of_its_headers() {
    let text = "HTTP/1.1 200 Fine\r\nx-B: 1\r\nA: two \r\nx-b: 3\r\nfolded: a\r\n  b\r\n\r\nbody";
    let (length, head) = parse(text.as_bytes())
        .expect("it is valid")
        .expect("it is whole");
    assert_eq!(length, text.len() - "body".len(), "the head alone");
    let names = head.case_header_iter().map(|(name, _)| name.as_slice());
    let names: Vec<_> = names.map(String::from_utf8_lossy).collect();
    let values: Vec<_> = head
        .headers
        .values()
        .map(|value| value.to_str().expect("text"))
        .collect();
    assert_eq!(
        names,
        ["x-B", "x-b", "A", "folded"],
        "those of one name together"
    );
    assert_eq!(values, ["1", "3", "two", "a b"]);
    assert_eq!(head.get_reason_phrase(), Some("Fine"));
    for end in 0..length {
        let part = parse(text.as_bytes().get(..end).expect("a part"));
        assert!(
            part.is_ok_and(|head| head.is_none()),
            "{end} bytes are no head"
        );
    }
}

#[test]
fn the_body_is_framed_by_the_head_and_the_request() {
    use Rest::{Chunks, Length, UntilClose};
    for (headers, wanted) in [
        ("", Some(UntilClose)),
        ("Content-Length: 7\r\n", Some(Length(7))),
        (
            "Content-Length: 7\r\nContent-Length: 7, 7\r\n",
            Some(Length(7)),
        ),
        ("Content-Length: 7\r\nContent-Length: 8\r\n", None),
        ("Content-Length: +7\r\n", None),
        ("Content-Length: \r\n", None),
        ("Content-Length: 99999999999999999999\r\n", None),
        ("Transfer-Encoding: chunked\r\n", Some(Chunks(Chunk::Size))),
        (
            "Transfer-Encoding: gzip, Chunked\r\n",
            Some(Chunks(Chunk::Size)),
        ),
        ("Transfer-Encoding: chunked, gzip\r\n", Some(UntilClose)),
        (
            "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
            Some(Chunks(Chunk::Size)),
        ),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
        assert_eq!(body_of(&text, AnswerTo::Other), wanted, "{headers}");
    }
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    assert_eq!(body_of(text, AnswerTo::Head), Some(Length(0)), "of a HEAD");
    for status in ["204", "304", "103"] {
        let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 7\r\n\r\n");
        assert_eq!(body_of(&text, AnswerTo::Other), Some(Length(0)), "{status}");
    }
}

#[test]
fn a_connection_stays_open_only_if_both_sides_know_the_end_of_the_answer() {
    for (head_text, stays) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", true),
        ("HTTP/1.1 200 OK\r\n", false),
        ("HTTP/1.1 204 OK\r\n", true),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, Close\r\n",
            false,
        ),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n", false),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n",
            true,
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
            false,
        ),
    ] {
        let head = head(&format!("{head_text}\r\n")).expect("it is valid");
        assert_eq!(stays_open(&head, AnswerTo::Other), stays, "{head_text}");
    }
}

#[test]
fn what_is_no_head_is_refused() {
    for text in [
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        "HTTP/1.1 099 X\r\n\r\n",
    ] {
        let refused = parse(text.as_bytes()).expect_err(text);
        assert_eq!(*refused.etype(), ErrorType::InvalidHTTPHeader, "{text}");
    }
}
