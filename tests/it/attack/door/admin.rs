//! The admin listener: who keeps others out of it, and who reads it through somebody's browser.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{
    Client, GatewayBuilder, Request, Response, TestGateway, Upstream, within_timeout,
};

const PAGES: [&str; 6] = [
    "/plugins",
    "/upstreams",
    "/budgets",
    "/keys",
    "/config",
    "/metrics",
];

async fn gate(admin: &str, extra: &str) -> TestGateway {
    let upstream = Upstream::answering().await;
    GatewayBuilder::bare()
        .upstream("default", &upstream)
        .admin(admin)
        .extra(extra)
        .start()
        .await
}

fn address(gate: &TestGateway) -> SocketAddr {
    gate.running().admin().unwrap()
}

async fn ask(gate: &TestGateway, request: &Request) -> Response {
    Client::connect(address(gate)).await.ask(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_answered_while_others_hold_every_place() {
    let gate = gate("", "").await;
    let mut held = Vec::new();
    for number in 0..200 {
        let mut tcp = TcpStream::connect(address(&gate)).await.unwrap();
        let trickle: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /he",
            _ => b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /he",
        };
        // One that had to make room may be closed already.
        let _ = tcp.write_all(trickle).await;
        held.push(tcp);
        if number % 20 == 0 {
            for path in ["/healthz", "/readyz"] {
                let mut probe = Client::connect(address(&gate)).await;
                probe.send(&Request::new("GET", path)).await;
                let response = probe.try_receive().await;
                let status = response.map(|response| response.status);
                assert_eq!(status, Some(200), "{path} with {number} in the way");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_asked_keeps_a_connection_while_silent_ones_give_way() {
    let gate = gate("", "").await;
    let health = Request::new("GET", "/healthz");
    let mut scraper = Client::connect(address(&gate)).await;
    assert_eq!(scraper.ask(&health).await.status, 200, "at first");
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(TcpStream::connect(address(&gate)).await.unwrap());
    }
    // Once it is answered, all that came before it are in.
    assert_eq!(ask(&gate, &health).await.status, 200, "a probe");
    scraper.send(&health).await;
    let response = scraper.try_receive().await;
    assert_eq!(
        response.map(|response| response.status),
        Some(200),
        "again, on the same connection"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_on_the_admin_listener_have_the_limits_of_clients_heads() {
    let gate = gate(
        "",
        "[limits]\nhead_bytes = 8192\nheaders = 30\nhead_timeout_ms = 300\n",
    )
    .await;
    let mut trickled = Client::connect(address(&gate)).await;
    trickled.write(b"GET /healthz HTTP/1.1\r\nHo").await;
    assert!(trickled.closed().await, "a head has an end");

    let lines = "X: 1\r\n".repeat(40);
    for (name, lines) in [
        ("large", format!("X: {}", "x".repeat(9000))),
        ("of many lines", lines + "\r\n"),
    ] {
        let mut client = Client::connect(address(&gate)).await;
        let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{lines}");
        client.try_write(head.as_bytes()).await;
        let said = client.until_closed().await;
        let text = String::from_utf8_lossy(&said);
        assert!(text.starts_with("HTTP/1.1 431"), "{name}: {text:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_was_bound_to_this_machine_by_others_reads_nothing() {
    let gate = gate("hosts = [\"gateway.internal\"]", "").await;
    for path in PAGES {
        for host in [
            "evil.test",
            "evil.test:8788",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "gateway.internal.evil.test",
            "127.1",
            "2130706433",
            "[::1",
            "localhost:x",
            "",
        ] {
            let response = ask(&gate, &Request::new("GET", path).header("Host", host)).await;
            assert!(
                [400, 421].contains(&response.status),
                "{path} for {host}: {}",
                response.status
            );
            assert!(
                !response.text().contains("default"),
                "{path} for {host} tells nothing: {}",
                response.text()
            );
        }
        for host in [
            "127.0.0.1:8788",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8788",
            "10.1.2.3:8788",
            "gateway.internal",
            "Gateway.Internal:8788",
        ] {
            let response = ask(&gate, &Request::new("GET", path).header("Host", host)).await;
            assert_eq!(response.status, 200, "{path} for {host}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_answer_any_host_and_say_no_more_than_whether() {
    let gate = GatewayBuilder::bare()
        .extra("[plugins]\ndirectory = \"policies\"\nrequired = [\"missing-plugin\"]\n")
        .upstream_at("default", "http://127.0.0.1:9")
        .start()
        .await;
    let asked = async |path: &str, host: &str| {
        ask(&gate, &Request::new("GET", path).header("Host", host)).await
    };
    let alive = asked("/healthz", "evil.test").await;
    assert_eq!(alive.status, 200, "alive to everybody");
    let ready = asked("/readyz", "localhost").await;
    assert_eq!(ready.status, 503, "not ready");
    assert!(
        ready.text().contains("missing-plugin"),
        "an operator reads why: {}",
        ready.text()
    );
    let ready = asked("/readyz", "evil.test").await;
    assert_eq!(ready.status, 503, "not ready");
    assert!(
        !ready.text().contains("missing-plugin"),
        "others read whether: {}",
        ready.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_site_is_refused_and_answers_stay_with_their_site() {
    let gate = gate("", "").await;
    let asking = |path: &str, site: &str| {
        Request::new("GET", path)
            .header("Host", "localhost")
            .header("Sec-Fetch-Site", site)
    };
    for path in PAGES.iter().chain(&["/healthz", "/readyz"]) {
        for site in ["cross-site", "same-site", "Cross-Site", "new-word"] {
            let response = ask(&gate, &asking(path, site)).await;
            assert_eq!(response.status, 403, "{path} from {site}");
        }
        for site in ["none", "same-origin"] {
            let response = ask(&gate, &asking(path, site)).await;
            assert_eq!(response.status, 200, "{path} from {site}");
            for (name, value) in [
                ("cache-control", "no-store"),
                ("x-content-type-options", "nosniff"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(response.headers.get(name), Some(value), "{path}: {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_pages_are_read_and_nothing_else() {
    let gate = gate("", "").await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        for path in ["/budgets", "/healthz"] {
            let request = Request::new(method, path)
                .header("Host", "localhost")
                .body("x=1");
            let response = ask(&gate, &request).await;
            assert_eq!(response.status, 405, "{method} {path}");
            assert_eq!(response.headers.get("allow"), Some("GET, HEAD"), "allow");
        }
    }
    let mut client = Client::connect(address(&gate)).await;
    for _ in 0..2 {
        let request = Request::new("HEAD", "/metrics").header("Host", "localhost");
        let response = within_timeout("an answer to HEAD", client.ask(&request)).await;
        assert_eq!(response.status, 200, "HEAD");
        assert!(response.body.is_empty(), "without a body");
    }
}
