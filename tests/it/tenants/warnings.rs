//! Limits are announced before they are reached, answers say what is left, and a refusal is one that clients understand.

use std::path::Path;

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use witgate_artifacts::BUDGET;

use crate::harness::{Answer, GatewayBuilder, Recorded, Request, Response, TestGateway, Upstream};

/// A gateway whose keys may spend a cent a day, with more of its configuration.
fn limited(upstream: &Upstream, more: &str) -> GatewayBuilder {
    let sidecar =
        "[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"day\"\nusd = \"0.01\"\n";
    GatewayBuilder::shipped()
        .plugin("budget", BUDGET, sidecar)
        .upstream("default", upstream)
        .extra(more)
}

fn asking(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": "claude-haiku-4-5", "max_tokens": 490, "messages": []}))
}

/// An upstream whose answers cost a quarter of a cent each.
async fn priced() -> Upstream {
    let usage = json!({"input_tokens": 0, "output_tokens": 500});
    let headers = [
        ("anthropic-ratelimit-unified-status", "allowed"),
        ("anthropic-ratelimit-unified-5h-reset", "1"),
        ("anthropic-ratelimit-requests-limit", "50"),
    ];
    let answer = Answer::message("claude-haiku-4-5", "hi", &usage);
    let body: Value = serde_json::from_slice(answer.body()).expect("it is JSON");
    Upstream::always(Answer::json(200, &headers, &body)).await
}

/// Asks until so many requests have left receipts.
async fn ask(gate: &TestGateway, receipts: usize) -> Response {
    let response = gate.ask(&asking(gate)).await;
    gate.receipts_when(receipts).await;
    response
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.get(name)
}

