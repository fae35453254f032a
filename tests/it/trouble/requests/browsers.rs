//! Paths of other clients, and apps that run in a browser.

use serde_json::json;

use crate::harness::{
    Answer, Events, FakeOrganization, GatewayBuilder, Request, Response, TestGateway, Upstream,
};

const APP: &str = "https://app.example";
const CORS: &str = "[cors]\norigins = [\"https://app.example\", \"http://localhost:5173\"]\n";

fn preflight(path: &str, origin: &str) -> Request {
    Request::new("OPTIONS", path)
        .header("Host", "gateway.test")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "anthropic-version,content-type,x-api-key",
        )
}

fn asking(gate: &TestGateway, origin: &str) -> Request {
    gate.messages(&json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []}))
        .header("Origin", origin)
}

/// Returns true if a browser shows the answer and its headers to an app of this origin.
fn is_shown(response: &Response, origin: &str) -> bool {
    let names: Vec<_> = response
        .headers
        .get("access-control-expose-headers")
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .collect();
    response.headers.get("access-control-allow-origin") == Some(origin)
        && response.headers.all("access-control-allow-origin").count() == 1
        && [
            "request-id",
            "witgate-request-id",
            "retry-after",
            "x-should-retry",
        ]
        .iter()
        .all(|name| names.contains(name))
        && response
            .headers
            .get("access-control-allow-credentials")
            .is_none()
}

fn varies_by_origin(response: &Response) -> bool {
    response
        .headers
        .all("vary")
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("origin"))
}

async fn gate(extra: &str, upstream: &Upstream) -> TestGateway {
    GatewayBuilder::shipped()
        .upstream("default", upstream)
        .extra(extra)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_paths_of_clients_that_leave_v1_out_lead_to_the_api() {
    let models = ["claude-sonnet-5-5"];
    let upstream = FakeOrganization::with_models(&models).start().await;
    let gate = gate("[state]\ndirectory = \"state\"\n", &upstream).await;
    for (method, path, arrives) in [
        ("POST", "/messages?beta=true", "/v1/messages?beta=true"),
        (
            "POST",
            "/messages/count_tokens",
            "/v1/messages/count_tokens",
        ),
        ("GET", "/models", "/v1/models"),
        (
            "GET",
            "/models/claude-sonnet-5-5",
            "/v1/models/claude-sonnet-5-5",
        ),
    ] {
        let mut request = gate.keyed(Request::new(method, path).header("Host", "gateway.test"));
        if method == "POST" {
            request = request.body(r#"{"model":"m","max_tokens":5,"messages":[]}"#);
        }
        gate.ask(&request).await;
        let arrived = upstream.requests().pop().expect("it was forwarded");
        assert_eq!(arrived.target(), arrives, "{method} {path}");
    }
    for path in [
        "/messages/",
        "/skills",
        "/organizations/me",
        "/messages/other",
    ] {
        let request = gate.keyed(Request::new("GET", path).header("Host", "gateway.test"));
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 404, "{path} is not served");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_of_a_listed_origin_is_answered_without_a_key() {
    let upstream = Upstream::answering().await;
    let gate = gate(CORS, &upstream).await;
    for path in ["/v1/messages", "/messages", "/v1/files", "/api/hello"] {
        let response = gate.ask(&preflight(path, APP)).await;
        assert_eq!(response.status, 204, "{path}: {}", response.text());
        let header = |name: &str| response.headers.get(name).unwrap_or_default().to_owned();
        assert_eq!(
            header("access-control-allow-origin"),
            APP,
            "{path}: who may"
        );
        assert!(
            header("access-control-allow-methods").contains("POST"),
            "{path}: with which methods"
        );
        assert_eq!(
            header("access-control-allow-headers"),
            "anthropic-version,content-type,x-api-key",
            "{path}: with which headers"
        );
        assert!(
            header("access-control-max-age")
                .parse::<u32>()
                .is_ok_and(|age| age > 0),
            "{path}: the browser need not ask before every request"
        );
        assert!(varies_by_origin(&response), "{path}: caches are told");
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
    assert!(
        gate.receipts().await.is_empty(),
        "a preflight is no exchange"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_one_that_the_app_can_read() {
    let events = Events::begin("claude-sonnet-5-5")
        .text(&["hi"])
        .end("end_turn");
    let upstream = Upstream::start([
        Answer::sse_with(
            &[
                ("access-control-allow-origin", "*"),
                ("vary", "accept-encoding"),
            ],
            &events,
        ),
        Answer::error(529, "overloaded_error", "Overloaded"),
    ])
    .await;
    let gate = gate(CORS, &upstream).await;
    let stream = gate.ask(&asking(&gate, APP)).await;
    assert_eq!(stream.status, 200, "the stream");
    assert!(is_shown(&stream, APP), "the stream: {:?}", stream.headers);
    assert!(
        varies_by_origin(&stream),
        "the stream: {:?}",
        stream.headers
    );
    assert!(
        stream
            .headers
            .all("vary")
            .any(|value| value == "accept-encoding"),
        "what the upstream's answer varies by stays: {:?}",
        stream.headers
    );

    let request = asking(&gate, APP);
    for (what, status, request) in [
        ("an upstream's error", 529, request.clone()),
        ("no key", 401, request.clone().without_header("x-api-key")),
        ("no JSON", 400, request.clone().body("{")),
        ("a path that is not served", 404, {
            let mut other = request.clone();
            other.target = "/v1/nothing".into();
            other
        }),
        (
            "a head over the limit",
            431,
            request.header("x-large", &"x".repeat(70_000)),
        ),
    ] {
        let response = gate.ask(&request).await;
        assert_eq!(response.status, status, "{what}: {}", response.text());
        assert!(is_shown(&response, APP), "{what}: {:?}", response.headers);
        assert!(
            varies_by_origin(&response),
            "{what}: {:?}",
            response.headers
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_is_not_listed_gets_nothing_that_a_browser_would_show() {
    let answer = Answer::json(200, &[("access-control-allow-origin", "*")], &json!({}));
    let upstream = Upstream::always(answer).await;
    let gate = gate(CORS, &upstream).await;
    for origin in [
        "https://evil.example",
        "https://app.example.evil.example",
        "null",
    ] {
        let refused = gate.ask(&preflight("/v1/messages", origin)).await;
        assert_eq!(refused.status, 403, "{origin}: {}", refused.text());
        let response = gate.ask(&asking(&gate, origin)).await;
        for response in [refused, response] {
            assert_eq!(
                response.headers.get("access-control-allow-origin"),
                None,
                "{origin}: the upstream's word does not count either"
            );
            assert!(varies_by_origin(&response), "{origin}: caches are told");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_cors_nothing_changes_and_with_a_star_everybody_may() {
    let upstream = Upstream::answering().await;
    let closed = gate("", &upstream).await;
    let response = closed.ask(&preflight("/v1/messages", APP)).await;
    assert_eq!(response.status, 401, "off by default: {}", response.text());
    let response = closed.ask(&asking(&closed, APP)).await;
    assert_eq!(
        response.headers.get("access-control-allow-origin"),
        None,
        "off"
    );
    assert!(!varies_by_origin(&response), "off by default");

    let open = gate("[cors]\norigins = [\"*\"]\n", &upstream).await;
    let response = open
        .ask(&preflight("/v1/messages", "https://any.example"))
        .await;
    assert_eq!(response.status, 204, "{}", response.text());
    let response = open.ask(&asking(&open, "https://any.example")).await;
    assert!(is_shown(&response, "*"), "{:?}", response.headers);
}
