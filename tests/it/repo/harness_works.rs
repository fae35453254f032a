//! The harness itself: what it says was sent was sent, and it stops where it was told to.

use serde_json::json;

use crate::harness::{Answer, Capture, Client, Ending, Events, Pause, Request, Upstream};

fn hello() -> Events {
    Events::begin("claude-opus-5-5")
        .ping()
        .text(&["Hel", "lo, ", "wörld"])
        .end("end_turn")
}

#[tokio::test]
async fn every_captured_request_reaches_the_upstream_byte_for_byte() {
    let upstream = Upstream::always(Answer::json(200, &[], &json!({"ok": true}))).await;
    let captures = Capture::all();
    assert!(
        captures.len() > 30,
        "only {} captures were found",
        captures.len()
    );
    let mut client = Client::connect(upstream.address()).await;
    for capture in captures {
        let request = capture.request_for("gateway.test", "sk-ant-test");
        let response = client.ask(&request).await;
        let recorded = upstream.next_request().await;
        let sent = request.to_bytes();
        let received = [recorded.raw_head.clone(), recorded.body.clone()].concat();
        assert_eq!(response.status, 200, "{} was not answered", capture.name);
        assert!(sent == received, "{} changed on its way", capture.name);
        assert_eq!(
            recorded.headers, request.headers,
            "{}: the headers differ",
            capture.name
        );
        if !capture.sha256.is_empty() {
            assert_eq!(
                recorded.sha256, capture.sha256,
                "{}: the body isn't the recorded one",
                capture.name
            );
        }
    }
    assert_eq!(upstream.connections(), 1, "keep-alive was not used");
}

#[tokio::test]
async fn a_request_in_small_pieces_is_recorded_whole() {
    let upstream = Upstream::always(Answer::json(200, &[], &json!({}))).await;
    let mut client = Client::connect(upstream.address()).await;
    let request = Request::messages(&json!({"model": "claude-opus-5-5", "text": "ä".repeat(500)}));
    client.send_in_pieces(&request, 7).await;
    assert_eq!(
        client.receive().await.status,
        200,
        "the pieces were not put together"
    );
    assert_eq!(
        upstream.next_request().await.body,
        request.body,
        "the body changed"
    );
}

#[tokio::test]
async fn a_chunked_request_is_recorded_without_its_coding() {
    let upstream = Upstream::always(Answer::json(200, &[], &json!({}))).await;
    let mut client = Client::connect(upstream.address()).await;
    let request = Request::new("POST", "/v1/messages")
        .header("Transfer-Encoding", "chunked")
        .body_unframed("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n");
    client.ask(&request).await;
    assert_eq!(
        upstream.next_request().await.body,
        b"abcde",
        "the chunks were not joined"
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let answers = ["one", "two"].map(|name| Answer::json(200, &[("x-answer", name)], &json!({})));
    let upstream = Upstream::start(answers).await;
    let mut client = Client::connect(upstream.address()).await;
    let request = Request::messages(&json!({}));
    client.send(&request).await;
    client.send(&request).await;
    for expected in ["one", "two"] {
        let response = client.receive().await;
        assert_eq!(
            response.headers.get("X-Answer"),
            Some(expected),
            "the answers came in another order"
        );
    }
}

#[tokio::test]
async fn a_head_request_has_a_length_and_no_body() {
    let upstream =
        Upstream::start([Answer::bytes(200, &[], ""), Answer::bytes(204, &[], "")]).await;
    let mut client = Client::connect(upstream.address()).await;
    let request = Request::new("HEAD", "/api/hello").header("Host", "gateway.test");
    for _ in 0..2 {
        let response = client.ask(&request).await;
        assert_eq!(
            (response.body.len(), response.ending),
            (0, Ending::Complete),
            "a HEAD answer got a body"
        );
    }
}

#[tokio::test]
async fn an_answer_stops_at_exactly_the_byte_it_was_told_to() {
    let whole = Answer::json(200, &[], &json!({"text": "0123456789"}));
    let length = whole.head_len() + whole.body().len();
    for stop in [whole.head_len(), whole.head_len() + 1, length - 1] {
        let upstream = Upstream::start([whole.clone().stop_at_byte(stop)]).await;
        let mut client = Client::connect(upstream.address()).await;
        let response = client.ask(&Request::messages(&json!({}))).await;
        assert_eq!(
            response.ending,
            Ending::Cut,
            "stopped at {stop}, the answer must not look complete"
        );
        assert_eq!(
            response.raw_head.len() + response.body.len(),
            stop,
            "the answer stopped at another byte"
        );
    }
}

#[tokio::test]
async fn a_hang_up_sends_nothing() {
    let upstream = Upstream::start([Answer::hang_up()]).await;
    let mut client = Client::connect(upstream.address()).await;
    client.send(&Request::messages(&json!({}))).await;
    assert!(client.closed().await, "a byte came before the hang-up");
}

#[tokio::test]
async fn a_stream_stops_after_exactly_that_many_events() {
    let events = hello();
    for stop in 0..=events.count() {
        let upstream = Upstream::start([Answer::sse(&events).stop_at_event(stop)]).await;
        let mut client = Client::connect(upstream.address()).await;
        let response = client
            .ask(&Request::messages(&json!({"stream": true})))
            .await;
        assert_eq!(
            response.events().len(),
            stop,
            "another number of events came"
        );
        assert_eq!(
            response.body,
            events.frames()[..stop].concat(),
            "the events changed"
        );
        assert_eq!(
            response.ending,
            Ending::Cut,
            "a stopped stream must not look complete"
        );
    }
}

#[tokio::test]
async fn a_paused_stream_shows_what_came_before_and_nothing_after() {
    let (head, third) = (Pause::new(), Pause::new());
    let answer = Answer::sse(&hello())
        .pause_at_event(0, &head)
        .pause_at_event(3, &third);
    let upstream = Upstream::start([answer]).await;
    let mut client = Client::connect(upstream.address()).await;
    client
        .send(&Request::messages(&json!({"stream": true})))
        .await;
    head.reached().await;
    let mut reply = client.reply().await;
    assert_eq!(
        reply.status, 200,
        "the head must come before the first event"
    );
    head.resume();
    third.reached().await;
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(reply.event().await.expect("an event before the pause").name);
    }
    assert_eq!(
        names,
        ["message_start", "ping", "content_block_start"],
        "the events came in another order"
    );
    third.resume();
    let response = reply.rest().await;
    assert_eq!(
        response.ending,
        Ending::Complete,
        "the stream goes on after the pause"
    );
    assert_eq!(response.body, hello().to_bytes(), "the stream changed");
}

