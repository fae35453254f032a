//! Request smuggling: whatever a client writes, nothing reaches the upstream that another reader of the same bytes would
//! not have seen. Each attack carries a whole second request with a good key, so that it would be forwarded if anybody
//! took it for one.

use serde_json::json;

use crate::harness::{GatewayBuilder, TestGateway, Upstream};

const BODY: &str = r#"{"model":"m","max_tokens":5,"messages":[]}"#;

async fn gate() -> (TestGateway, Upstream) {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .extra("[limits]\nbody_timeout_ms = 500\nhead_timeout_ms = 2000\n")
        .start()
        .await;
    (gate, upstream)
}

/// The request that nobody may find.
fn hidden(gate: &TestGateway) -> String {
    format!(
        "POST /v1/messages HTTP/1.1\r\nHost: hidden.test\r\nx-api-key: {}\r\nContent-Length: {}\r\n\r\n{BODY}",
        gate.key(),
        BODY.len()
    )
}

/// A request with these lines in its head, and then these bytes.
fn request(gate: &TestGateway, lines: &str, rest: &str) -> Vec<u8> {
    format!(
        "POST /v1/messages HTTP/1.1\r\nHost: gateway.test\r\nx-api-key: {}\r\n{lines}\r\n{rest}",
        gate.key()
    )
    .into_bytes()
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// Sends bytes that have to be refused, with the hidden request behind them, and looks at what came of it.
async fn refuses(gate: &TestGateway, upstream: &Upstream, name: &str, mut bytes: Vec<u8>) {
    bytes.extend_from_slice(hidden(gate).as_bytes());
    let mut client = gate.client().await;
    client.try_write(&bytes).await;
    let said = client.until_closed().await;
    let text = String::from_utf8_lossy(&said);
    assert!(
        said.is_empty() || text.starts_with("HTTP/1.1 4"),
        "{name}: refused, or closed: {text}"
    );
    assert_eq!(
        text.matches("HTTP/1.1 ").count(),
        usize::from(!said.is_empty()),
        "{name}: one answer at most: {text}"
    );
    if text.starts_with("HTTP/1.1 400") {
        assert!(
            text.contains(r#"{"type":"error","error":{"type":"invalid_request_error""#),
            "{name}: in Anthropic's shape: {text}"
        );
    }
    assert!(
        upstream.requests().is_empty(),
        "{name}: nothing is forwarded, but this was: {:?}",
        upstream.requests()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_with_two_ends_is_refused() {
    let (gate, upstream) = gate().await;
    let length = format!("Content-Length: {}\r\n", BODY.len());
    let te = "Transfer-Encoding: chunked\r\n";
    for (name, lines) in [
        ("CL.TE", format!("{length}{te}")),
        ("TE.CL", format!("{te}{length}")),
        (
            "TE.CL in lower case",
            "transfer-encoding: CHUNKED\r\ncontent-length: 4\r\n".to_owned(),
        ),
        ("TE with CL 0", format!("{te}Content-Length: 0\r\n")),
        ("two lengths", format!("{length}Content-Length: 3\r\n")),
        ("the same length twice", format!("{length}{length}")),
        (
            "a list of lengths",
            format!("Content-Length: {0}, {0}\r\n", BODY.len()),
        ),
    ] {
        refuses(
            &gate,
            &upstream,
            name,
            request(&gate, &lines, &chunked(BODY)),
        )
        .await;
        refuses(&gate, &upstream, name, request(&gate, &lines, BODY)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_encoding_that_is_not_plainly_chunked_is_refused() {
    let (gate, upstream) = gate().await;
    for coding in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: ",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chun\x00ked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer Encoding: chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n\tTransfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: chunked\r\n identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
    ] {
        let lines = format!("{coding}\r\n");
        refuses(
            &gate,
            &upstream,
            coding,
            request(&gate, &lines, &chunked(BODY)),
        )
        .await;
        let lines = format!("{coding}\r\nContent-Length: {}\r\n", BODY.len());
        refuses(&gate, &upstream, coding, request(&gate, &lines, BODY)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_not_a_plain_number_is_refused() {
    let (gate, upstream) = gate().await;
    for length in [
        "-1",
        "+42",
        "0x2a",
        "42 0",
        "4 2",
        "42.0",
        "4_2",
        "",
        "\t",
        "42\x0b",
        "42,",
        ",42",
        "1e1",
        "18446744073709551616",
        "99999999999999999999999999",
        "4\x002",
        "\u{664}\u{662}",
    ] {
        let lines = format!("Content-Length: {length}\r\n");
        refuses(&gate, &upstream, &lines, request(&gate, &lines, BODY)).await;
    }
    for lines in [
        format!("Content-Length : {}\r\n", BODY.len()),
        format!("Content-Length:\r\n {}\r\n", BODY.len()),
    ] {
        refuses(&gate, &upstream, &lines, request(&gate, &lines, BODY)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_whose_lines_can_be_read_in_two_ways_is_refused() {
    let (gate, upstream) = gate().await;
    let length = format!("Content-Length: {}\r\n", BODY.len());
    for line in [
        "X-A: 1\nX-B: 2\r\n",
        "X-A: 1\rX-B: 2\r\n",
        "X-A: 1\r\r\n",
        "X-A: a\x00b\r\n",
        "X-A : 1\r\n",
        ": 1\r\n",
        "X A: 1\r\n",
        "X-A\r\n",
        "X-A: 1\r\n folded\r\n",
        "X-\x00A: 1\r\n",
        "X-A: 1\n",
        "(X): 1\r\n",
    ] {
        let lines = format!("{line}{length}");
        refuses(&gate, &upstream, line, request(&gate, &lines, BODY)).await;
    }
    let bare = String::from_utf8(request(&gate, &length, "")).unwrap();
    let bare = bare.replace("\r\n", "\n") + BODY;
    refuses(&gate, &upstream, "all lines end bare", bare.into_bytes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_and_hosts_that_disagree_are_refused() {
    let (gate, upstream) = gate().await;
    let rest = format!(
        "x-api-key: {}\r\nContent-Length: {}\r\n\r\n{BODY}",
        gate.key(),
        BODY.len()
    );
    for start in [
        "POST /v1/messages HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n",
        "POST /v1/messages HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n",
        "POST http://evil.test/v1/messages HTTP/1.1\r\nHost: gateway.test\r\n",
        "POST //evil.test/v1/messages HTTP/1.1\r\nHost: gateway.test\r\n",
        "POST /v1/messages HTTP/1.1\r\nHost: a@gateway.test\r\n",
        "POST  /v1/messages HTTP/1.1\r\nHost: gateway.test\r\n",
        "POST /v1/messages HTTP/1.1 HTTP/1.1\r\nHost: gateway.test\r\n",
        "POST /v1/messages\r\nHost: gateway.test\r\n",
        "POST /v1/messages HTTP/1.2\r\nHost: gateway.test\r\n",
        "POST /v1/messages HTTP/2.0\r\nHost: gateway.test\r\n",
        "PO ST /v1/messages HTTP/1.1\r\nHost: gateway.test\r\n",
        "CONNECT gateway.test:80 HTTP/1.1\r\nHost: gateway.test:80\r\n",
    ] {
        let mut client = gate.client().await;
        client
            .write(format!("{start}Connection: close\r\n{rest}").as_bytes())
            .await;
        let said = client.until_closed().await;
        let text = String::from_utf8_lossy(&said);
        assert!(
            said.is_empty() || text.starts_with("HTTP/1.1 4"),
            "{start:?} is refused: {text}"
        );
        assert!(upstream.requests().is_empty(), "{start:?} is not forwarded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_are_not_framed_plainly_are_refused() {
    let (gate, upstream) = gate().await;
    let te = "Transfer-Encoding: chunked\r\n";
    let size = format!("{:x}", BODY.len());
    for (name, body) in [
        ("a size with 0x", format!("0x{size}\r\n{BODY}\r\n0\r\n\r\n")),
        (
            "a size with a sign",
            format!("+{size}\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        ("a negative size", format!("-1\r\n{BODY}\r\n0\r\n\r\n")),
        ("a size of no digits", format!("\r\n{BODY}\r\n0\r\n\r\n")),
        (
            "a last chunk without a size",
            format!("{size}\r\n{BODY}\r\n\r\n\r\n"),
        ),
        ("garbage for a size", format!("xyz\r\n{BODY}\r\n0\r\n\r\n")),
        (
            "a size in front of a space",
            format!(" {size}\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        (
            "a size past any machine's",
            format!("1{}\r\n{BODY}\r\n0\r\n\r\n", "0".repeat(16)),
        ),
        (
            "a size that ends bare",
            format!("{size}\n{BODY}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk longer than its size",
            format!("5\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk without its end",
            format!("{size}\r\n{BODY}0\r\n\r\n"),
        ),
        (
            "a chunk that ends bare",
            format!("{size}\r\n{BODY}\n0\r\n\r\n"),
        ),
    ] {
        refuses(&gate, &upstream, name, request(&gate, te, &body)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_both_readings_agree_on_is_forwarded_once_in_a_form_of_the_gateways_own() {
    let (gate, upstream) = gate().await;
    let length = format!("Content-Length: {}\r\n", BODY.len());
    let size = format!("{:x}", BODY.len());
    let padded = format!("Content-Length: \t {} \t\r\n", BODY.len());
    let zeros = format!("Content-Length: 000{}\r\n", BODY.len());
    let te = "Transfer-Encoding: chunked\r\n";
    for (name, lines, rest) in [
        ("a length", length.as_str(), BODY.to_owned()),
        ("white space around a length", &padded, BODY.to_owned()),
        ("zeros before a length", &zeros, BODY.to_owned()),
        ("chunks", te, chunked(BODY)),
        (
            "a tab before the coding",
            "Transfer-Encoding:\tchunked\r\n",
            chunked(BODY),
        ),
        (
            "upper case",
            "TRANSFER-ENCODING: CHUNKED\r\n",
            chunked(BODY),
        ),
        (
            "zeros before a size",
            te,
            format!("000{size}\r\n{BODY}\r\n000\r\n\r\n"),
        ),
        (
            "an extension",
            te,
            format!("{size};a=b\r\n{BODY}\r\n0;c\r\n\r\n"),
        ),
        (
            "an extension with the end of a line in it",
            te,
            format!("{size};\nff\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        (
            "trailers",
            te,
            format!("{size}\r\n{BODY}\r\n0\r\nContent-Length: 3\r\nX: y\r\n\r\n"),
        ),
    ] {
        let before = upstream.requests().len();
        let mut client = gate.client().await;
        let mut bytes = request(&gate, lines, &rest);
        bytes.extend_from_slice(hidden(&gate).as_bytes());
        client.write(&bytes).await;
        // Behind a length comes the next request. Behind chunks, on whose end readers differ, comes nothing.
        let served = if rest == BODY { 2 } else { 1 };
        for _ in 0..served {
            let response = client.receive().await;
            assert_eq!(response.status, 200, "{name}: {}", response.text());
        }
        if served == 1 {
            assert!(client.closed().await, "{name}: the connection ends");
        }
        let arrived = upstream.requests().split_off(before);
        assert_eq!(arrived.len(), served, "{name}: forwarded");
        for request in arrived {
            assert_eq!(request.body, BODY.as_bytes(), "{name}: the body");
            let lengths: Vec<_> = request.headers.all("content-length").collect();
            assert_eq!(lengths, [BODY.len().to_string()], "{name}: one length");
            assert_eq!(
                request.headers.get("transfer-encoding"),
                None,
                "{name}: and no coding"
            );
            assert_eq!(request.headers.get("x"), None, "{name}: and no trailers");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_a_body_is_never_part_of_it() {
    let (gate, upstream) = gate().await;
    let mut client = gate.client().await;
    let length = format!("Content-Length: {}\r\n", BODY.len());
    client
        .write(&request(&gate, &length, &format!("{BODY}GARBAGE\r\n\r\n")))
        .await;
    let said = client.until_closed().await;
    let text = String::from_utf8_lossy(&said);
    assert!(text.starts_with("HTTP/1.1 200"), "the request: {text}");
    assert_eq!(text.matches("HTTP/1.1 400").count(), 1, "the rest: {text}");
    let arrived = upstream.requests();
    assert_eq!(arrived.len(), 1, "one request");
    assert_eq!(
        arrived[0].json(),
        json!({"model": "m", "max_tokens": 5, "messages": []})
    );
}
