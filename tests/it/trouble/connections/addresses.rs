//! Addresses that neither take a connection nor refuse it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::names::{Names, ask, gate};
use crate::harness::{Answer, Authority, GatewayBuilder, Http2Upstream, Request, Tunnel, Upstream};
use crate::upstreams::{message, shown};

/// Longer than a test has patience.
const FOR_EVER: &str = "connect_timeout_ms = 100000";

/// A listener whose queue is full: the system drops what comes.
struct Silent {
    address: SocketAddr,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

// === impl Silent ===

impl Silent {
    /// Returns another loopback address (127.0.0.`host`) with the port of an upstream.
    async fn at(host: u8, port: u16) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind((Ipv4Addr::new(127, 0, 0, host), port).into())
            .unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(connected) =
            timeout(Duration::from_millis(300), TcpStream::connect(address)).await
        {
            queued.push(connected.unwrap());
        }
        Self {
            address,
            _listener: listener,
            _queued: queued,
        }
    }
}

/// Returns the page's entry of an address.
fn trouble(shown: &Value, address: SocketAddr) -> Value {
    let list = shown["addresses"]["list"].as_array().expect("a list");
    let found = list
        .iter()
        .find(|entry| entry["address"] == address.to_string());
    found.expect("the address is known")["trouble"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connect_timeout_holds_for_all_addresses_together() {
    let upstream = Upstream::answering().await;
    let port = upstream.address().port();
    let mut silent = Vec::new();
    for host in 2..7 {
        silent.push(Silent::at(host, port).await);
    }
    let names = Names::always(
        &silent
            .iter()
            .map(|silent| silent.address)
            .collect::<Vec<_>>(),
    );
    let gate = gate(&names, port, "connect_timeout_ms = 2000").await;
    let started = Instant::now();
    assert_eq!(ask(&gate).await, 502, "no connection");
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "two seconds for all of them, and not ten: {:?}",
        started.elapsed()
    );
    let receipt = gate.only_receipt().await;
    let error = receipt["attempts"]["0"]["error"]
        .as_str()
        .unwrap_or_default();
    assert!(error.contains("2s"), "it says how long it tried: {receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_address_costs_a_moment_once_and_is_shown() {
    let upstream = Upstream::always(message().then_close()).await;
    let silent = Silent::at(2, upstream.address().port()).await;
    let names = Names::always(&[silent.address, upstream.address()]);
    let gate = gate(&names, upstream.address().port(), FOR_EVER).await;
    for round in 0..6 {
        assert_eq!(ask(&gate).await, 200, "connection {round}");
    }
    let shown = shown(&gate, "only").await;
    let why = trouble(&shown, silent.address);
    assert!(
        why["why"].is_string()
            && why["passed_over_for_ms"]
                .as_u64()
                .is_some_and(|left| left > 0),
        "the page says that it is passed over, why and for how long: {shown}"
    );
    assert_eq!(
        trouble(&shown, upstream.address()),
        Value::Null,
        "nothing is wrong with the other: {shown}"
    );
    let metrics = gate.admin("/metrics").await;
    assert!(
        metrics
            .text()
            .contains("witgate_upstream_addresses_passed_over{upstream=\"only\"} 1"),
        "{}",
        metrics.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_address_holds_up_no_upload() {
    let created = Answer::json(200, &[], &json!({"id": "file_1", "type": "file"}));
    let upstream = Upstream::always(created.then_close()).await;
    let silent = Silent::at(2, upstream.address().port()).await;
    let names = Names::always(&[silent.address, upstream.address()]);
    let gate = gate(&names, upstream.address().port(), FOR_EVER).await;
    let upload = gate.keyed(Request::new("POST", "/v1/files").header("Host", "gateway.test"));
    for round in ["1", "2"] {
        let request = upload.clone().header("x-round", round).body("some bytes");
        let response = gate.ask(&request).await;
        // The second file has the id of the first, which is claimed.
        assert!(
            [200, 502].contains(&response.status) && !response.text().contains("connection"),
            "{}",
            response.text()
        );
    }
    assert_eq!(upstream.requests().len(), 2, "both arrived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_address_holds_up_no_http_2_connection() {
    let upstream = Http2Upstream::always(br#"{"type":"message"}"#).await;
    let silent = Silent::at(2, upstream.address().port()).await;
    let names = Names::always(&[silent.address, upstream.address()]);
    let more = format!("http = \"2\"\n{FOR_EVER}");
    let gate = gate(&names, upstream.address().port(), &more).await;
    for round in 0..4 {
        assert_eq!(ask(&gate).await, 200, "request {round}");
    }
    assert!(
        trouble(&shown(&gate, "only").await, silent.address).is_object(),
        "the silent address is remembered"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_find_the_address_that_lives() {
    let upstream = Upstream::always(message().then_close()).await;
    let silent = Silent::at(2, upstream.address().port()).await;
    let names = Names::always(&[silent.address, upstream.address()]);
    let health = "health = { path = \"/v1/models\", interval_ms = 50, timeout_ms = 20000 }";
    let gate = gate(
        &names,
        upstream.address().port(),
        &format!("{health}\n{FOR_EVER}"),
    )
    .await;
    for _ in 0..4 {
        upstream.next_request().await;
    }
    assert_eq!(
        shown(&gate, "only").await["state"],
        "available",
        "checks are good"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_never_ends_its_handshake_leaves_time_for_the_next() {
    let authority = Authority::new();
    let upstream = Upstream::answering().await;
    let server = authority.issue("api.test").server(&["http/1.1"]);
    let tunnel = Tunnel::out_of_tls(upstream.address(), server).await;
    let port = tunnel.address().port();
    // The system takes connections for it, and nothing is ever said on them.
    let mute = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port))
        .await
        .unwrap();
    let names = Names::always(&[mute.local_addr().unwrap(), tunnel.address()]);
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let table = format!(
        "[upstreams.only]\nbase_url = \"https://upstream.test:{port}\"\nsni = \"api.test\"\nca_file = \"{}\"\n\
         retry = {{ attempts = 0 }}\nconnect_timeout_ms = 8000\n",
        ca.display()
    );
    let gate = GatewayBuilder::bare()
        .extra(&table)
        .start_with_resolver(names)
        .await;
    assert_eq!(ask(&gate).await, 200, "by the address that speaks TLS");
    assert!(
        trouble(&shown(&gate, "only").await, mute.local_addr().unwrap()).is_object(),
        "the mute address is remembered"
    );
}
