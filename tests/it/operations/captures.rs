//! Requests that are recorded: what is in the files, what is not, and that they can be sent again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Capture, GatewayBuilder, Request, TestGateway, Upstream, binary};

/// A gateway that records, with these further lines of `[capture]`.
async fn recording(upstream: &Upstream, more: &str) -> TestGateway {
    GatewayBuilder::bare()
        .upstream("default", upstream)
        .extra(&format!("[capture]\ndir = \"recorded\"\n{more}"))
        .start()
        .await
}

/// Asks, and waits until the request is in the file: more than a few at a time are passed over when the disk is slow.
async fn ask_and_record(gate: &TestGateway, request: &Request, recorded: usize) {
    assert_eq!(gate.ask(request).await.status, 200, "request {recorded}");
    let line = format!("witgate_captured_total {recorded}\n");
    gate.metric_when(&line).await;
}

/// The recorded lines of a directory, once the gateway has stopped and all are written.
async fn recorded(gate: TestGateway) -> (Vec<Value>, tempfile::TempDir, PathBuf) {
    let (_, folder) = gate.drain().await;
    let directory = folder.path().join("recorded");
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "one file a process: {files:?}");
    let file = files.remove(0);
    (lines(&file), folder, file)
}

fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

fn asking(words: &str) -> Value {
    json!({"model": "claude-opus-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": words}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_recorded_unless_it_is_asked_for() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .start()
        .await;
    assert_eq!(gate.ask(&gate.messages(&asking("hi"))).await.status, 200);
    let (_, folder) = gate.drain().await;
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("captur") || name.contains("record"))
        .collect();
    assert!(names.is_empty(), "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_request_has_no_credential_and_no_word_of_what_was_written() {
    let upstream = Upstream::answering().await;
    let gate = recording(&upstream, "headers = [\"x-custom\"]\n").await;
    let request = gate
        .messages(&asking("the plan for the merger"))
        .set_header("authorization", &format!("Bearer {}", gate.key()))
        .set_header("x-custom", "stays");
    assert_eq!(gate.ask(&request).await.status, 200);
    let secret = gate.key().to_owned();

    let (lines, _folder, file) = recorded(gate).await;
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&secret), "no key: {text}");
    assert!(!text.contains("merger"), "no word: {text}");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600, "for its owner only");
    assert_eq!(mode(file.parent().unwrap()), 0o700, "the directory as well");

    let line = &lines[0];
    let headers: Vec<_> = line["headers"].as_array().unwrap().iter().collect();
    assert!(headers.contains(&&json!(["x-custom", "stays"])), "{line}");
    let body: Value = serde_json::from_str(line["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["model"], "claude-opus-5-5", "what policies decide on");
    assert_eq!(
        body["messages"][0]["content"], "xxxxxxxxxxxxxxxxxxxxxxx",
        "as long as it was"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_kept_where_the_operator_says_so_in_so_many_words() {
    let upstream = Upstream::answering().await;
    let gate = recording(&upstream, "insecure_content = true").await;
    let body = asking("the plan for the merger");
    assert_eq!(gate.ask(&gate.messages(&body)).await.status, 200);
    let (lines, ..) = recorded(gate).await;
    assert_eq!(lines[0]["body"], Value::String(body.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_request_came_when_its_receipt_says() {
    let upstream = Upstream::answering().await;
    let gate = recording(&upstream, "").await;
    let request = gate.messages(&asking("hi")).to_bytes();
    let (last, most) = request.split_last().unwrap();
    let mut slow = gate.client().await;
    slow.write(most).await;
    // Its last byte comes some milliseconds after its head, with other requests between.
    let begun = Instant::now();
    let mut asked = 1;
    while begun.elapsed() < Duration::from_millis(5) {
        assert_eq!(gate.ask(&gate.messages(&asking("hi"))).await.status, 200);
        asked += 1;
    }
    slow.write(&[*last]).await;
    assert_eq!(slow.receive().await.status, 200);

    // A client has its answer before the exchange has ended and its receipt is on its way.
    let receipts = gate.receipts_when(asked).await;
    let (lines, ..) = recorded(gate).await;
    assert!(!lines.is_empty(), "something is recorded");
    for line in lines {
        let receipt = receipts.iter().find(|receipt| receipt["id"] == line["id"]);
        let receipt = receipt.expect("what is recorded has a receipt");
        assert_eq!(line["unix_ms"], receipt["started_unix_ms"], "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_in_so_many_is_recorded_and_never_more_than_there_is_room_for() {
    let upstream = Upstream::answering().await;
    let gate = recording(&upstream, "sample = 3").await;
    for number in 0..7 {
        ask_and_record(&gate, &gate.messages(&asking("hi")), number / 3 + 1).await;
    }
    let (lines, ..) = recorded(gate).await;
    assert_eq!(lines.len(), 3, "the first, the fourth, the seventh");

    let gate = recording(&upstream, "max_bytes = 2000").await;
    // One at a time, so that the queue has room for each.
    ask_and_record(&gate, &gate.messages(&asking("hi")), 1).await;
    for _ in 1..9 {
        assert_eq!(gate.ask(&gate.messages(&asking("hi"))).await.status, 200);
    }
    let (lines, _folder, file) = recorded(gate).await;
    let bytes = std::fs::metadata(&file).unwrap().len();
    assert!(bytes <= 2000, "{bytes} bytes");
    assert!(
        (1..9).contains(&lines.len()),
        "what there was room for: {}",
        lines.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_a_mebibyte_is_passed_over_and_counted() {
    let upstream = Upstream::answering().await;
    let gate = recording(&upstream, "").await;
    let large = |size: usize| asking(&"x".repeat(size));
    for size in [1 << 20, 1 << 19] {
        assert_eq!(gate.ask(&gate.messages(&large(size))).await.status, 200);
    }
    gate.metric_when("witgate_capture_passed_over_total 1\n")
        .await;
    gate.metric_when("witgate_captured_total 1\n").await;
    let (lines, ..) = recorded(gate).await;
    let lengths: Vec<_> = lines
        .iter()
        .map(|line| line["body"].as_str().unwrap().len())
        .collect();
    assert_eq!(
        lengths,
        [large(1 << 19).to_string().len()],
        "the small one is recorded"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_moved_away_when_all_is_full_make_room_for_a_new_one() {
    let upstream = Upstream::answering().await;
    let gate = recording(&upstream, "max_bytes = 2000").await;
    let ask = async |count: usize| {
        for _ in 0..count {
            assert_eq!(gate.ask(&gate.messages(&asking("hi"))).await.status, 200);
        }
    };
    let full = async || {
        let page = gate.admin("/metrics").await;
        let metrics = page.text();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("witgate_capture_full_total "));
        line.is_some_and(|line| !line.ends_with(" 0"))
    };
    crate::harness::within_timeout("a full directory", async {
        while !full().await {
            ask(1).await;
        }
    })
    .await;
    let moved = gate.file("moved");
    std::fs::rename(gate.file("recorded"), &moved).unwrap();
    std::fs::create_dir(gate.file("recorded")).unwrap();
    ask(4).await;
    let (lines, ..) = recorded(gate).await;
    assert!(!lines.is_empty(), "there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_requests_are_decided_on_as_they_were_and_can_be_sent_again() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra("[capture]\ndir = \"recorded\"")
        .start()
        .await;
    let host = gate.address().to_string();
    let mut sent = 0;
    for capture in Capture::all() {
        if !capture.request.target.starts_with("/v1/messages") {
            continue;
        }
        sent += 1;
        let request = capture.request_for(&host, gate.key());
        ask_and_record(&gate, &request, sent).await;
    }
    let arrived = upstream.requests().len();
    let policies = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(gate.policies()).unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, policies.path().join(file.file_name().unwrap())).unwrap();
    }
    let (lines, _folder, file) = recorded(gate).await;
    assert_eq!(lines.len(), sent, "each of them");
    assert_eq!(arrived, sent, "each of them was forwarded");

    let run = Command::new(binary())
        .args(["plugin", "run", "--json"])
        .args(
            ["envelope", "route", "budget", "audit"]
                .map(|name| policies.path().join(name).with_extension("wasm")),
        )
        .arg("--requests")
        .arg(&file)
        .env("XDG_CACHE_HOME", policies.path().join("cache"))
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(
        run.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&run.stderr)
    );
    assert_eq!(told.lines().count(), sent, "a line for each");
    for line in told.lines() {
        let decided: Value = serde_json::from_str(line).unwrap();
        for hook in ["envelope", "route", "budget", "audit"] {
            assert!(
                !decided["given"][hook].is_null() || hook == "route",
                "{hook}: {decided}"
            );
        }
        assert!(decided["given"]["stopped"].is_null(), "{decided}");
    }

    let second = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &second)
        .start()
        .await;
    let replay = Command::new(binary())
        .arg("replay")
        .arg(&file)
        .args(["--to", &format!("http://{}", gate.address())])
        .env("WITGATE_KEY", gate.key())
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&replay.stdout).into_owned();
    assert!(
        replay.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&replay.stderr)
    );
    assert!(
        told.ends_with(&format!("{sent} answered, 0 failed\n")),
        "{told}"
    );
    assert_eq!(second.requests().len(), sent, "all came to the upstream");

    let nobody = Command::new(binary())
        .arg("replay")
        .arg(&file)
        .args(["--to", "http://127.0.0.1:1"])
        .output()
        .await
        .unwrap();
    assert!(!nobody.status.success(), "nobody is there");
}
