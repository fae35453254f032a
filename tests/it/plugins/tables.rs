//! Tables of plugins from a server: the gateway fetches what a sidecar names, and plugins decide by it.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use witgate_artifacts::LOOKUP;

use crate::harness::{
    Answer, Authority, GatewayBuilder, Recorded, TestGateway, Tunnel, Upstream, printed, text,
    witgate, within_timeout,
};

/// The answer of a server, which a test changes while the gateway asks.
#[derive(Clone)]
struct Script(Arc<Mutex<Answer>>);

impl Script {
    fn new(answer: Answer) -> Self {
        Self(Arc::new(Mutex::new(answer)))
    }

    fn becomes(&self, answer: Answer) {
        *self.0.lock() = answer;
    }

    /// A server that gives the answer of the moment, or confirms the version `"v1"`.
    async fn server(&self) -> Upstream {
        let script = self.clone();
        Upstream::start_with(
            move |request: &Recorded| match request.headers.get("if-none-match") {
                Some("\"v1\"") if request.target() == "/confirmed.json" => {
                    Answer::raw("HTTP/1.1 304 Not Modified\r\n\r\n")
                }
                _ => script.0.lock().clone(),
            },
        )
        .await
    }
}

/// Returns a table that refuses a model for a reason.
fn refusing(model: &str, reason: &str) -> Answer {
    Answer::json(200, &[("etag", "\"v1\"")], &json!({model: reason}))
}

fn sidecar(url: &str, more: &str) -> String {
    format!(
        "[limits]\ndeadline_ms = 20000\n[tables.models]\nurl = \"{url}\"\nformat = \"json\"\nrefresh_ms = 100\n{more}\n"
    )
}

async fn gateway(upstream: &Upstream, sidecar: &str) -> TestGateway {
    GatewayBuilder::bare()
        .plugin("lookup", LOOKUP, sidecar)
        .upstream("default", upstream)
        .start()
        .await
}

