//! Errors, scenarios, pace, limits and the end of the service.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::caller::{Caller, Got, KEY, ask, streamed};

#[tokio::test]
async fn errors_have_the_words_of_the_api() {
    let mut caller = Caller::new().await;
    let hi = ask("hi").to_string();
    let cases = [
        (
            401,
            "x-api-key header is required",
            "anthropic-version: 1\r\n",
            hi.clone(),
        ),
        (
            400,
            "anthropic-version: header is required",
            "authorization: Bearer k\r\n",
            hi.clone(),
        ),
        (
            400,
            "max_tokens: Field required",
            KEY,
            json!({"model": "claude-opus-5-5", "messages": []}).to_string(),
        ),
        (
            400,
            "messages: Field required",
            KEY,
            json!({"model": "claude-opus-5-5", "max_tokens": 1}).to_string(),
        ),
        (400, "model: Field required", KEY, String::from("{}")),
        (
            400,
            "The request body is not valid JSON",
            KEY,
            String::from("{"),
        ),
        (
            404,
            "model: claude-none",
            KEY,
            hi.replace("claude-opus-5-5", "claude-none"),
        ),
    ];
    for (status, message, headers, body) in cases {
        let got = caller.ask("POST /v1/messages", headers, &body).await;
        let error = got.json();
        assert_eq!(got.status, status, "{error}");
        assert!(
            error["error"]["message"]
                .as_str()
                .unwrap()
                .starts_with(message),
            "{error}"
        );
        assert_eq!(
            error["request_id"].as_str(),
            got.header("request-id"),
            "{error}"
        );
    }
    assert_eq!(
        caller.ask("GET /v2", KEY, "").await.json()["error"]["type"],
        "not_found_error",
        "an unknown path"
    );
}

#[tokio::test]
async fn a_scenario_is_obeyed_and_a_misspelt_one_refused() {
    let mut caller = Caller::new().await;
    let got = caller
        .message("status=529; retry-after=2", &ask("hi"))
        .await;
    assert_eq!(
        (got.status, got.header("retry-after")),
        (529, Some("2")),
        "{}",
        got.head
    );
    assert_eq!(
        got.json()["error"]["type"],
        "overloaded_error",
        "529 means overloaded"
    );
    let got = caller.message("sttaus=529", &ask("hi")).await;
    assert_eq!(
        got.status, 400,
        "a misspelt part must not pass for an ordinary answer"
    );
    let got = caller.message("error-after=3", &streamed(ask("hi"))).await;
    assert_eq!(
        got.kinds(),
        ["message_start", "content_block_start", "ping", "error"],
        "the error comes fourth"
    );
    assert!(
        got.complete,
        "a stream that ends in an error event ends properly"
    );
    let got = caller
        .message("cut-after=3;burst=2", &streamed(ask("hi")))
        .await;
    assert_eq!(
        (got.kinds().len(), got.complete),
        (3, false),
        "a cut comes after three events"
    );
}

#[tokio::test]
async fn bursts_join_events_and_change_nothing_else() {
    let mut caller = Caller::new().await;
    let chunks = |got: &Got| {
        String::from_utf8_lossy(&got.body)
            .matches("\r\nevent: ")
            .count()
    };
    let single = caller.message("events=20", &streamed(ask("hi"))).await;
    let joined = caller
        .message("events=20;burst=8", &streamed(ask("hi")))
        .await;
    assert_eq!(
        single.kinds(),
        joined.kinds(),
        "the events must be the same"
    );
    assert_eq!(
        (chunks(&single), chunks(&joined)),
        (26, 4),
        "26 events go out in 26 chunks or in 4"
    );
}

#[tokio::test(start_paused = true)]
async fn the_pace_is_kept_before_every_delta() {
    let mut caller = Caller::new().await;
    let begun = tokio::time::Instant::now();
    caller
        .message(
            "events=10;pace-ms=50;silent-ms=400;delay-ms=100",
            &streamed(ask("hi")),
        )
        .await;
    assert_eq!(
        begun.elapsed().as_millis() / 50,
        20,
        "ten deltas, a silence and a delay are one second"
    );
}

#[tokio::test]
async fn a_probe_needs_no_key_and_head_gets_no_body() {
    let mut caller = Caller::new().await;
    for line in ["HEAD /api/hello", "GET /", "HEAD /"] {
        let got = caller.ask(line, "", "").await;
        assert_eq!(got.status, 200, "{line}");
        assert_eq!(got.body.is_empty(), line.starts_with("HEAD"), "{line}");
    }
}

#[tokio::test]
async fn a_body_that_declares_more_than_the_limit_is_413() {
    let mut caller = Caller::new().await;
    let head =
        format!("POST /v1/messages HTTP/1.1\r\nhost: x\r\n{KEY}content-length: 33554433\r\n\r\n");
    caller.tcp.write_all(head.as_bytes()).await.unwrap();
    let got = caller.read(false).await;
    assert_eq!(
        (got.status, got.header("connection")),
        (413, Some("close")),
        "{}",
        got.head
    );
    assert_eq!(
        got.json()["error"]["type"],
        "request_too_large",
        "{}",
        got.json()
    );
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_ends_the_service() {
    let Caller {
        mut tcp,
        stop,
        serving,
    } = Caller::new().await;
    stop.send_replace(true);
    serving.await.expect("the service ends by itself");
    assert_eq!(
        tcp.read(&mut [0]).await.unwrap_or(0),
        0,
        "an idle connection is closed"
    );
}
