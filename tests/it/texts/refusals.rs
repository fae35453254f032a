//! The refusals that clients meet most often.

use std::fmt::Write as _;

use expect_test::expect_file;
use serde_json::{Value, json};

use super::{body, check, steady};
use crate::harness::{GatewayBuilder, Request, Response, TestGateway, Upstream};

/// Adds the question, the status, the headers that clients act upon, and the body.
fn add(all: &mut String, question: &str, response: &Response) {
    let _ = writeln!(all, "== {question}\n{}", response.status);
    for name in ["retry-after", "x-should-retry", "allow", "www-authenticate"] {
        if let Some(value) = response.headers.get(name) {
            let _ = writeln!(all, "{name}: {value}");
        }
    }
    let mut body = response.json();
    if let Some(id) = body.get_mut("request_id") {
        *id = "ID".into();
    }
    let _ = writeln!(all, "{body}\n");
}

async fn gate() -> (TestGateway, Upstream) {
    let upstream = Upstream::answering().await;
    let route = "[[settings.rules]]\nname = \"no opus\"\nwhen = [{ field = \"model\", is = [\"*opus*\"] }]\n\
        block = { message = \"Opus is not for us\" }\n";
    let gate = GatewayBuilder::shipped()
        .plugin("route", witgate_artifacts::ROUTE, route)
        .upstream("default", &upstream)
        .extra("[limits]\nbody_bytes = 2048\nbody_timeout_ms = 200\nheaders = 30\n")
        .start()
        .await;
    (gate, upstream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_requests() {
    let (gate, _upstream) = gate().await;
    let post = |body: &str| {
        gate.keyed(Request::new("POST", "/v1/messages"))
            .body(body.to_owned())
    };
    let with = |name: &str, value: Value| {
        let mut body = body();
        body[name] = value;
        gate.messages(&body)
    };
    let headers = (0..40).fold(gate.messages(&body()), |request, index| {
        request.header(&format!("x-header-{index}"), "a")
    });
    let unframed = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .body_unframed("");
    let short = gate
        .keyed(Request::new("POST", "/v1/messages"))
        .header("Content-Length", "100")
        .body_unframed("{");
    let packed = post("no gzip").header("content-encoding", "gzip");
    let coded = post("{}").header("content-encoding", "zip");
    let requests = [
        (
            "no key",
            Request::messages(&body()).without_header("x-api-key"),
        ),
        (
            "an unknown key",
            Request::messages(&body()).set_header("x-api-key", "sk-ant-mine"),
        ),
        (
            "a path that is not served",
            gate.keyed(Request::new("GET", "/v1/organizations/me")),
        ),
        (
            "a method that is not served",
            gate.keyed(Request::new("GET", "/v1/messages")),
        ),
        (
            "files without a state directory",
            gate.keyed(Request::new("GET", "/v1/files")),
        ),
        ("no JSON", post(r#"{"model":"m",,}"#)),
        ("no object", post("[]")),
        ("no body", post("")),
        ("no model", post(r#"{"max_tokens":5,"messages":[]}"#)),
        ("a model of the wrong type", with("model", 5.into())),
        (
            "a member twice",
            post(r#"{"model":"a","max_tokens":5,"messages":[],"\u006dodel":"b"}"#),
        ),
        (
            "a body over the limit",
            post(&json!({"pad": "x".repeat(4096)}).to_string()),
        ),
        ("a body without a length", unframed),
        ("a body that does not come", short),
        ("a body that is not packed as it says", packed),
        ("a coding that is not known", coded),
        ("too many headers", headers),
        ("a blocked model", with("model", "claude-opus-4-5".into())),
        (
            "an unknown resource",
            with("vmx", json!({"resource": "nosuch"})),
        ),
        (
            "a wrong envelope",
            with("vmx", json!({"timeoutMs": "soon"})),
        ),
    ];
    let mut all = String::new();
    for (question, request) in requests {
        add(&mut all, question, &gate.ask(&request).await);
    }
    let mut client = gate.client().await;
    let twice = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}";
    client.write(twice).await;
    add(&mut all, "two lengths", &client.receive().await);
    let all = steady(&all, gate.policies().parent().unwrap());
    check(&expect_file!["expected/refusals.txt"], &all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_for_an_upstream() {
    let gone = Upstream::answering().await;
    let url = gone.url();
    drop(gone);
    let gate = GatewayBuilder::bare()
        .upstream_at("default", &url)
        .start()
        .await;
    let mut all = String::new();
    add(
        &mut all,
        "an upstream that is not there",
        &gate.ask(&gate.messages(&body())).await,
    );

    let upstream = Upstream::always(crate::harness::Answer::never()).await;
    let slow = format!(
        "[upstreams.slow]\nbase_url = \"{}\"\nhead_timeout_ms = 50\nretry = {{ attempts = 0 }}\n\
         [upstreams.full]\nbase_url = \"{}\"\nmax_in_flight = 1\n",
        upstream.url(),
        upstream.url()
    );
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"slow\"")
        .extra(&slow)
        .start()
        .await;
    add(
        &mut all,
        "an upstream that does not answer in time",
        &gate.ask(&gate.messages(&body())).await,
    );
    let all = steady(&all, gate.policies().parent().unwrap());
    check(&expect_file!["expected/refusals_upstream.txt"], &all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_for_a_budget() {
    let upstream = Upstream::answering().await;
    let budget =
        "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"month\"\nrequests = 1\n";
    let gate = GatewayBuilder::bare()
        .plugin("budget", witgate_artifacts::BUDGET, budget)
        .upstream("default", &upstream)
        .start()
        .await;
    let first = gate.ask(&gate.messages(&body())).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let mut all = String::new();
    let refused = gate.ask(&gate.messages(&body())).await;
    add(&mut all, "a budget that is used up", &refused);
    let wait = refused.headers.get("retry-after").expect("a month ends");
    let all = all.replace(wait, "SECONDS");
    check(&expect_file!["expected/refusals_budget.txt"], &all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_for_a_capacity() {
    let upstream = Upstream::answering().await;
    let limits =
        "[upstreams.default.capacity]\nrequests_per_minute = 4\noutput_tokens_per_minute = 1000\n";
    let terms = "[resources.chat]\npriority = 2\n[resources.small]\nceiling_percent = 25\n";
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .extra(limits)
        .extra(terms)
        .start()
        .await;
    let of = |resource: &str, most: u64| {
        gate.messages(&json!({"model": resource, "max_tokens": most, "messages": []}))
    };
    let mut all = String::new();
    let large = gate.ask(&of("chat", 2000)).await;
    add(&mut all, "more than there ever is", &large);
    for request in [of("small", 5), of("chat", 5), of("chat", 5)] {
        let served = gate.ask(&request).await;
        assert_eq!(served.status, 200, "{}", served.text());
    }
    for (question, request) in [
        ("a ceiling that is reached", of("small", 5)),
        ("what is kept for another resource", of("batch", 5)),
    ] {
        let refused = gate.ask(&request).await;
        let wait = refused.headers.get("retry-after").expect("a minute ends");
        let mut one = String::new();
        add(&mut one, question, &refused);
        let wait = format!("retry-after: {wait}\n");
        all += &one.replace(&wait, "retry-after: SECONDS\n");
    }
    check(&expect_file!["expected/refusals_capacity.txt"], &all);
}