/// Starts a gateway without the plugin, and then adds it with a sidecar that it is refused with. Returns the error.
async fn refused(upstream: &Upstream, sidecar: &str) -> (TestGateway, String) {
    let gate = GatewayBuilder::bare()
        .upstream("default", upstream)
        .start()
        .await;
    std::fs::write(gate.policies().join("lookup.toml"), sidecar).unwrap();
    LOOKUP.install(&gate.policies()).unwrap();
    let error = within_timeout("the refusal", async {
        loop {
            let page = gate.admin("/plugins").await.json();
            if let Some(error) = page["plugins"][0]["last_error"].as_str() {
                assert_eq!(page["plugins"][0]["state"], "refused", "{page}");
                return error.to_owned();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    (gate, error)
}

/// Asks for a model, and returns the status and the answer.
async fn asked(gate: &TestGateway, model: &str) -> (u16, String) {
    let body = json!({"model": model, "max_tokens": 5, "messages": []});
    let response = gate.ask(&gate.messages(&body)).await;
    (response.status, response.text().to_owned())
}

/// Waits until the status of the table is as expected, and returns it.
async fn until(gate: &TestGateway, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    within_timeout(what, async {
        loop {
            let table = gate.plugin_status("lookup").await["tables"][0].clone();
            if is_so(&table) {
                return table;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_from_a_url_is_looked_up_and_soon_as_new_as_its_server() {
    let upstream = Upstream::answering().await;
    let script = Script::new(refusing("opus", "not this week"));
    let server = script.server().await;
    let url = format!("{}/models.json?team=a", server.url());
    let gate = gateway(&upstream, &sidecar(&url, "")).await;
    let (status, text) = asked(&gate, "opus").await;
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("not this week"), "{text}");
    assert_eq!(asked(&gate, "haiku").await.0, 200, "not in the table");
    let first = server.next_request().await;
    assert_eq!(
        (first.method(), first.target()),
        ("GET", "/models.json?team=a"),
        "what is asked"
    );
    assert_eq!(first.headers.get("accept-encoding"), Some("identity"));
    assert_eq!(first.headers.get("if-none-match"), None, "there is none");

    script.becomes(refusing("haiku", "nor this"));
    until(&gate, "the new content", |table| table["bytes"] == 20).await;
    assert_eq!(asked(&gate, "opus").await.0, 200, "not any more");
    assert_eq!(asked(&gate, "haiku").await.0, 403, "from now on");
    let second = server.next_request().await;
    assert_eq!(
        second.headers.get("if-none-match"),
        Some("\"v1\""),
        "the version of the first"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_confirms_the_version_keeps_the_content_and_its_age() {
    let upstream = Upstream::answering().await;
    let server = Script::new(refusing("opus", "no")).server().await;
    let url = format!("{}/confirmed.json", server.url());
    let gate = gateway(&upstream, &sidecar(&url, "")).await;
    let table = until(&gate, "confirmations", |table| {
        table["refreshes"].as_u64() > Some(3)
    })
    .await;
    assert_eq!(table["failures"], 0, "{table}");
    assert_eq!(table["entries"], 1, "{table}");
    assert_eq!(asked(&gate, "opus").await.0, 403, "still");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_table_stays_whatever_its_server_does_and_the_pages_say_so() {
    let upstream = Upstream::answering().await;
    let script = Script::new(refusing("opus", "no"));
    let server = script.server().await;
    let more = "max_bytes = 100\ntimeout_ms = 300\n[tables.models.headers]\nauthorization = \"Bearer hidden-key\"";
    let url = format!("{}/models.json?token=hidden-token", server.url());
    let gate = gateway(&upstream, &sidecar(&url, more)).await;
    let large = json!({"a": "x".repeat(200)});
    let redirect = [("location", "http://127.0.0.1:1/")];
    for (answer, says) in [
        (
            Answer::error(500, "api_error", "hidden-key"),
            "it answered 500",
        ),
        (
            Answer::bytes(302, &redirect, ""),
            "redirects are not followed",
        ),
        (Answer::json(200, &[], &large), "more than 100 bytes"),
        (
            Answer::chunked(&[], large.to_string()),
            "more than 100 bytes",
        ),
        (Answer::bytes(200, &[], "[1]"), "not a JSON object"),
        (
            Answer::bytes(200, &[("content-encoding", "gzip")], "x"),
            "compressed",
        ),
        (Answer::raw("HTTP/1.1 200 OK\r\n\r\n{}"), "it has no length"),
        (Answer::raw("hidden-key"), "the answer is not HTTP"),
        (Answer::never(), "within 300 ms"),
    ] {
        script.becomes(answer);
        until(&gate, says, |table| {
            let error = table["last_error"].as_str();
            error.is_some_and(|error| error.contains(says))
        })
        .await;
        assert_eq!(asked(&gate, "opus").await.0, 403, "{says}");
    }
    let sent = server.requests().remove(0);
    assert_eq!(
        sent.headers.get("authorization"),
        Some("Bearer hidden-key"),
        "the server gets it"
    );
    let metrics = gate.admin("/metrics").await;
    for line in [
        "witgate_plugin_table_entries{plugin=\"lookup\",table=\"models\"} 1",
        "witgate_plugin_table_failing{plugin=\"lookup\",table=\"models\"} 1",
        "witgate_plugin_table_age_seconds{plugin=\"lookup\",table=\"models\"}",
        "witgate_plugin_table_failures_total{plugin=\"lookup\",table=\"models\"}",
    ] {
        assert!(metrics.text().contains(line), "{line}: {}", metrics.text());
    }
    for page in ["/metrics", "/plugins", "/config"] {
        let page = gate.admin(page).await;
        for secret in ["hidden-key", "hidden-token"] {
            assert!(!page.text().contains(secret), "{}", page.text());
        }
    }

    script.becomes(refusing("haiku", "no"));
    until(&gate, "it recovers", |table| table["last_error"].is_null()).await;
    assert_eq!(asked(&gate, "opus").await.0, 200, "the new content");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_at_the_start_keeps_its_plugin_out_until_it_answers() {
    let upstream = Upstream::answering().await;
    let nobody = Upstream::refusing().await;
    let sidecar_of = |url: &str| sidecar(&format!("{url}/models.json"), "");
    let (_gate, error) = refused(&upstream, &sidecar_of(&format!("http://{nobody}"))).await;
    assert!(
        error.contains("`tables.models.url`: no connection"),
        "{error}"
    );

    let script = Script::new(Answer::error(503, "api_error", "not yet"));
    let server = script.server().await;
    let (gate, error) = refused(&upstream, &sidecar_of(&server.url())).await;
    assert!(error.contains("it answered 503"), "{error}");
    assert_eq!(asked(&gate, "opus").await.0, 200, "it does not serve");
    script.becomes(refusing("opus", "no"));
    within_timeout("the plugin to serve", async {
        while asked(&gate, "opus").await.0 != 403 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let state = gate.plugin_status("lookup").await["state"].clone();
    assert_eq!(state, "serving", "it is tried again by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_over_tls_comes_from_the_server_with_the_right_certificate_only() {
    let upstream = Upstream::answering().await;
    let server = Script::new(refusing("opus", "no")).server().await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    for (issuer, name, says) in [
        (&authority, "127.0.0.1", None),
        (&stranger, "127.0.0.1", Some("UnknownIssuer")),
        (&authority, "other.test", Some("not valid for name")),
    ] {
        let tunnel = Tunnel::out_of_tls(server.address(), issuer.issue(name).server(&[])).await;
        let url = format!("https://127.0.0.1:{}/t", tunnel.address().port());
        let more = format!("ca_file = \"{}\"", ca.display());
        let sidecar = sidecar(&url, &more);
        match says {
            None => {
                let gate = gateway(&upstream, &sidecar).await;
                assert_eq!(asked(&gate, "opus").await.0, 403, "it is there");
            }
            Some(says) => {
                let (_gate, error) = refused(&upstream, &sidecar).await;
                assert!(error.contains(says), "{error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_is_too_old_refuses_requests_and_says_why() {
    let upstream = Upstream::answering().await;
    let script = Script::new(refusing("opus", "no"));
    let server = script.server().await;
    let url = format!("{}/models.json", server.url());
    let gate = gateway(&upstream, &sidecar(&url, "max_age_ms = 100")).await;
    script.becomes(Answer::error(500, "api_error", "down"));
    until(&gate, "it is stale", |table| table["stale"] == true).await;
    let (status, text) = asked(&gate, "haiku").await;
    assert_eq!(status, 503, "{text}");
    assert!(
        text.contains("a table that the plugin `lookup` decides by is too old"),
        "{text}"
    );
    let state = gate.plugin_status("lookup").await["state"].clone();
    assert_eq!(state, "serving", "the plugin is not suspended for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tools_of_authors_read_tables_as_the_gateway_does() {
    let server = Script::new(refusing("claude-opus-5-5", "not this week"))
        .server()
        .await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    LOOKUP.install(folder.path()).unwrap();
    let line = r#"{"body": {"model": "claude-opus-5-5", "max_tokens": 5, "messages": []}}"#;
    std::fs::write(at("requests.jsonl"), line).unwrap();
    std::fs::write(at("models.csv"), "claude-opus-5-5,not this week\n").unwrap();
    let file = "[tables.models]\nfile = \"models.csv\"\n".to_owned();
    for sidecar in [file, sidecar(&format!("{}/a", server.url()), "")] {
        std::fs::write(at("lookup.toml"), &sidecar).unwrap();
        let here = folder.path().to_owned();
        let (checked, run) = tokio::task::spawn_blocking(move || {
            (
                witgate(&here, &["plugin", "check", "lookup.wasm"]),
                witgate(
                    &here,
                    &[
                        "plugin",
                        "run",
                        "lookup.wasm",
                        "--requests",
                        "requests.jsonl",
                    ],
                ),
            )
        })
        .await
        .unwrap();
        assert!(
            printed(&checked).contains("admitted    yes"),
            "{}",
            text(&checked)
        );
        assert!(
            printed(&checked).contains("tables      models 1 entry"),
            "{}",
            text(&checked)
        );
        assert!(printed(&run).contains("not this week"), "{}", text(&run));
    }
}
