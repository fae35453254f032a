//! Keys of the gateway: no upstream sees one, whichever header a careless caller put it in.

use serde_json::json;
use witgate_artifacts::ROUTE;

use crate::harness::{GatewayBuilder, Request, TestGateway, Upstream};

/// A gateway with an upstream that is shown the callers' own credentials, or one that has its own.
async fn gate(credential: &str) -> (TestGateway, Upstream) {
    let upstream = Upstream::answering().await;
    let sidecar = "[[settings.resources]]\nname = \"*\"\ntargets = [{ upstream = \"only\" }]\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, sidecar)
        .extra(&format!(
            "[upstreams.only]\nbase_url = \"{}\"\ncredential = {credential}\n",
            upstream.url()
        ))
        .start()
        .await;
    (gate, upstream)
}

fn asking(gate: &TestGateway) -> Request {
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
    Request::messages(&body)
        .without_header("x-api-key")
        .header("x-witgate-key", gate.key())
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits = part
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - part.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            coded.push(if place <= part.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    coded
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_found_however_it_stands_in_a_credential() {
    let (gate, upstream) = gate("\"client\"").await;
    let key = gate.key().to_owned();
    for (name, value) in [
        ("authorization", format!("Bearer\t{key}")),
        ("authorization", format!("Bearer  {key}")),
        ("authorization", format!("Token {key}")),
        ("authorization", format!("token={key}")),
        ("authorization", format!("Bearer sk-own, Bearer {key}")),
        ("authorization", format!("Bearer \"{key}\"")),
        ("authorization", key.clone()),
        (
            "authorization",
            format!("Basic {}", base64(&format!("user:{key}"))),
        ),
        (
            "authorization",
            format!("basic {}", base64(&format!("{key}:"))),
        ),
        ("x-api-key", format!("Bearer {key}")),
        ("x-api-key", format!("sk-own {key}")),
        ("x-api-key", format!("sk-own;{key}")),
        ("x-api-key", format!("key={key}")),
    ] {
        let response = gate.ask(&asking(&gate).header(name, &value)).await;
        assert_eq!(response.status, 401, "{name}: {value}");
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
    for (name, value) in [
        ("authorization", "Bearer sk-ant-oat01-seat"),
        ("authorization", "Basic dXNlcjpwYXNz"),
        ("x-api-key", "sk-own"),
    ] {
        let response = gate.ask(&asking(&gate).header(name, value)).await;
        assert_eq!(response.status, 200, "{name}: {value}: {}", response.text());
        let sent = upstream.requests().pop().unwrap();
        assert_eq!(sent.headers.get(name), Some(value), "as it came");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_marks_in_it_is_found_in_every_scheme() {
    let (gate, upstream) = gate("\"client\"").await;
    // Such as `openssl rand -base64` makes, and with each mark that schemes use.
    let secrets = [
        "q83vEjRWeJq83vEjRWeJqw==",
        "+/3vEjRWeJq83vEjRWeJ/+8=",
        "=house=secret=",
        "house:secret:1",
        "house,secret,1",
        "house;secret;1",
        "house\"secret\"1",
        "house'secret'1",
        "\"house-secret\"",
    ];
    let mut more = std::fs::read_to_string(gate.file("keys.toml")).unwrap();
    for (index, secret) in secrets.iter().enumerate() {
        let hash = sha256(secret);
        more += &format!("[[key]]\nid = \"k{index}\"\nhash = \"sha256:{hash}\"\n");
    }
    std::fs::write(gate.file("keys.toml"), more).unwrap();
    gate.running().reload().await.unwrap();
    for secret in secrets {
        for (name, value) in [
            ("authorization", format!("Bearer {secret}")),
            ("authorization", format!("Bearer\t {secret}")),
            ("authorization", format!("Token {secret}")),
            ("authorization", format!("token={secret}")),
            ("authorization", format!("Bearer sk-own, Bearer {secret}")),
            ("authorization", format!("Bearer \"{secret}\"")),
            ("authorization", secret.to_owned()),
            ("authorization", format!("Basic {}", base64(secret))),
            (
                "authorization",
                format!("Basic {}", base64(&format!("user:{secret}"))),
            ),
            (
                "authorization",
                format!("basic {}", base64(&format!("{secret}:"))),
            ),
            ("x-api-key", format!("sk-own {secret}")),
            ("x-api-key", format!("key={secret}")),
            ("x-api-key", format!("key: \"{secret}\"")),
        ] {
            let response = gate.ask(&asking(&gate).header(name, &value)).await;
            assert_eq!(response.status, 401, "{name}: {value}");
        }
        let own = asking(&gate)
            .without_header("x-witgate-key")
            .header("authorization", &format!("Bearer {secret}"));
        assert_eq!(gate.ask(&own).await.status, 401, "its own: {secret}");
    }
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_without_the_gateways_prefix_is_found_as_well() {
    let (gate, upstream) = gate("\"client\"").await;
    let mut more = std::fs::read_to_string(gate.file("keys.toml")).unwrap();
    for (id, secret) in [
        ("bob", "house-secret-1"),
        ("carol", "house-secret-1-longer"),
    ] {
        let hash = sha256(secret);
        more += &format!("[[key]]\nid = \"{id}\"\nhash = \"sha256:{hash}\"\n");
    }
    std::fs::write(gate.file("keys.toml"), more).unwrap();
    gate.running().reload().await.unwrap();
    for (name, value) in [
        ("authorization", "Bearer house-secret-1"),
        ("authorization", "Bearer\thouse-secret-1"),
        ("authorization", "Token house-secret-1"),
        ("authorization", "Bearer x, house-secret-1"),
        ("x-api-key", "Bearer house-secret-1"),
        ("x-api-key", "key=house-secret-1"),
    ] {
        let response = gate.ask(&asking(&gate).header(name, value)).await;
        assert_eq!(response.status, 401, "{name}: {value}");
    }
    let by_bearer = asking(&gate)
        .without_header("x-witgate-key")
        .header("x-api-key", "sk-ant-of-the-caller")
        .header("authorization", "Bearer house-secret-1-longer");
    let response = gate
        .ask(
            &by_bearer
                .clone()
                .header("x-note", "k=house-secret-1-longer"),
        )
        .await;
    assert_eq!(response.status, 401, "where it would be passed on");
    assert!(upstream.requests().is_empty(), "nothing was forwarded");
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_a_header_or_a_query_that_would_be_passed_on_is_refused() {
    for credential in ["\"client\"", "{ file = \"upstream.key\" }"] {
        let (gate, upstream) = gate(credential).await;
        let key = gate.key().to_owned();
        let by_bearer = asking(&gate)
            .without_header("x-witgate-key")
            .header("authorization", &format!("bearer {key}"));
        let other = witgate_gateway::keys::NewKey::random().secret;
        for (name, value) in [
            ("x-goog-api-key", key.clone()),
            ("api-key", format!("Bearer {key}")),
            ("x-note", format!("a=1; k=\"{key}\", b")),
            ("anthropic-beta", format!("a-1,{key}")),
            ("x-goog-api-key", other),
        ] {
            for request in [asking(&gate), by_bearer.clone()] {
                let response = gate.ask(&request.header(name, &value)).await;
                assert_eq!(response.status, 401, "{name}: {value}");
                let text = response.text();
                assert!(!text.contains("wgk-"), "and is not repeated: {text}");
            }
        }
        let escaped: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for written in [key.clone(), key.replace('-', "%2D"), escaped] {
            let mut queried = asking(&gate);
            queried.target = format!("/v1/messages?key={written}");
            let response = gate.ask(&queried).await;
            assert_eq!(response.status, 401, "in the query: {written}");
            let referred = asking(&gate).header("referer", &format!("http://a/?k={written}"));
            assert_eq!(gate.ask(&referred).await.status, 401, "{written}");
        }
        assert!(upstream.requests().is_empty(), "nothing was forwarded");

        let mut fine = asking(&gate).header("user-agent", "wgk-client/1 (wgk-)");
        fine.target = "/v1/messages?note=wgk%2D100%".to_owned();
        assert_eq!(gate.ask(&fine).await.status, 200, "no key");
    }
}
