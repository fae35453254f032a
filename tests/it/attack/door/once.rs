//! Headers that two readers could read differently: the gateway reads what the upstream reads, or refuses.

use super::gate;
use crate::harness::{Http2Client, Request, TestGateway, compressed};

const BODY: &str = r#"{"model":"m","max_tokens":5,"messages":[]}"#;

fn asking(gate: &TestGateway) -> Request {
    gate.keyed(Request::new("POST", "/v1/messages"))
        .header("Host", "gateway.test")
        .body(BODY)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_takes_no_header_away_that_the_gateway_has_read() {
    let (gate, upstream) = gate().await;
    let packed = asking(&gate)
        .header("Content-Encoding", "gzip")
        .body(compressed("gzip", BODY.as_bytes()));
    let dressed = asking(&gate)
        .header("Content-Type", "application/json")
        .header("Authorization", "Bearer x")
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "a-1")
        .header("x-vmx-correlation-id", "c")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-team", "blue");
    for (request, named) in [
        (&packed, "content-encoding"),
        (&packed, "close, Content-Encoding"),
        (&packed, "Keep-Alive,content-length"),
        (&dressed, "content-type"),
        (&dressed, "authorization"),
        (&dressed, "x-api-key"),
        (&dressed, "host"),
        (&dressed, "anthropic-version"),
        (&dressed, "anthropic-beta"),
        (&dressed, "x-vmx-correlation-id"),
        (&dressed, "x-forwarded-for"),
        (&dressed, "x-team"),
    ] {
        let request = request.clone().header("Connection", named);
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 400, "{named}: {}", response.text());
        assert!(
            response.text().contains("connection"),
            "{named}: it says what: {}",
            response.text()
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
    for fine in [
        "keep-alive",
        "close",
        "TE, keep-alive",
        "x-absent",
        "upgrade",
        "",
    ] {
        let request = dressed
            .clone()
            .header("TE", "trailers")
            .header("Connection", fine);
        assert_eq!(gate.ask(&request).await.status, 200, "{fine:?}");
    }
}

/// The headers of Java's `HttpClient` and of `curl --http2` over plain HTTP, and those that older clients and proxies name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_say_of_their_connection_is_served_and_ends_here() {
    let (gate, upstream) = gate().await;
    let said = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        (
            "HTTP2-Settings",
            "AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA",
        ),
    ];
    let older = [
        (
            "Connection",
            "TE, Trailer, keep-alive, Proxy-Connection, Proxy-Authorization",
        ),
        ("TE", "trailers"),
        ("Trailer", "x-sum"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic dXNlcjpwYXNz"),
    ];
    for headers in [&said[..], &older[..]] {
        let asking = headers.iter().fold(asking(&gate), |asking, (name, value)| {
            asking.header(name, value)
        });
        let mut client = gate.client().await;
        for turn in ["first", "second on the same connection"] {
            client.send(&asking).await;
            let response = client.receive().await;
            assert_eq!(response.status, 200, "{turn}: {}", response.text());
            let sent = upstream.requests().pop().unwrap();
            assert_eq!(sent.body, BODY.as_bytes(), "{turn}: the body is whole");
            for (name, value) in headers {
                let passed = sent.headers.get(name);
                assert_ne!(passed, Some(*value), "{turn}: {name} ends here");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_once_comes_once() {
    let (gate, upstream) = gate().await;
    let mut http2 = Http2Client::connect(gate.address()).await;
    for (name, first, second) in [
        ("content-encoding", "identity", "gzip"),
        ("content-encoding", "", "gzip"),
        ("content-type", "application/json", "text/plain"),
        ("anthropic-version", "2023-06-01", "2023-01-01"),
        ("authorization", "Bearer a", "Bearer b"),
        ("x-witgate-key", gate.key(), "b"),
        ("x-api-key", "a", "b"),
    ] {
        let request = asking(&gate)
            .without_header("x-api-key")
            .header("x-witgate-key", gate.key())
            .without_header(name)
            .header(name, first)
            .header(name, second);
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 400, "{name}: {}", response.text());
        assert!(response.text().contains(name), "{name}: it says which");
        let response = http2.ask(&request).await.unwrap();
        assert_eq!(response.status(), 400, "{name} over HTTP/2");
        assert!(response.text().contains(name), "{name} over HTTP/2");
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coding_that_is_no_word_is_refused_and_not_read_as_plain() {
    let (gate, upstream) = gate().await;
    for coding in ["\u{e9}", "gzip\u{e9}", "gzip,", ",", "gzip;q=1", "\"gzip\""] {
        let response = gate
            .ask(&asking(&gate).header("Content-Encoding", coding))
            .await;
        assert_eq!(response.status, 400, "{coding:?}: {}", response.text());
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}
