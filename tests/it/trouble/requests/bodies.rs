//! Bodies that are odd below their top level: the upstream judges them, and the search for references refuses none.

use crate::harness::{Caller, FakeOrganization, GatewayBuilder, Request, TestGateway, Upstream};

/// Bodies that the head scan accepts, with the word `file_id` in each of them.
fn odd() -> Vec<(&'static str, String)> {
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let content = |more: &str| {
        format!(
            r#"{{"model":"claude-sonnet-5-5","max_tokens":5,"messages":[{{"role":"user","content":"a file_id"{more}}}]}}"#
        )
    };
    vec![
        ("half a surrogate pair", content(r#","x":"\ud83d""#)),
        ("half a pair in a name", content(r#","x\ude00":1"#)),
        ("an unknown escape", content(r#","x":"\q""#)),
        ("a number beyond a float", content(r#","x":1e999"#)),
        (
            "nesting beyond other parsers",
            content(&format!(",\"x\":{deep}")),
        ),
        ("a word that is none of JSON", content(r#","x":NaN"#)),
        (
            "a name of 2 KiB",
            content(&format!(",\"{}\":1", "n".repeat(2048))),
        ),
    ]
}

async fn gate() -> (TestGateway, Upstream) {
    let upstream = FakeOrganization::default().start().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra("[state]\ndirectory = \"state\"\n")
        .start()
        .await;
    (gate, upstream)
}

fn post(gate: &TestGateway, path: &str, body: &str) -> Request {
    gate.keyed(Request::new("POST", path).header("Host", "gateway.test"))
        .body(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_head_scan_passes_the_search_for_files_passes_too() {
    let (gate, upstream) = gate().await;
    for path in ["/v1/messages", "/v1/messages/count_tokens"] {
        for (what, body) in odd() {
            let response = gate.ask(&post(&gate, path, &body)).await;
            assert_ne!(response.status, 400, "{what}: {}", response.text());
            let arrived = upstream.requests().pop().expect("it was forwarded");
            assert_eq!(arrived.body, body.as_bytes(), "{what}: byte for byte");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_searched_as_leniently_as_a_single_request() {
    let (gate, upstream) = gate().await;
    for (what, params) in odd() {
        let body = format!(r#"{{"requests":[{{"custom_id":"a","params":{params}}}]}}"#);
        let response = gate.ask(&post(&gate, "/v1/messages/batches", &body)).await;
        assert_eq!(response.status, 200, "{what}: {}", response.text());
        let arrived = upstream.requests().pop().expect("it was forwarded");
        assert_eq!(arrived.body, body.as_bytes(), "{what}: byte for byte");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_another_tenant_is_not_hidden_by_an_odd_neighbour() {
    let (gate, upstream) = gate().await;
    let bob = Caller::admit(&gate, "bob", "bolt", "").await;
    let upload = bob.request("POST", "/v1/files").body("text");
    let id = gate.ask(&upload).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let asked = upstream.requests().len();
    for (what, body) in odd() {
        // Behind what is odd, and in another spelling.
        let named = format!(r#","source":{{"type":"file","file\u005fid":"{id}"}}}}]}}"#);
        let body = body.replacen("}]}", &named, 1);
        assert!(body.contains(&id), "{what}: the file is named: {body}");
        let response = gate.ask(&post(&gate, "/v1/messages", &body)).await;
        assert_eq!(response.status, 404, "{what}: {}", response.text());
    }
    assert_eq!(upstream.requests().len(), asked, "nothing was forwarded");
}
