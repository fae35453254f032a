//! A single HTTP/2 connection that sends a lot and asks for little.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{
    Answer, Events, GatewayBuilder, Http2Client, Http2Response, Pause, TestGateway, Upstream,
    within_timeout,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const GOAWAY: u8 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

async fn gate(upstream: &Upstream) -> TestGateway {
    GatewayBuilder::bare()
        .upstream("default", upstream)
        .listen("h2c = true")
        .start()
        .await
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The frames of a connection, kind and payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while bytes.len() >= 9 {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        let Some(payload) = bytes.get(9..9 + length) else {
            break;
        };
        frames.push((bytes[3], payload.to_vec()));
        bytes = &bytes[9 + length..];
    }
    frames
}

/// Returns true if the gateway tells this client to be calm (`ENHANCE_YOUR_CALM`).
async fn is_calmed(gate: &TestGateway, flood: impl Fn(u32) -> Vec<u8>, count: u32) -> bool {
    let tcp = TcpStream::connect(gate.address()).await.unwrap();
    let (mut source, mut sink) = tcp.into_split();
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        let _ = source.read_to_end(&mut all).await;
        all
    });
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    for number in 0..count {
        bytes.extend(flood(number));
        if bytes.len() > 16 * 1024 {
            if sink.write_all(&bytes).await.is_err() {
                break;
            }
            bytes.clear();
        }
    }
    let _ = sink.write_all(&bytes).await;
    let _ = sink.shutdown().await;
    let all = within_timeout("the connection to end", reading)
        .await
        .unwrap();
    frames(&all).iter().any(|(kind, payload)| {
        *kind == GOAWAY && payload.get(4..8) == Some(&ENHANCE_YOUR_CALM.to_be_bytes())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_ask_for_nothing_end_the_connection() {
    let upstream = Upstream::answering().await;
    let gate = gate(&upstream).await;
    let odd = |number: u32| 2 * number + 1;
    assert!(
        is_calmed(&gate, |_| frame(6, 0, 0, &[0; 8]), 20_000).await,
        "PING"
    );
    assert!(
        is_calmed(&gate, |_| frame(6, 1, 0, &[0; 8]), 20_000).await,
        "PING, acknowledged"
    );
    assert!(
        is_calmed(&gate, |_| frame(4, 0, 0, &[]), 20_000).await,
        "SETTINGS"
    );
    let priority = |number| frame(2, 0, odd(number), &[0, 0, 0, 0, 16]);
    assert!(is_calmed(&gate, priority, 20_000).await, "PRIORITY");
    let window = |_| frame(8, 0, 0, &1_u32.to_be_bytes());
    assert!(is_calmed(&gate, window, 20_000).await, "WINDOW_UPDATE");
    assert!(
        is_calmed(&gate, |_| frame(0xfa, 0, 0, &[]), 20_000).await,
        "unknown"
    );
    let empty = |number| frame(0xfa, 0, odd(number), &[0; 100]);
    assert!(
        is_calmed(&gate, empty, 20_000).await,
        "unknown, of a stream"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_taken_back_at_once_end_the_connection() {
    let pause = Pause::new();
    let events = Events::begin("m").text(&["one"]).end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events).pause_at_event(0, &pause)).await;
    let gate = gate(&upstream).await;
    let body = json!({"model": "m", "max_tokens": 5, "messages": [], "stream": true});
    let request = gate.messages(&body);
    let mut client = Http2Client::connect(gate.address()).await;
    let mut started = 0;
    while started < 400 {
        let Ok(answer) = client.send(&request).await else {
            break;
        };
        // Each is at the upstream before it is taken back; its head may have come by then.
        tokio::select! {
            _ = upstream.next_request() => started += 1,
            answer = answer => match answer {
                Ok(_) => started += 1,
                Err(_) => break,
            },
        }
    }
    // Nothing of it is still running, so it is over at once.
    let _ = client.closed().await;
    assert!(started < 300, "and soon: {started}");
    pause.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_back_what_was_answered_is_served_on() {
    let pause = Pause::new();
    let events = Events::begin("m").text(&["one", "two"]).end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events).pause_at_event(3, &pause)).await;
    let gate = gate(&upstream).await;
    let body = json!({"model": "m", "max_tokens": 5, "messages": [], "stream": true});
    let request = gate.messages(&body);
    let mut client = Http2Client::connect(gate.address()).await;
    for number in 0..150 {
        let answer = client.send(&request).await;
        let answer = answer.unwrap_or_else(|error| panic!("{number}: {error}"));
        let head = within_timeout("a head", answer).await;
        let head = head.unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(head.status(), 200, "{number}");
    }
    pause.resume();
    let served = client.ask(&request).await.unwrap();
    assert!(served.broken.is_none(), "whole: {:?}", served.broken);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_taken_back_cut_no_other_answer_of_their_connection() {
    let pause = Pause::new();
    let events = Events::begin("m").text(&["one", "two"]).end("end_turn");
    let mut running = Some(Answer::sse(&events).pause_at_event(3, &pause));
    let script = move |_: &_| running.take().unwrap_or_else(Answer::never);
    let upstream = Upstream::start_with(script).await;
    let gate = gate(&upstream).await;
    let body = json!({"model": "m", "max_tokens": 5, "messages": [], "stream": true});
    let request = gate.messages(&body);
    let mut client = Http2Client::connect(gate.address()).await;
    let running = client.send(&request).await.unwrap();
    upstream.next_request().await;
    pause.reached().await;
    let mut started = 0;
    while started < 400 {
        let Ok(answer) = client.send(&request).await else {
            break;
        };
        tokio::select! {
            _ = upstream.next_request() => started += 1,
            ended = answer => {
                ended.unwrap_err();
                break;
            }
        }
    }
    assert!(started < 300, "they come to an end: {started}");
    pause.resume();
    let response = Http2Response::read(running).await.unwrap();
    assert!(response.broken.is_none(), "whole: {:?}", response.broken);
    assert!(response.text().contains("message_stop"), "to its end");
    let _ = client.closed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_connection_is_never_told_to_be_calm() {
    let events = Events::begin("m")
        .text(&["one", "two", "three"])
        .end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events)).await;
    let gate = gate(&upstream).await;
    let body = json!({"model": "m", "max_tokens": 5, "messages": [], "stream": true});
    let request = gate.messages(&body);
    let mut client = Http2Client::connect(gate.address()).await;
    for round in 0..400 {
        let response = client.ask(&request).await.unwrap();
        assert_eq!(response.status(), 200, "{round}");
        // A second one is taken back: callers do that.
        drop(client.send(&request).await.unwrap());
    }
}
