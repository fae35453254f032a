//! Heads of answers, and the bodies that they announce.

use witgate_http::Chunk;

use super::*;

fn head(text: &str) -> ResponseHead {
    let parsed = ResponseHead::parse(text.as_bytes()).expect("it is valid");
    parsed.expect("a whole head").1
}

fn body_of(text: &str, to: AnswerTo) -> Option<Rest> {
    rest(&head(text), to).ok()
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
        let head = head(&format!("{head_text}\r\n"));
        assert_eq!(stays_open(&head, AnswerTo::Other), stays, "{head_text}");
    }
}
