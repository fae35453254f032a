//! Unknown paths are a 404 unless the operator lets them pass; `/v1/organizations` never passes.

use serde_json::json;

use crate::harness::{Answer, Caller, GatewayBuilder, Request, TestGateway, Upstream};

async fn gate() -> (TestGateway, Upstream, Caller) {
    let upstream =
        Upstream::always(Answer::json(200, &[("x-up", "1")], &json!({"ok": true}))).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra("[passthrough]\npaths = [\"/v1/agents\", \"/v1/agents/*\", \"/v1/user_profiles/**\", \"/v1/*\"]\n")
        .start()
        .await;
    let caller = Caller::first(&gate);
    (gate, upstream, caller)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listed_paths_pass_with_their_query_method_and_bytes() {
    let (gate, upstream, alice) = gate().await;
    let multipart =
        "--b\r\nContent-Disposition: form-data; name=\"files[]\"\r\n\r\n\x00\x01\r\n--b--\r\n";
    for (method, path, body) in [
        ("GET", "/v1/agents?beta=true&x=%20", ""),
        ("POST", "/v1/agents?beta=true", multipart),
        ("PATCH", "/v1/user_profiles/u_1/x", "{\"a\": 1}"),
        ("DELETE", "/v1/agents/s_1", ""),
        ("POST", "/v1/user_profiles/u_1", ""),
    ] {
        let mut request = alice
            .request(method, path)
            .header("content-type", "multipart/form-data; boundary=b");
        if !body.is_empty() || method == "POST" {
            request = request.body(body);
        }
        let response = gate.ask(&request).await;
        assert_eq!(
            (response.status, response.headers.get("x-up")),
            (200, Some("1")),
            "{method} {path}: {}",
            response.text()
        );
        let seen = upstream.next_request().await;
        assert_eq!((seen.method(), seen.target()), (method, path), "as it came");
        assert_eq!(seen.body, body.as_bytes(), "{method} {path}: byte for byte");
        assert_eq!(
            seen.headers.get("x-api-key"),
            Some("upstream-secret"),
            "with the upstream's own key"
        );
    }
    let receipts = gate.receipts_when(5).await;
    assert!(
        receipts.iter().all(
            |receipt| receipt["endpoint"] == "pass-through" && receipt["outcome"] == "answered"
        ),
        "{receipts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_serves_on_after_a_body_has_passed() {
    let (gate, upstream, alice) = gate().await;
    let mut client = gate.client().await;
    for _ in 0..3 {
        let response = client
            .ask(
                &alice
                    .request("POST", "/v1/agents")
                    .body("x".repeat(100_000)),
            )
            .await;
        assert_eq!(response.status, 200, "{}", response.text());
        let response = client.ask(&alice.request("GET", "/v1/agents")).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    assert_eq!(upstream.requests().len(), 6, "each was one request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_listed_and_what_never_passes_is_404() {
    let (gate, upstream, alice) = gate().await;
    for (method, path) in [
        ("GET", "/v1/organizations"),
        ("GET", "/v1/Organizations"),
        ("GET", "/v1/organizations/api_keys"),
        ("GET", "/v1/user_profiles/../organizations/me"),
        ("GET", "/v1/user_profiles/%2e%2e/organizations"),
        ("GET", "/v1/agents/a/b"),
        ("PUT", "/v1/files"),
        ("DELETE", "/v1/models"),
        ("GET", "/v2/skills"),
        ("TRACE", "/v1/agents"),
    ] {
        let response = gate.ask(&alice.request(method, path)).await;
        assert_eq!(response.status, 404, "{method} {path}: {}", response.text());
        assert_eq!(
            response.json()["error"]["type"],
            "not_found_error",
            "{}",
            response.text()
        );
    }
    assert!(upstream.requests().is_empty(), "nothing was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heads_of_what_passes_can_be_asked_for_alone() {
    let (gate, upstream, alice) = gate().await;
    let response = gate.ask(&alice.request("HEAD", "/v1/agents")).await;
    assert_eq!(
        (response.status, response.body.len()),
        (200, 0),
        "a head and no body"
    );
    assert_eq!(
        response.headers.get("content-length"),
        Some("11"),
        "what GET would have"
    );
    assert_eq!(
        upstream.next_request().await.method(),
        "HEAD",
        "asked as it came"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whether_anybody_is_there_is_answered_without_a_key() {
    let (gate, upstream, _) = gate().await;
    for (method, path) in [
        ("HEAD", "/api/hello"),
        ("GET", "/api/hello"),
        ("GET", "/"),
        ("HEAD", "/"),
    ] {
        let response = gate
            .ask(&Request::new(method, path).header("Host", "x"))
            .await;
        assert_eq!(response.status, 200, "{method} {path}");
        assert_eq!(
            response.body.is_empty(),
            method == "HEAD",
            "{method} {path}: {}",
            response.text()
        );
    }
    assert!(upstream.requests().is_empty(), "nobody else was asked");
}