fn unified<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    header(response, &format!("anthropic-ratelimit-unified-{name}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mark_of_a_limit_is_announced_once_in_receipts_and_metrics() {
    let upstream = priced().await;
    let gate = limited(&upstream, "").start().await;
    for receipts in 1..=4 {
        assert_eq!(ask(&gate, receipts).await.status, 200, "it fits");
    }
    for receipts in 5..=6 {
        assert_eq!(ask(&gate, receipts).await.status, 429, "nothing is left");
    }
    let mut marks: Vec<_> = gate
        .receipts()
        .await
        .iter()
        .filter_map(|receipt| Some(receipt.get("budget_warnings")?.to_string()))
        .collect();
    marks.sort();
    assert_eq!(marks.len(), 2, "of the third and the fourth: {marks:?}");
    assert!(marks.iter().any(|mark| mark.contains("75")), "{marks:?}");
    assert!(marks.iter().any(|mark| mark.contains("100")), "{marks:?}");
    let metrics = gate.admin("/metrics").await;
    for percent in [75, 90, 100] {
        let line = format!("witgate_budget_warnings_total{{percent=\"{percent}\"}} 1");
        assert!(metrics.text().contains(&line), "{line}: {}", metrics.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_say_what_is_left_in_the_headers_by_which_claude_code_warns() {
    let upstream = priced().await;
    let gate = limited(&upstream, "").start().await;
    let first = ask(&gate, 1).await;
    let left = header(&first, "witgate-budget").expect("what is left");
    assert!(
        left.starts_with("key;window=day;unit=usd;limit=\"0.01\";left=\"0.01\";reset="),
        "{left}"
    );
    assert_eq!(
        unified(&first, "status"),
        Some("allowed"),
        "nothing is used"
    );
    assert_eq!(
        unified(&first, "5h-reset"),
        None,
        "the upstream's limits are not mixed with ours"
    );
    assert_eq!(
        header(&first, "anthropic-ratelimit-requests-limit"),
        Some("50"),
        "its other headers pass"
    );
    ask(&gate, 2).await;
    ask(&gate, 3).await;
    let fourth = ask(&gate, 4).await;
    assert_eq!(
        unified(&fourth, "status"),
        Some("allowed_warning"),
        "a warning"
    );
    assert_eq!(
        unified(&fourth, "overage-surpassed-threshold"),
        Some("0.75"),
        "and the mark that Claude Code shows"
    );
    assert_eq!(
        unified(&fourth, "overage-utilization"),
        Some("0.75"),
        "the use"
    );
    let reset = unified(&fourth, "reset").expect("the end of the day");
    assert_eq!(unified(&fourth, "overage-reset"), Some(reset), "the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_by_a_spending_limit_has_the_shape_that_claude_code_stops_at() {
    let upstream = priced().await;
    let words = "[budgets]\nmessage = \"Ask #ai-help for more.\"\n";
    let gate = limited(&upstream, words).start().await;
    for receipts in 1..=4 {
        ask(&gate, receipts).await;
    }
    let refused = gate.ask(&asking(&gate)).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(
        header(&refused, "x-should-retry"),
        Some("false"),
        "no retry"
    );
    let wait: u64 = header(&refused, "retry-after")
        .and_then(|wait| wait.parse().ok())
        .expect("a time in seconds");
    assert!((1..=86_400).contains(&wait), "until the day ends: {wait}");
    for (name, value) in [
        ("status", "rejected"),
        ("overage-utilization", "1.00"),
        ("overage-surpassed-threshold", "1"),
        ("overage-period", "daily"),
        ("overage-disabled-reason", "org_spend_cap_reached"),
    ] {
        assert_eq!(unified(&refused, name), Some(value), "{name}");
    }
    for name in ["representative-claim", "overage-status"] {
        assert_eq!(
            unified(&refused, name),
            None,
            "{name} would hide the message"
        );
    }
    let error = &refused.json()["error"];
    assert_eq!(error["type"], "billing_error", "{error}");
    let message = error["message"].as_str().expect("a message");
    let parts: Vec<_> = message.split(" · ").collect();
    assert_eq!(parts.len(), 3, "{message}");
    assert_eq!(parts[0], "spend limit reached", "{message}");
    assert!(parts[1].starts_with("resets "), "{message}");
    assert!(
        parts[2].contains("per day for this key") && parts[2].ends_with("Ask #ai-help for more."),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upstreams_own_limits_pass_where_the_operator_says_so() {
    let upstream = priced().await;
    let more = "[budgets]\nclient_warnings = false\n";
    let gate = limited(&upstream, more).start().await;
    let response = gate.ask(&asking(&gate)).await;
    assert_eq!(unified(&response, "5h-reset"), Some("1"), "the upstream's");
    assert_eq!(
        unified(&response, "overage-utilization"),
        None,
        "none of ours"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_of_tokens_is_never_refused_by_a_budget() {
    let counted = Answer::json(200, &[], &json!({"input_tokens": 5}));
    let upstream = Upstream::always(counted).await;
    let sidecar = "[settings]\nfree = []\n[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"day\"\nrequests = 1\n";
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, sidecar)
        .upstream("default", &upstream)
        .start()
        .await;
    let body = json!({"model": "claude-haiku-4-5", "messages": []});
    let count =
        gate.keyed(Request::new("POST", "/v1/messages/count_tokens").body(body.to_string()));
    for _ in 0..3 {
        let response = gate.ask(&count).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    let refused = gate.ask(&asking(&gate)).await;
    assert_eq!(refused.status, 429, "they are counted: {}", refused.text());
}

/// Writes a webhook's secret to a folder, and returns the configuration that has three quarters of a limit told to the webhook.
fn told_to(hook: &Upstream, folder: &Path, secret: &str) -> String {
    let file = folder.join("secret");
    std::fs::write(&file, secret).expect("it is written");
    format!(
        "[budgets]\nwarn_at = [75]\n[budgets.webhook]\nurl = \"{}/hook\"\nsecret = {{ file = \"{}\" }}\ndead_letters = \"dead.jsonl\"\n",
        hook.url(),
        file.display()
    )
}

fn signature(secret: &str, delivery: &Recorded) -> String {
    let given = delivery
        .headers
        .get("witgate-signature")
        .expect("a signature");
    let (time, _) = given.split_once(',').expect("a time and a code");
    let time = time.strip_prefix("t=").expect("a time");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(&delivery.body);
    let code = mac.finalize().into_bytes();
    let hex: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={hex}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_gets_signed_warnings_and_gets_them_again_after_a_failure() {
    let upstream = priced().await;
    let mut deliveries = 0;
    let hook = Upstream::start_with(move |_| {
        deliveries += 1;
        match deliveries {
            1 => Answer::error(503, "api_error", "not now"),
            _ => Answer::json(200, &[], &json!({})),
        }
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let more = told_to(&hook, folder.path(), "s3cr3t\n");
    let gate = limited(&upstream, &more).start().await;
    for receipts in 1..=3 {
        assert_eq!(
            ask(&gate, receipts).await.status,
            200,
            "no hook stops traffic"
        );
    }
    let (first, second) = (hook.next_request().await, hook.next_request().await);
    assert_eq!(first.body, second.body, "the same warning");
    for delivery in [&first, &second] {
        let given = delivery.headers.get("witgate-signature");
        let wanted = signature("s3cr3t", delivery);
        assert_eq!(given, Some(wanted.as_str()), "it is signed");
    }
    let event = second.json();
    assert_eq!(event["type"], "budget.threshold", "{event}");
    assert_eq!(event["percent"], 75, "{event}");
    assert_eq!(event["window"], "day", "{event}");
    assert_eq!(event["used_usd"], "$0.0075", "{event}");
    assert!(!gate.file("dead.jsonl").exists(), "nothing is dead");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warning_that_a_webhook_refuses_is_kept_in_a_file() {
    let upstream = priced().await;
    let hook = Upstream::always(Answer::error(410, "gone", "no longer")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let more = told_to(&hook, folder.path(), "s3cr3t");
    let gate = limited(&upstream, &more).start().await;
    for receipts in 1..=3 {
        ask(&gate, receipts).await;
    }
    hook.next_request().await;
    let file = gate.file("dead.jsonl");
    gate.metric_when("witgate_budget_webhook_dead_total 1")
        .await;
    let text = std::fs::read_to_string(file).expect("the file");
    let line: Value = serde_json::from_str(text.trim()).expect("one line of JSON");
    assert_eq!(line["reason"], "it answered 410", "{line}");
    assert_eq!(line["event"]["percent"], 75, "{line}");
}
