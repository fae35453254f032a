//! Credentials for upstreams: their own, renewed in time, or the caller's, and never one in place of the other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use witgate_artifacts::ROUTE;
use witgate_gateway::config::Config;
use witgate_gateway::{Options, Server};

use crate::harness::{Answer, GatewayBuilder, Request, TestGateway, Upstream, within_timeout};

fn body() -> serde_json::Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []})
}

fn message() -> Answer {
    Answer::message("m", "hi", &json!({"input_tokens": 1, "output_tokens": 1}))
}

/// A command that counts its runs in a file and prints by them.
struct Counting {
    folder: tempfile::TempDir,
}

// === impl Counting ===

impl Counting {
    /// `prints` is a line of shell in which `$n` is the number of the run, from 1.
    fn new(prints: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "cd \"$(dirname \"$0\")\"\necho run >> runs\nn=$(wc -l < runs | tr -d ' ')\n{prints}\n"
        );
        std::fs::write(folder.path().join("print.sh"), script).unwrap();
        Self { folder }
    }

    fn script(&self) -> PathBuf {
        self.folder.path().join("print.sh")
    }

    fn runs(&self) -> usize {
        let runs = std::fs::read_to_string(self.folder.path().join("runs")).unwrap_or_default();
        runs.lines().count()
    }

    fn upstream(&self, url: &str, more: &str) -> String {
        format!(
            "[upstreams.only]\nbase_url = \"{url}\"\nretry = {{ attempts = 0 }}\n\
             credential = {{ command = [\"/bin/sh\", \"{}\"]{more} }}\n",
            self.script().display()
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commands_output_is_the_upstreams_credential() {
    let upstream = Upstream::answering().await;
    let command = Counting::new("echo \"sk-$n\"; echo noise >&2");
    let gate = GatewayBuilder::bare()
        .extra(&command.upstream(&upstream.url(), ", header = \"bearer\""))
        .start()
        .await;
    for _ in 0..3 {
        assert_eq!(
            gate.ask(&gate.messages(&body())).await.status,
            200,
            "served"
        );
        let sent = upstream.requests().pop().unwrap();
        assert_eq!(
            sent.headers.get("authorization"),
            Some("Bearer sk-1"),
            "what it printed"
        );
        assert_eq!(
            sent.headers.get("x-api-key"),
            None,
            "and nothing of the caller's"
        );
    }
    assert_eq!(command.runs(), 1, "it was run once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_expires_is_renewed_before_the_upstream_refuses_it() {
    let expiring = "echo \"{\\\"token\\\":\\\"sk-$n\\\",\\\"expires_at\\\":$(($(date +%s) + 1))}\"";
    for (prints, more) in [(expiring, ""), ("echo sk-$n", ", refresh_ms = 20")] {
        let upstream = Upstream::answering().await;
        let command = Counting::new(prints);
        let gate = GatewayBuilder::bare()
            .extra(&command.upstream(&upstream.url(), more))
            .start()
            .await;
        within_timeout("a renewed credential", async {
            loop {
                assert_eq!(
                    gate.ask(&gate.messages(&body())).await.status,
                    200,
                    "served"
                );
                let sent = upstream.requests().pop().unwrap();
                if sent.headers.get("x-api-key") != Some("sk-1") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_the_upstream_refuses_is_renewed_once_and_the_request_asked_again() {
    let upstream = Upstream::start_with(|request| {
        if request.headers.get("x-api-key") == Some("sk-2") {
            message()
        } else {
            Answer::error(401, "authentication_error", "revoked")
        }
    })
    .await;
    let command = Counting::new("echo sk-$n");
    let gate = GatewayBuilder::bare()
        .extra(&command.upstream(&upstream.url(), ""))
        .start()
        .await;
    let asking = gate.messages(&body());
    // The renewing begins with the gateway, a moment after its listener.
    within_timeout("the renewal", async {
        while gate.ask(&asking).await.status != 200 {}
    })
    .await;
    assert_eq!(gate.ask(&asking).await.status, 200, "the new one is in use");
    assert_eq!(command.runs(), 2, "it was run once more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_refuses_everything_does_not_have_the_command_run_for_each_request() {
    let refusing = Answer::error(401, "authentication_error", "no");
    let upstream = Upstream::always(refusing).await;
    let command = Counting::new("echo sk-$n");
    let gate = GatewayBuilder::bare()
        .extra(&command.upstream(&upstream.url(), ""))
        .start()
        .await;
    for round in 0..10 {
        let response = gate.ask(&gate.messages(&body())).await;
        assert_eq!(response.status, 401, "round {round}: {}", response.text());
    }
    assert!(
        command.runs() <= 3,
        "{} runs for ten requests",
        command.runs()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_cannot_be_renewed_stays_in_use() {
    let upstream = Upstream::answering().await;
    let command = Counting::new("test $n = 1 || exit 1; echo sk-$n");
    let gate = GatewayBuilder::bare()
        .extra(&command.upstream(&upstream.url(), ", refresh_ms = 10"))
        .start()
        .await;
    within_timeout("a run that fails", async {
        while command.runs() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(
        gate.ask(&gate.messages(&body())).await.status,
        200,
        "served"
    );
    let sent = upstream.requests().pop().unwrap();
    assert_eq!(
        sent.headers.get("x-api-key"),
        Some("sk-1"),
        "with what there is"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_its_credential_does_not_start_and_says_why_without_the_secret() {
    let command = Counting::new("echo sk-secret; exit 7");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    let text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n[plugins]\ndirectory = \"policies\"\n{}",
        command.upstream("http://127.0.0.1:9", "")
    );
    let config = Config::parse(&folder.path().join("w.toml"), &text).unwrap();
    let error = match Server::start(config, Options::default()).await {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    };
    assert!(
        error.contains("only") && error.contains("exit status: 7"),
        "{error}"
    );
    assert!(!error.contains("sk-secret"), "{error}");
}

/// A gateway with an upstream that is shown the callers' own credentials, and one that has its own.
async fn two_kinds(plan: &str) -> (TestGateway, Upstream, Upstream) {
    let (theirs, ours) = (Upstream::answering().await, Upstream::answering().await);
    let sidecar = format!("[[settings.resources]]\nname = \"*\"\ntargets = [{plan}]\n");
    let upstreams = format!(
        "[upstreams.theirs]\nbase_url = \"{}\"\ncredential = \"client\"\n\
         [upstreams.ours]\nbase_url = \"{}\"\ncredential = {{ file = \"upstream.key\" }}\n",
        theirs.url(),
        ours.url()
    );
    let gate = GatewayBuilder::shipped()
        .plugin("route", ROUTE, &sidecar)
        .top("default_upstream = \"theirs\"")
        .extra(&upstreams)
        .start()
        .await;
    (gate, theirs, ours)
}

fn seat(gate: &TestGateway) -> Request {
    Request::messages(&body())
        .without_header("x-api-key")
        .header("X-Witgate-Key", gate.key())
        .header("Authorization", "Bearer sk-ant-oat01-seat")
        .header("anthropic-beta", "oauth-2025-04-20")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_own_credential_goes_to_the_upstream_that_takes_it_and_to_no_other() {
    let (gate, theirs, _ours) = two_kinds("{ upstream = \"theirs\" }").await;
    assert_eq!(
        gate.ask(&seat(&gate)).await.status,
        200,
        "known by its x-witgate-key"
    );
    let sent = theirs.requests().pop().unwrap();
    assert_eq!(
        sent.headers.get("authorization"),
        Some("Bearer sk-ant-oat01-seat"),
        "as it came"
    );
    assert_eq!(
        sent.headers.get("anthropic-beta"),
        Some("oauth-2025-04-20"),
        "with its beta"
    );
    assert_eq!(
        sent.headers.get("x-witgate-key"),
        None,
        "the gateway's key ends here"
    );
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(
        receipt["key"], "alice",
        "and the receipt knows who it was: {receipt}"
    );
    assert!(
        !receipt.to_string().contains("oat01"),
        "without the credential"
    );

    let (gate, _theirs, ours) = two_kinds("{ upstream = \"ours\" }").await;
    assert_eq!(gate.ask(&seat(&gate)).await.status, 200, "another upstream");
    let sent = ours.requests().pop().unwrap();
    let head = String::from_utf8(sent.raw_head).unwrap();
    assert!(
        head.contains("upstream-secret"),
        "is shown its own:\n{head}"
    );
    assert!(
        !head.contains("oat01") && !head.contains(gate.key()),
        "and no other:\n{head}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_the_gateway_never_reaches_an_upstream_as_the_callers_credential() {
    let (gate, theirs, ours) = two_kinds("{ upstream = \"theirs\" }").await;
    let by_api_key = gate.messages(&body());
    let by_bearer = Request::messages(&body())
        .without_header("x-api-key")
        .header("authorization", &format!("Bearer {}", gate.key()));
    let beside = seat(&gate).header("x-api-key", gate.key());
    let of_old = seat(&gate).header("x-api-key", "wgk-0123456789abcdef");
    for request in [by_api_key, by_bearer, beside, of_old] {
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 401, "{}", response.text());
        assert!(
            response.text().contains("x-witgate-key"),
            "it says how: {}",
            response.text()
        );
    }
    assert!(
        theirs.requests().is_empty() && ours.requests().is_empty(),
        "nothing was forwarded"
    );

    let (gate, theirs, ours) =
        two_kinds("{ upstream = \"theirs\" }, { upstream = \"ours\" }").await;
    assert_eq!(
        gate.ask(&gate.messages(&body())).await.status,
        200,
        "a target that may serve it does"
    );
    assert_eq!(
        (theirs.requests().len(), ours.requests().len()),
        (0, 1),
        "and only that"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_wrong_gateway_key_a_right_one_elsewhere_does_not_count() {
    let (gate, theirs, _ours) = two_kinds("{ upstream = \"theirs\" }").await;
    for wrong in ["wgk-wrong", ""] {
        let request = gate.messages(&body()).header("x-witgate-key", wrong);
        assert_eq!(gate.ask(&request).await.status, 401, "{wrong:?}");
    }
    assert!(theirs.requests().is_empty(), "nothing was forwarded");
}

#[test]
fn a_commands_path_is_relative_to_the_configuration() {
    let text = "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n[plugins]\ndirectory = \"/\"\n\
                [upstreams.a]\nbase_url = \"http://x\"\ncredential = { command = [\"bin/token\", \"a\"] }\n";
    let config = Config::parse(Path::new("/etc/witgate/w.toml"), text).unwrap();
    let shown = format!("{:?}", config.upstreams[0].credential);
    assert!(shown.contains("/etc/witgate/bin/token"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_file_that_is_replaced_is_in_use_without_a_restart() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .start()
        .await;
    let asked = async || {
        assert_eq!(gate.ask(&gate.messages(&body())).await.status, 200, "ok");
        let sent = upstream.requests().pop().unwrap();
        sent.headers.get("x-api-key").map(str::to_owned)
    };
    assert_eq!(
        asked().await.as_deref(),
        Some("upstream-secret"),
        "the first"
    );
    std::fs::write(gate.file("next.key"), "rotated-secret\n").unwrap();
    std::fs::rename(gate.file("next.key"), gate.file("upstream.key")).unwrap();
    within_timeout("the new credential", async {
        while asked().await.as_deref() != Some("rotated-secret") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}
