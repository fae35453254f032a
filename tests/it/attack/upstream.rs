//! Upstreams that mean harm: every wait on one has an end, whatever it sends meanwhile.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{
    Answer, Caller, Ending, GatewayBuilder, Http2Upstream, Request, Response, TestGateway,
    Upstream, within_timeout,
};

const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";

/// An upstream that answers every request with `begin`, and then with `again` until its peer leaves.
async fn endless(begin: &'static [u8], again: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(insist(stream, begin, again));
        }
    });
    url
}

async fn insist(mut stream: TcpStream, begin: &[u8], again: &[u8]) {
    let mut read = vec![0; 65536];
    let mut written = stream
        .read(&mut read)
        .await
        .and(stream.write_all(begin).await);
    while written.is_ok() {
        written = stream.write_all(again).await;
    }
}

async fn before(url: &str, more: &str) -> TestGateway {
    let builder = GatewayBuilder::shipped().upstream_at("default", url);
    builder.extra(more).start().await
}

fn question(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []}))
}

async fn ask(gate: &TestGateway, request: &Request) -> Response {
    within_timeout("an end", gate.ask(request)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interim_answers_without_end_are_a_502() {
    let url = endless(b"", HINTS).await;
    let gate = before(&url, "").await;
    let response = ask(&gate, &question(&gate)).await;
    assert_eq!(response.status, 502, "{}", response.text());
    assert!(
        response.text().contains("more than 16 interim answers"),
        "it says why: {}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_interim_answers_are_passed_over() {
    let few = HINTS.repeat(16);
    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}";
    let begin: &'static [u8] = Box::leak([few.as_slice(), answer].concat().into_boxed_slice());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gate = before(&url, "").await;
    let answered = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 65536];
        assert!(stream.read(&mut read).await.unwrap() > 0, "a request");
        stream.write_all(begin).await.unwrap();
    });
    let response = ask(&gate, &question(&gate)).await;
    assert_eq!(response.status, 200, "{}", response.text());
    answered.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_of_protocols_is_a_502() {
    let url = endless(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        b"x",
    )
    .await;
    let gate = before(&url, "").await;
    let response = ask(&gate, &question(&gate)).await;
    assert_eq!(response.status, 502, "{}", response.text());
    assert!(response.text().contains("101"), "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_an_answer_that_is_not_http_are_in_no_error_and_no_receipt() {
    let upstream = Upstream::always(Answer::raw("sk-ant-hidden\r\n\r\n").then_close()).await;
    let gate = before(&upstream.url(), "").await;
    let response = ask(&gate, &question(&gate)).await;
    assert_eq!(response.status, 502, "{}", response.text());
    let told = response.text();
    assert!(told.contains("its head can't be parsed"), "{told}");
    let receipt = gate.only_receipt().await.to_string();
    for text in [told, &receipt] {
        assert!(!text.contains("hidden"), "it quotes the answer: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interim_answers_without_end_over_http_2_are_a_502() {
    let upstream = Http2Upstream::start(|_, mut answer| {
        tokio::spawn(async move {
            let hints = || http::Response::builder().status(103).body(()).unwrap();
            while answer.send_informational(hints()).is_ok() {
                tokio::task::yield_now().await;
            }
        });
    })
    .await;
    let table = format!(
        "[upstreams.default]\nbase_url = \"{}\"\nhttp = \"2\"\n",
        upstream.url()
    );
    let gate = GatewayBuilder::bare().extra(&table).start().await;
    let response = ask(&gate, &question(&gate)).await;
    assert_eq!(response.status, 502, "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_ends_with_interim_answers_that_do_not() {
    let url = endless(b"", HINTS).await;
    let gate = before(&url, "[state]\ndirectory = \"state\"\n").await;
    let upload = Caller::first(&gate)
        .request("POST", "/v1/files")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(vec![b'x'; 1_000_000]);
    let response = ask(&gate, &upload).await;
    assert_eq!(response.status, 502, "{}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_stops_ends_with_the_time_of_its_exchange() {
    let url = endless(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        b"10\r\n: more and more\n\r\n",
    )
    .await;
    let gate = before(&url, "[streams]\ntotal_timeout_ms = 200\n").await;
    let response = ask(&gate, &question(&gate)).await;
    assert_eq!(response.ending, Ending::Cut, "it has no clean end");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "cut", "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_answer_that_never_stops_is_a_504() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let trickling = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 65536];
        assert!(stream.read(&mut read).await.unwrap() > 0, "a request");
        let head =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let byte_by_byte = async {
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            }
        };
        byte_by_byte.await;
    });
    let table = format!(
        "[upstreams.default]\nbase_url = \"{url}\"\nhead_timeout_ms = 200\nidle_timeout_ms = 60000\n\
         [[models.resource]]\nid = \"own\"\n"
    );
    let gate = GatewayBuilder::shipped().extra(&table).start().await;
    let models = gate.keyed(Request::new("GET", "/v1/models"));
    let response = ask(&gate, &models).await;
    assert_eq!(response.status, 504, "{}", response.text());
    within_timeout("the end of its connection", trickling)
        .await
        .unwrap();
}
