//! Limits of request heads: their size, their lines, and the time that they have.

use crate::harness::{GatewayBuilder, TestGateway, Upstream};

const BODY: &str = r#"{"model":"m","max_tokens":5,"messages":[]}"#;

async fn gate() -> (TestGateway, Upstream) {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .extra("[limits]\nhead_bytes = 8192\nheaders = 30\nhead_timeout_ms = 2000\n")
        .start()
        .await;
    (gate, upstream)
}

fn request(gate: &TestGateway, lines: &str, rest: &str) -> Vec<u8> {
    format!(
        "POST /v1/messages HTTP/1.1\r\nHost: gateway.test\r\nx-api-key: {}\r\n{lines}\r\n{rest}",
        gate.key()
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_over_the_limits_are_431_and_the_connection_is_closed() {
    let (gate, upstream) = gate().await;
    let length = format!("Content-Length: {}\r\n", BODY.len());
    let large = format!("X-Large: {}\r\n{length}", "x".repeat(9000));
    let count = |lines: usize| -> String {
        let lines: String = (0..lines).map(|n| format!("X-{n}: 1\r\n")).collect();
        lines + &length
    };
    for (name, lines) in [
        ("a large head", large),
        ("many lines", count(40)),
        ("more lines than can be read", count(400)),
        (
            "a head larger than can be read",
            format!("X: {}\r\n", "x".repeat(2 << 20)),
        ),
    ] {
        let mut client = gate.client().await;
        client.try_write(&request(&gate, &lines, BODY)).await;
        let said = client.until_closed().await;
        let text = String::from_utf8_lossy(&said);
        let told = text.starts_with("HTTP/1.1 431") && text.contains(r#"{"type":"error""#);
        assert!(
            told || (said.is_empty() && lines.len() > 1 << 20),
            "{name}: {text}"
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_head_has_an_end_however_steadily_it_comes() {
    let (gate, upstream) = gate().await;
    let bytes = request(&gate, &format!("X-Pad: {}\r\n", "x".repeat(4000)), "");
    let mut client = gate.client().await;
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(5));
    // 20 s at this pace, of which the gateway gives 2.
    let mut sent = 0;
    for byte in bytes {
        pace.tick().await;
        if !client.try_write(&[byte]).await {
            break;
        }
        sent += 1;
    }
    assert!(
        sent < 3900,
        "it was closed before the head was whole: {sent}"
    );
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}
