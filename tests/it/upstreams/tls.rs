//! TLS towards upstreams: nobody is trusted who was not asked for.

use serde_json::json;

use crate::harness::{
    Authority, GatewayBuilder, Http2Upstream, TestGateway, Tunnel, Upstream, whole,
};

const ANSWER: &[u8] = br#"{"type":"message"}"#;

/// A gateway whose only upstream is at this port, with the authority's certificate as its CA.
async fn gate(port: u16, authority: &Authority, more: &str) -> (TestGateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let upstream = format!(
        "[upstreams.tls]\nbase_url = \"https://127.0.0.1:{port}\"\nca_file = \"{}\"\n{more}\n",
        ca.display()
    );
    (
        GatewayBuilder::bare().extra(&upstream).start().await,
        folder,
    )
}

fn body() -> serde_json::Value {
    json!({"model": "m", "max_tokens": 5, "messages": []})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_with_the_right_certificate_is_asked_and_its_connection_kept() {
    let authority = Authority::new();
    let upstream = Upstream::answering().await;
    for name in ["127.0.0.1", "api.test"] {
        let server = authority.issue(name).server(&["http/1.1"]);
        let tunnel = Tunnel::out_of_tls(upstream.address(), server).await;
        let before = upstream.connections();
        let sni = format!("sni = \"{name}\"");
        let (gate, _folder) = gate(tunnel.address().port(), &authority, &sni).await;
        let mut client = gate.client().await;
        for _ in 0..8 {
            let response = client.ask(&gate.messages(&body())).await;
            assert_eq!(response.status, 200, "{name}: {}", response.text());
        }
        // The pool may now and then lose a race for a connection that was just given back.
        let opened = upstream.connections() - before;
        assert!(opened < 8, "connections are kept: {opened}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_issuer_and_a_wrong_name_are_refused_and_it_is_said_which() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let upstream = Upstream::answering().await;
    for (issuer, name, said) in [
        (&stranger, "127.0.0.1", "UnknownIssuer"),
        (&authority, "other.test", "not valid for name"),
    ] {
        let server = issuer.issue(name).server(&[]);
        let tunnel = Tunnel::out_of_tls(upstream.address(), server).await;
        let (gate, _folder) = gate(tunnel.address().port(), &authority, "").await;
        let response = gate.ask(&gate.messages(&body())).await;
        assert_eq!(response.status, 502, "{}", response.text());
        assert!(
            response.text().contains(said),
            "{said} is said in: {}",
            response.text()
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_never_ends_its_handshake_is_given_up_after_the_connect_timeout() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let (gate, _folder) = gate(port, &Authority::new(), "connect_timeout_ms = 100").await;
    let response = gate.ask(&gate.messages(&body())).await;
    assert_eq!(response.status, 502, "{}", response.text());
    assert!(
        response.text().contains("no connection"),
        "it says so: {}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_handshake_the_next_upstream_is_asked() {
    let server = Authority::new().issue("127.0.0.1").server(&[]);
    let second = Upstream::answering().await;
    let tunnel = Tunnel::out_of_tls(second.address(), server).await;
    // The system's roots do not know the issuer.
    let tables = format!(
        "[upstreams.first]\nbase_url = \"https://127.0.0.1:{}\"\n[upstreams.second]\nbase_url = \"{}\"\n\
         [groups.either]\nmembers = [{{ upstream = \"first\" }}, {{ upstream = \"second\" }}]\nchoice = \"order\"\n",
        tunnel.address().port(),
        second.url(),
    );
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"either\"")
        .extra(&tables)
        .start()
        .await;
    let response = gate.ask(&gate.messages(&body())).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let receipt = gate.receipts_when(1).await.remove(0);
    let first = receipt["attempts"]["0"]["error"].as_str();
    assert!(
        first.is_some_and(|error| error.contains("UnknownIssuer")),
        "the first is not trusted: {receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_spoken_where_the_server_takes_it_and_not_where_the_configuration_forbids() {
    let authority = Authority::new();
    let server = authority.issue("127.0.0.1").server(&["h2"]);
    let upstream = Http2Upstream::start_tls(server, |_, answer| whole(answer, ANSWER)).await;
    let port = upstream.address().port();
    for (more, status) in [
        ("", 200),
        ("http = \"auto\"", 200),
        ("http = \"2\"", 200),
        ("http = \"1.1\"", 502),
    ] {
        let (gate, _folder) = gate(port, &authority, more).await;
        let response = gate.ask(&gate.messages(&body())).await;
        assert_eq!(response.status, status, "{more}: {}", response.text());
    }
    let request = upstream.requests().remove(0);
    assert_eq!(request.head.version, http::Version::HTTP_2, "the version");
    assert_eq!(request.body, body().to_string(), "the body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_offers_only_http_1_is_an_error_where_http_2_is_asked_for() {
    let authority = Authority::new();
    let upstream = Upstream::answering().await;
    let server = authority.issue("127.0.0.1").server(&[]);
    let tunnel = Tunnel::out_of_tls(upstream.address(), server).await;
    let port = tunnel.address().port();
    let (strict, _folder) = gate(port, &authority, "http = \"2\"").await;
    let response = strict.ask(&strict.messages(&body())).await;
    assert_eq!(response.status, 502, "{}", response.text());
    assert!(
        response.text().contains("HTTP/2"),
        "it is said why: {}",
        response.text()
    );
    let (gate, _folder) = gate(port, &authority, "").await;
    let response = gate.ask(&gate.messages(&body())).await;
    assert_eq!(response.status, 200, "and served where either will do");
}
