//! A compressed request is read decoded, within a limit, and goes on as it was sent.

use serde_json::json;
use witgate_artifacts::ROUTE;

use crate::harness::{GatewayBuilder, Request, Response, TestGateway, Upstream, compressed};

const BODY: &str = r#"{"max_tokens":5,"messages":[],"model":"house-model"}"#;

fn asking(gate: &TestGateway, coding: &str, body: Vec<u8>) -> Request {
    gate.keyed(Request::new("POST", "/v1/messages"))
        .header("Host", "gateway.test")
        .header("Content-Encoding", coding)
        .body(body)
}

fn refused(response: &Response, status: u16, kind: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    let body = response.json();
    assert_eq!(body["error"]["type"], kind, "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_request_is_read_and_goes_on_as_it_was_sent() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .start()
        .await;
    let large = json!({"model": "house-model", "max_tokens": 5, "messages": [
        {"role": "user", "content": (0..60_000).map(|n| n.to_string()).collect::<String>()},
    ]});
    let codings = ["gzip", "deflate", "br", "zstd", "identity"];
    for coding in codings {
        for plain in [BODY.to_owned(), large.to_string()] {
            let body = compressed(coding, plain.as_bytes());
            let response = gate.ask(&asking(&gate, coding, body.clone())).await;
            assert_eq!(response.status, 200, "{coding}: {}", response.text());
            let sent = upstream.requests().pop().unwrap();
            assert_eq!(sent.body, body, "{coding}: every byte");
            assert_eq!(
                sent.headers.get("content-encoding"),
                Some(coding),
                "and what it is in"
            );
        }
    }
    let receipts = gate.receipts_when(2 * codings.len()).await;
    for receipt in receipts {
        assert_eq!(
            receipt["model"]["requested"], "house-model",
            "it was read: {receipt}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_request_that_a_policy_edits_goes_on_plain() {
    let upstream = Upstream::answering().await;
    let sidecar = "[[settings.resources]]\nname = \"house-model\"\ntargets = [{ upstream = \"default\", model = \"claude-haiku-5-5\" }]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .upstream("default", &upstream)
        .start()
        .await;
    let body = compressed("gzip", BODY.as_bytes());
    let response = gate.ask(&asking(&gate, "gzip", body)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let sent = upstream.requests().pop().unwrap();
    let edited = BODY.replace("house-model", "claude-haiku-5-5");
    assert_eq!(
        String::from_utf8(sent.body).unwrap(),
        edited,
        "the model, in its place"
    );
    assert_eq!(
        sent.headers.get("content-encoding"),
        None,
        "and not said to be compressed"
    );
    assert_eq!(
        sent.headers.get("content-length"),
        Some(edited.len().to_string().as_str()),
        "with its own length"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_is_a_413_and_nothing_of_it_is_forwarded() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .extra("[limits]\nbody_bytes = 65536\ndecoded_bytes = 131072\n")
        .start()
        .await;
    let of = |size: usize| {
        json!({"model": "m", "max_tokens": 5, "messages": [], "pad": " ".repeat(size)}).to_string()
    };
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let small = compressed(coding, of(100_000).as_bytes());
        let response = gate.ask(&asking(&gate, coding, small)).await;
        assert_eq!(
            response.status,
            200,
            "{coding} within the limit: {}",
            response.text()
        );
        let before = upstream.requests().len();
        let bomb = compressed(coding, of(16 << 20).as_bytes());
        assert!(bomb.len() < 65_536, "{coding} packs it small");
        let response = gate.ask(&asking(&gate, coding, bomb)).await;
        refused(&response, 413, "request_too_large");
        assert_eq!(upstream.requests().len(), before, "nothing is forwarded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_what_it_claims_is_a_400() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .start()
        .await;
    let whole = compressed("gzip", BODY.as_bytes());
    let twice = r#"{"model":"cheap","max_tokens":5,"messages":[],"\u006dodel":"dear"}"#;
    for (what, coding, body) in [
        ("a plain body", "gzip", BODY.as_bytes().to_vec()),
        ("a cut one", "gzip", whole[..whole.len() - 4].to_vec()),
        ("another coding", "zstd", whole.clone()),
        ("a coding that nobody knows", "pack200", whole.clone()),
        ("two codings", "gzip, gzip", compressed("gzip", &whole)),
        (
            "one that reads two ways",
            "br",
            compressed("br", twice.as_bytes()),
        ),
    ] {
        let response = gate.ask(&asking(&gate, coding, body)).await;
        assert_eq!(response.status, 400, "{what}: {}", response.text());
        refused(&response, 400, "invalid_request_error");
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}
