//! A connection over a pipe.

use tokio::io::{DuplexStream, duplex};

use super::*;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

/// Returns a connection, and the client's end of it.
fn connection(room: usize) -> (Http1, DuplexStream) {
    let (client, server) = duplex(room);
    let ends = Ends {
        peer: ([127, 0, 0, 1], 1).into(),
        tls: None,
        fd: -1,
    };
    let timeout = Duration::from_secs(5);
    let mut http1 = Http1::new(Box::new(server), ends, b"", timeout, Activity::default());
    http1.set_limits(timeout, timeout);
    (http1, client)
}

/// Returns a connection on which a request has been read.
async fn served(request: &[u8]) -> (Http1, DuplexStream) {
    let (mut http1, mut client) = connection(1 << 20);
    client.write_all(request).await.unwrap();
    http1.read_head(8192).await.expect("a head");
    (http1, client)
}

fn head(lines: &[(&'static str, &str)]) -> ResponseHead {
    let mut head = ResponseHead::new(StatusCode::OK);
    for (name, value) in [("date", "now")].iter().chain(lines) {
        head.headers.push_text(name, value);
    }
    head
}

/// Returns all that the client has got when its connection is dropped.
async fn got(http1: Http1, mut client: DuplexStream) -> String {
    drop(http1);
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap();
    got
}

#[tokio::test]
async fn requests_follow_each_other_however_they_are_split() {
    let wire = [
        GET,
        b"POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        GET,
    ]
    .concat();
    for length in [1, 7, wire.len()] {
        let (mut http1, mut client) = connection(1 << 20);
        let wire = wire.clone();
        tokio::spawn(async move {
            for piece in wire.chunks(length) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            pending::<()>().await;
        });
        for (path, body) in [("/a", &b""[..]), ("/b", b"hello"), ("/a", b"")] {
            http1.read_head(8192).await.expect("a head");
            assert_eq!(&*http1.request().path, path, "pieces of {length}");
            let mut came = Vec::new();
            while let Some(part) = http1.read_body().await.expect("a body") {
                came.extend_from_slice(&part);
            }
            assert_eq!(came, body, "pieces of {length}");
        }
    }
}

#[tokio::test]
async fn a_head_over_the_limit_is_cut_where_the_limit_is() {
    let (mut http1, mut client) = connection(1 << 20);
    let begin = b"GET /a HTTP/1.1\r\norigin: x\r\n";
    client.write_all(begin).await.unwrap();
    client.write_all(&[b'a'; 4096]).await.unwrap();
    let read = http1.read_head(begin.len() + 10).await;
    assert_eq!(read, Err(HeadError::TooLarge));
    assert!(http1.read.capacity() < 4096, "no more of it is held");
    let (mut whole, mut client) = connection(1 << 20);
    client.write_all(GET).await.unwrap();
    assert_eq!(whole.read_head(GET.len()).await, Ok(()), "just within");
}

#[tokio::test]
async fn the_beginning_of_a_head_that_is_cut_can_be_read() {
    let (mut http1, mut client) = connection(1 << 20);
    let begin = b"GET /a HTTP/1.1\r\norigin: x\r\n";
    client.write_all(begin).await.unwrap();
    client.write_all(b"more: of it\r\n\r\n").await.unwrap();
    let read = http1.read_head(begin.len() - 2).await;
    assert_eq!(read, Err(HeadError::TooLarge));
    assert_eq!(
        http1
            .request()
            .headers
            .get("origin")
            .and_then(|it| it.to_str()),
        Some("x")
    );
}

#[tokio::test]
async fn heads_that_others_may_read_differently_are_refused() {
    for (wire, error) in [
        (
            &b"GET / HTTP/1.1\nHost: x\r\n\r\n"[..],
            HeadError::BareLineFeed,
        ),
        (b"GET / HTTP/1.1\r\nHost: x\n\n", HeadError::BareLineFeed),
        (
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            HeadError::Invalid(BadRequest::Invalid),
        ),
        (
            b"\x16\x03\x01\r\n\r\n",
            HeadError::Invalid(BadRequest::Invalid),
        ),
    ] {
        let (mut http1, mut client) = connection(1 << 20);
        client.write_all(wire).await.unwrap();
        assert_eq!(http1.read_head(8192).await, Err(error));
    }
    let (mut http1, client) = connection(64);
    drop(client);
    assert_eq!(http1.read_head(8192).await, Err(HeadError::Closed));
}

#[tokio::test]
async fn a_body_with_a_length_is_read_to_its_end_and_no_further() {
    let body = vec![b'x'; 300_000];
    let wire = [
        b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n",
        &body[..],
        GET,
    ];
    let (mut http1, _client) = served(&wire.concat()).await;
    let mut came = Vec::with_capacity(body.len());
    let first = http1.read_body().await.unwrap().unwrap();
    came.extend_from_slice(&first);
    while http1.read_body_into(&mut came).await.unwrap() > 0 {}
    assert_eq!(came, body);
    assert_eq!(came.capacity(), body.len(), "in the room that there was");
    http1.read_head(8192).await.expect("the next head");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_from_one_that_is_wrong() {
    let request = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe";
    let (mut http1, client) = served(request).await;
    drop(client);
    http1.read_body().await.expect("the beginning");
    assert_eq!(http1.read_body().await, Err(ClientError::Gone));
    let request = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
    let (mut http1, _client) = served(request).await;
    assert_eq!(http1.read_body().await, Err(ClientError::Malformed));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_times_out() {
    let request = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
    let (mut http1, _client) = served(request).await;
    assert_eq!(http1.read_body().await, Err(ClientError::Stalled));
}

#[tokio::test]
async fn a_response_leaves_framed_as_its_head_says() {
    for (request, lines, wanted) in [
        (
            GET,
            &[("content-length", "5")][..],
            "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\n\r\nhello",
        ),
        (
            GET,
            &[("transfer-encoding", "chunked")],
            "HTTP/1.1 200 OK\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        ),
        (
            b"HEAD / HTTP/1.1\r\n\r\n",
            &[("content-length", "5")],
            "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\n\r\n",
        ),
        (
            b"GET / HTTP/1.0\r\n\r\n",
            &[],
            "HTTP/1.1 200 OK\r\ndate: now\r\nconnection: close\r\n\r\nhello",
        ),
        (
            b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            &[("content-length", "5")],
            "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\nhello",
        ),
        (
            b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
            &[("content-length", "5")],
            "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
        ),
    ] {
        let (mut http1, client) = served(request).await;
        http1.write_head(&head(lines)).await.unwrap();
        http1.write_body(b"hel", false).await.unwrap();
        http1.write_body(b"lo", false).await.unwrap();
        http1.write_body(b"", true).await.unwrap();
        assert_eq!(got(http1, client).await, wanted);
    }
}

#[tokio::test]
async fn a_large_part_leaves_whole_behind_what_was_to_be_written() {
    let body = "x".repeat(100_000);
    let (mut http1, client) = served(GET).await;
    http1
        .write_head(&head(&[("transfer-encoding", "chunked")]))
        .await
        .unwrap();
    http1.write_body(body.as_bytes(), true).await.unwrap();
    let got = got(http1, client).await;
    assert!(got.ends_with(&format!("\r\n\r\n186A0\r\n{body}\r\n0\r\n\r\n")));
}

#[tokio::test]
async fn a_connection_takes_another_request_only_if_both_sides_know_where_it_begins() {
    const UPLOAD: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel";
    for (request, length, body, wanted) in [
        (GET, "5", "hello", ConnectionState::Open),
        (GET, "5", "hell", ConnectionState::Closed),
        (GET, "5", "hello, world", ConnectionState::Open),
        (UPLOAD, "5", "hello", ConnectionState::Closed),
    ] {
        let (mut http1, client) = served(request).await;
        http1
            .write_head(&head(&[("content-length", length)]))
            .await
            .unwrap();
        let _ = http1.write_body(body.as_bytes(), true).await;
        assert_eq!(http1.finish().await, wanted, "{body}");
        let got = got(http1, client).await;
        assert!(!got.contains("world"), "nothing follows the body");
    }
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_body_is_discarded_for_a_while() {
    const UPLOAD: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel";
    for (rest, wanted) in [
        (&b"lo"[..], ConnectionState::Open),
        (b"l", ConnectionState::Closed),
    ] {
        let (mut http1, mut client) = served(UPLOAD).await;
        http1.drain_afterwards(Duration::from_secs(2));
        http1
            .write_head(&head(&[("content-length", "0")]))
            .await
            .unwrap();
        client.write_all(rest).await.unwrap();
        assert_eq!(http1.finish().await, wanted);
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_and_one_that_goes_on_is_not_taken_for_it() {
    let (mut http1, client) = served(GET).await;
    drop(client);
    http1.left().await;
    let (mut http1, mut client) = served(GET).await;
    client.write_all(GET).await.unwrap();
    tokio::select! {
        biased;
        () = http1.left() => panic!("it is there"),
        () = tokio::task::yield_now() => {}
    }
    http1
        .read_head(8192)
        .await
        .expect("its next request, whole");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_times_out() {
    let (mut http1, mut client) = connection(64);
    client.write_all(GET).await.unwrap();
    http1.read_head(8192).await.expect("a head");
    http1
        .write_head(&head(&[("content-length", "1000")]))
        .await
        .unwrap();
    let written = http1.write_body(&[0; 1000], true).await;
    assert_eq!(written, Err(ClientError::Stalled));
}

#[tokio::test]
async fn an_open_connection_holds_no_buffer() {
    let (mut http1, _client) = served(GET).await;
    assert_eq!(http1.read.capacity(), 0, "of what was read");
    http1
        .write_head(&head(&[("transfer-encoding", "chunked")]))
        .await
        .unwrap();
    http1.write_body(&[0; 1000], false).await.unwrap();
    assert!(
        http1.out.bytes().capacity() <= output::KEPT_ROOM,
        "of what was written"
    );
}
