//! The client's address: the connection's, or what a proxy says that the operator trusts.

use serde_json::{Value, json};
use witgate_artifacts::{BUDGET, ROUTE};

use crate::harness::{GatewayBuilder, Request, TestGateway, Upstream};

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.0/8\", \"192.0.2.0/24\", \"2001:db8::/32\"]";

async fn gate(listen: &str) -> TestGateway {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .listen(listen)
        .start()
        .await;
    // It serves for as long as the test's runtime does.
    std::mem::forget(upstream);
    gate
}

fn asking(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []}))
}

/// The client that the receipt of this request names.
async fn client_of(gate: &TestGateway, request: &Request) -> Value {
    let before = gate.receipts().await.len();
    let response = gate.ask(request).await;
    assert_eq!(response.status, 200, "{}", response.text());
    gate.receipts_when(before + 1).await.remove(before)["client"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_counts_only_from_a_proxy_that_is_trusted() {
    let open = gate("").await;
    let spoofed = asking(&open)
        .header("X-Forwarded-For", "198.51.100.7")
        .header("Forwarded", "for=198.51.100.7");
    assert_eq!(
        client_of(&open, &spoofed).await,
        json!({"address": "127.0.0.1"}),
        "nobody is trusted by default"
    );
    let other = gate("trusted_proxies = [\"192.0.2.1\"]").await;
    let spoofed = asking(&other).header("X-Forwarded-For", "198.51.100.7");
    assert_eq!(
        client_of(&other, &spoofed).await,
        json!({"address": "127.0.0.1"}),
        "another one is trusted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rightmost_address_that_is_not_a_proxys_is_the_clients() {
    let gate = gate(TRUSTED).await;
    for (lines, address) in [
        (vec!["198.51.100.7"], "198.51.100.7"),
        (vec!["10.9.9.9, 198.51.100.7"], "198.51.100.7"),
        (vec!["198.51.100.7, 192.0.2.9"], "198.51.100.7"),
        (
            vec!["10.9.9.9", "198.51.100.7:4711, 192.0.2.9"],
            "198.51.100.7",
        ),
        (vec!["[2001:db9::1]:443,2001:db8::2"], "2001:db9::1"),
        (vec!["::ffff:198.51.100.7"], "198.51.100.7"),
        (vec!["rubbish, 192.0.2.9"], "192.0.2.9"),
        (vec!["rubbish"], "127.0.0.1"),
        (vec!["192.0.2.8, 192.0.2.9"], "192.0.2.8"),
        (vec![], "127.0.0.1"),
    ] {
        let mut request = asking(&gate).header("Forwarded", "for=203.0.113.1");
        for line in &lines {
            request = request.header("X-Forwarded-For", line);
        }
        let client = client_of(&gate, &request).await;
        assert_eq!(client["address"], address, "{lines:?}: {client}");
        if address != "127.0.0.1" {
            assert_eq!(client["peer"], "127.0.0.1", "{lines:?}: {client}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header_of_rfc_7239_is_read_where_it_is_the_one_that_the_proxy_writes() {
    let gate = gate(&format!("{TRUSTED}\nforwarded_header = \"forwarded\"")).await;
    for (line, address) in [
        ("for=198.51.100.7", "198.51.100.7"),
        ("FOR = \"198.51.100.7:80\" ; proto=https", "198.51.100.7"),
        (
            "for=10.9.9.9, For=\"[2001:db9::1]:80\";host=\"a\\\", for=10.0.0.1\"",
            "2001:db9::1",
        ),
        ("for=198.51.100.7, for=192.0.2.9;by=_hidden", "198.51.100.7"),
        ("for=_hidden, for=192.0.2.9", "192.0.2.9"),
        ("for=unknown", "127.0.0.1"),
        ("proto=https", "127.0.0.1"),
    ] {
        let line = line.replace(" = ", "=");
        let request = asking(&gate)
            .header("X-Forwarded-For", "203.0.113.1")
            .header("Forwarded", &line);
        let client = client_of(&gate, &request).await;
        assert_eq!(client["address"], address, "{line}: {client}");
    }
    let unreadable = asking(&gate).header("Forwarded", "for=\"198.51.100.7");
    let response = gate.ask(&unreadable).await;
    assert_eq!(
        response.status,
        400,
        "two readers could differ: {}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_protocol_names_the_client_in_both_versions() {
    let gate = gate(&format!("{TRUSTED}\nproxy_protocol = true")).await;
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10".to_vec();
    v2.extend([198, 51, 100, 7, 127, 0, 0, 1, 0x12, 0x34, 0, 80]);
    v2.extend([0x04, 0, 1, 0]);
    let mut v2_six = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
    v2_six.extend([0x20, 0x01, 0x0d, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    v2_six.extend([0; 16]);
    v2_six.extend([0x12, 0x34, 0, 80]);
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec();
    for (header, address) in [
        (
            b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 80\r\n".to_vec(),
            "198.51.100.7",
        ),
        (
            b"PROXY TCP6 2001:db9::1 ::1 4711 80\r\n".to_vec(),
            "2001:db9::1",
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2, "198.51.100.7"),
        (v2_six, "2001:db9::1"),
        (local, "127.0.0.1"),
    ] {
        let before = gate.receipts().await.len();
        let mut client = gate.client().await;
        client.write(&header).await;
        // The client behind the proxy can write what it likes into a header.
        let request = asking(&gate).header("X-Forwarded-For", "10.0.0.1");
        let request = if address == "127.0.0.1" {
            asking(&gate)
        } else {
            request
        };
        for _ in 0..2 {
            assert_eq!(client.ask(&request).await.status, 200, "{address}");
        }
        for receipt in gate.receipts_when(before + 2).await.iter().skip(before) {
            assert_eq!(receipt["client"]["address"], address, "{receipt}");
        }
    }
    for wrong in [
        &b"PROXY TCP4 198.51.100.7 127.0.0.1 4711\r\n"[..],
        b"PROXY TCP4 198.51.100.777 127.0.0.1 1 2\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c0123456789ab",
    ] {
        let mut client = gate.client().await;
        client.write(wrong).await;
        let answer = client.until_closed().await;
        assert!(answer.is_empty(), "closed without a word: {wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_protocol_of_a_peer_that_is_not_trusted_is_no_http() {
    let gate = gate("trusted_proxies = [\"192.0.2.1\"]\nproxy_protocol = true").await;
    let mut client = gate.client().await;
    assert_eq!(
        client.ask(&asking(&gate)).await.status,
        200,
        "it speaks HTTP at once"
    );
    let mut spoofing = gate.client().await;
    spoofing
        .write(b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 80\r\n")
        .await;
    spoofing.write(&asking(&gate).to_bytes()).await;
    let answer = spoofing.try_receive().await;
    assert!(
        answer.is_none_or(|answer| answer.status == 400),
        "the line is not read as the proxy's word"
    );
    for receipt in gate.receipts_when(1).await {
        assert_eq!(receipt["client"]["address"], "127.0.0.1", "{receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_accounts_know_the_address() {
    let rules = "[[settings.rules]]\nname = \"not from there\"\n\
        when = [{ field = \"address\", within = [\"198.51.100.0/24\", \"2001:db9::/32\"] }]\n\
        block = { message = \"not from there\" }\n";
    let limits =
        "[[settings.tiers.pro.limits]]\naccount = \"address\"\nwindow = \"total\"\nrequests = 1\n";
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, rules)
        .plugin("budget", BUDGET, limits)
        .upstream("default", &upstream)
        .listen(TRUSTED)
        .start()
        .await;
    for (address, wanted) in [
        ("198.51.100.7", 400),
        ("2001:db9::7", 400),
        ("203.0.113.5", 200),
        ("203.0.113.5", 429),
        ("203.0.113.6", 200),
    ] {
        let request = asking(&gate).header("X-Forwarded-For", address);
        let response = gate.ask(&request).await;
        assert_eq!(response.status, wanted, "{address}: {}", response.text());
    }
}