#[tokio::test]
async fn a_client_that_leaves_during_a_pause_is_noticed() {
    let pause = Pause::new();
    let upstream = Upstream::start([Answer::sse(&hello()).pause_at_event(2, &pause)]).await;
    let mut client = Client::connect(upstream.address()).await;
    client
        .send(&Request::messages(&json!({"stream": true})))
        .await;
    pause.reached().await;
    client.close();
    upstream.client_left(0).await;
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_when_the_client_leaves() {
    let upstream = Upstream::start([Answer::never()]).await;
    let mut client = Client::connect(upstream.address()).await;
    client.send(&Request::messages(&json!({}))).await;
    upstream.next_request().await;
    client.close();
    upstream.client_left(0).await;
}

#[tokio::test]
async fn events_split_anywhere_are_read_the_same() {
    let events = hello();
    for size in [1, 2, 5, 64] {
        let upstream = Upstream::start([Answer::sse(&events).in_pieces_of(size)]).await;
        let mut client = Client::connect(upstream.address()).await;
        let response = client
            .ask(&Request::messages(&json!({"stream": true})))
            .await;
        assert!(
            response.chunks[..response.chunks.len() - 1]
                .iter()
                .all(|chunk| chunk.len() == size),
            "another size"
        );
        let read: Vec<_> = response
            .events()
            .into_iter()
            .map(|event| event.raw)
            .collect();
        assert_eq!(
            read,
            events.frames(),
            "pieces of {size} bytes changed the events"
        );
    }
}

#[tokio::test]
async fn a_built_stream_has_the_order_and_the_cumulative_usage_of_the_api() {
    let events = Events::begin_with_usage(
        "claude-opus-5-5",
        json!({"input_tokens": 7, "cache_read_input_tokens": 90}),
    )
    .thinking(&["hm"])
    .tool_use("Bash", &[r#"{"command":"#, r#""echo hi"}"#])
    .end("tool_use");
    let upstream = Upstream::start([Answer::sse(&events)]).await;
    let mut client = Client::connect(upstream.address()).await;
    let read = client.ask(&Request::messages(&json!({}))).await.events();
    let names: Vec<_> = read.iter().map(|event| event.name.as_str()).collect();
    let block = [
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
    ];
    let expected = [
        &["message_start"][..],
        &block,
        &block,
        &["message_delta", "message_stop"],
    ]
    .concat();
    assert_eq!(names, expected, "the order is not the API's");
    assert_eq!(
        read[0].json()["message"]["usage"]["output_tokens"],
        1,
        "message_start has the placeholder"
    );
    let usage = json!({"input_tokens": 7, "cache_read_input_tokens": 90, "output_tokens": 4});
    assert_eq!(
        read[9].json()["usage"],
        usage,
        "message_delta is cumulative"
    );
}

#[tokio::test]
async fn a_script_can_look_at_the_request() {
    let upstream = Upstream::start_with(|request| match request.target() {
        "/v1/models" => Answer::json(200, &[], &json!({"data": []})),
        _ => Answer::error(404, "not_found_error", "Not found"),
    })
    .await;
    let mut client = Client::connect(upstream.address()).await;
    for (target, status) in [("/v1/models", 200), ("/v1/else", 404)] {
        let response = client
            .ask(&Request::new("GET", target).header("Host", "gateway.test"))
            .await;
        assert_eq!(response.status, status, "{target} got another answer");
    }
}

#[tokio::test]
async fn bytes_that_are_not_http_arrive_as_they_are() {
    let upstream =
        Upstream::start([Answer::raw("HTTP/1.1 200 OK\r\nx: y\r\n\r\nuntil the end")]).await;
    let mut client = Client::connect(upstream.address()).await;
    let response = client.ask(&Request::messages(&json!({}))).await;
    assert_eq!(
        response.text(),
        "until the end",
        "a body without a length lasts until the connection closes"
    );
    assert_eq!(
        response.ending,
        Ending::Complete,
        "closing is how such a body ends"
    );
}

#[tokio::test]
async fn nobody_listens_at_a_refusing_address_or_after_death() {
    let upstream = Upstream::always(Answer::never()).await;
    for address in [Upstream::refusing().await, upstream.die().await] {
        let connected = tokio::net::TcpStream::connect(address).await;
        assert!(connected.is_err(), "somebody listens at {address}");
    }
}
