//! `witgate plugin run`, `plugin diff` and `replay` on recorded requests.

use serde_json::{Value, json};
use tempfile::TempDir;
use witgate_artifacts::{AUDIT, BUDGET, GUARD, HOSTILE, SWAP_A, SWAP_B};

use super::{EVERYTHING, json_lines, record};
use crate::harness::{GatewayBuilder, Upstream};
use crate::harness::{complaint, printed, text, witgate};

fn asking(model: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]})
}

/// A folder with the hostile guest, and requests: it panics on all but the last.
fn panics() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    HOSTILE.install(folder.path()).unwrap();
    std::fs::write(folder.path().join("hostile.toml"), EVERYTHING).unwrap();
    let panics =
        json!({"headers": [["x-hostile", "envelope:panic"]], "body": asking("claude-opus-5-5")});
    let mut lines = vec![panics; 40];
    lines.push(json!({"body": asking("claude-opus-5-5")}));
    record(folder.path(), &lines);
    folder
}

#[test]
fn a_plugin_that_faults_again_and_again_is_asked_about_every_recorded_request() {
    let folder = panics();
    let run = witgate(
        folder.path(),
        &[
            "plugin",
            "run",
            "hostile.wasm",
            "--requests",
            "requests.jsonl",
            "--json",
        ],
    );
    let told = json_lines(&run);
    assert_eq!(
        run.status.code(),
        Some(1),
        "there were faults: {}",
        text(&run)
    );
    for line in &told[..40] {
        let stopped = &line["given"]["stopped"];
        assert_eq!(stopped["fault"], "trap", "never suspended: {line}");
        let fault = line["faults"][0].as_str().unwrap();
        assert!(fault.contains("hostile on purpose"), "its text: {fault}");
    }
    assert!(
        told[40]["given"]["stopped"].is_null(),
        "served: {}",
        told[40]
    );
}

#[test]
fn two_versions_that_fault_alike_are_not_different() {
    let folder = panics();
    let same = witgate(
        folder.path(),
        &[
            "plugin",
            "diff",
            "hostile.wasm",
            "hostile.wasm",
            "--requests",
            "requests.jsonl",
        ],
    );
    assert!(same.status.success(), "{}", text(&same));
    assert!(printed(&same).contains("0 of 41"), "{}", text(&same));
}

#[test]
fn a_difference_is_told_in_words() {
    let folder = panics();
    for (artifact, name) in [(SWAP_A, "one"), (HOSTILE, "two")] {
        artifact.install_as(folder.path(), name).unwrap();
    }
    std::fs::write(folder.path().join("two.toml"), EVERYTHING).unwrap();
    let refused = json!({"headers": [["x-hostile", "route:refuse"]], "body": asking("m")});
    record(folder.path(), &[refused]);
    let differ = witgate(
        folder.path(),
        &[
            "plugin",
            "diff",
            "two.wasm",
            "one.wasm",
            "--requests",
            "requests.jsonl",
        ],
    );
    let told = printed(&differ);
    assert_eq!(differ.status.code(), Some(1), "{}", text(&differ));
    let route = told.lines().find(|line| line.trim().starts_with("route: "));
    assert!(
        route.is_some_and(|line| {
            line.contains("refused 403 permission_error: refused on demand -> {")
        }),
        "both decisions at their hook: {told}"
    );
}

#[test]
fn an_audit_plugin_sees_what_an_answer_used_and_cost() {
    let folder = tempfile::tempdir().unwrap();
    AUDIT.install(folder.path()).unwrap();
    let answer = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": "Hello!"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 11, "output_tokens": 7, "cache_read_input_tokens": 3}
    });
    record(
        folder.path(),
        &[
            json!({"body": asking("claude-opus-5-5")}),
            json!({"body": asking("claude-opus-5-5"), "answer": answer}),
        ],
    );
    let run = witgate(
        folder.path(),
        &[
            "plugin",
            "run",
            "audit.wasm",
            "--requests",
            "requests.jsonl",
            "--json",
        ],
    );
    assert!(run.status.success(), "{}", text(&run));
    let told = json_lines(&run);
    let sample = &told[0]["given"]["audit"];
    assert_eq!(sample["model"]["served"], "claude-opus-5-5", "{sample}");
    assert_eq!(sample["usage"]["source"], "estimated", "a sample: {sample}");
    assert_eq!(
        sample["usage"]["output_tokens"], 100,
        "max_tokens: {sample}"
    );
    assert!(
        sample["usage"]["input_tokens"].as_u64() > Some(0),
        "{sample}"
    );
    assert!(sample["cost_picousd"].as_u64() > Some(0), "{sample}");
    assert_eq!(sample["attempts"]["0"]["status"], 200, "{sample}");

    let recorded = &told[1]["given"]["audit"];
    let usage = &recorded["usage"];
    assert_eq!(usage["source"], "reported", "by the answer: {recorded}");
    assert_eq!(
        [
            &usage["input_tokens"],
            &usage["output_tokens"],
            &usage["cache_read_input_tokens"]
        ],
        [&json!(11), &json!(7), &json!(3)],
        "{recorded}"
    );
    assert_eq!(
        recorded["model"]["served"], "claude-haiku-5-5",
        "{recorded}"
    );
}

#[test]
fn a_charge_is_told_in_dollars_and_whether_it_fits() {
    let folder = tempfile::tempdir().unwrap();
    BUDGET.install(folder.path()).unwrap();
    let limits = "[grants]\nclock = true\n[settings]\n[[settings.tiers.free.limits]]\naccount = \"key\"\nwindow = \"month\"\nusd = 1000\n\
                  [[settings.tiers.free.limits]]\naccount = \"key\"\nin_flight = 3\n\
                  [[settings.tiers.free.limits]]\naccount = \"key\"\nwindow = \"day\"\ntokens = 9\n";
    std::fs::write(folder.path().join("budget.toml"), limits).unwrap();
    let line =
        json!({"caller": {"key_id": "k1", "tier": "free"}, "body": asking("claude-opus-5-5")});
    record(folder.path(), &[line]);
    let run = witgate(
        folder.path(),
        &[
            "plugin",
            "run",
            "budget.wasm",
            "--requests",
            "requests.jsonl",
        ],
    );
    let told = text(&run);
    assert!(run.status.success(), "{told}");
    assert!(
        told.contains("of $1000.00 per month from key:k1 (fits)"),
        "{told}"
    );
    assert!(
        told.contains("1 of 3 at a time from key:k1 (fits)"),
        "{told}"
    );
    assert!(
        told.contains("of 9 tokens per day from key:k1 (does not fit)"),
        "{told}"
    );
}

#[test]
fn a_file_that_is_not_there_or_not_of_that_shape_is_told_once_and_plainly() {
    let folder = tempfile::tempdir().unwrap();
    SWAP_B.install(folder.path()).unwrap();
    let missing = witgate(folder.path(), &["plugin", "check", "http-py.wasm"]);
    assert_eq!(
        complaint(&missing),
        "witgate: there is no file http-py.wasm\n",
        "once"
    );

    record(
        folder.path(),
        &[json!({"headers": {"x-team": "blue"}, "body": {}})],
    );
    let wrong = witgate(
        folder.path(),
        &[
            "plugin",
            "run",
            "swap_b.wasm",
            "--requests",
            "requests.jsonl",
        ],
    );
    let told = complaint(&wrong);
    assert!(
        told.contains(
            "requests.jsonl:1 is not a recorded request: `headers` must be a list of [name, value] pairs"
        ),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_whose_key_opens_nothing_fails_and_says_why() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .start()
        .await;
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), &vec![json!({"body": asking("m")}); 3]);
    let to = format!("http://{}", gate.address());
    let key = gate.key().to_owned();
    let (keyless, keyed, nobody) = tokio::task::spawn_blocking(move || {
        let replay = |to: &str, key: Option<&str>| {
            let mut command = std::process::Command::new(crate::harness::binary());
            command
                .args(["replay", "requests.jsonl", "--to", to])
                .current_dir(folder.path())
                .env_remove("WITGATE_KEY");
            if let Some(key) = key {
                command.env("WITGATE_KEY", key);
            }
            command.output().unwrap()
        };
        (
            replay(&to, None),
            replay(&to, Some(&key)),
            replay("http://127.0.0.1:1", Some(&key)),
        )
    })
    .await
    .unwrap();

    assert_eq!(keyless.status.code(), Some(1), "{}", text(&keyless));
    let told = text(&keyless);
    assert!(told.contains("WITGATE_KEY is not set"), "a warning: {told}");
    assert!(told.contains("by status: 3 x 401"), "counts: {told}");
    assert!(told.contains("the key was refused each time"), "{told}");
    assert!(keyed.status.success(), "{}", text(&keyed));
    assert!(
        printed(&keyed).contains("by status: 3 x 200"),
        "{}",
        text(&keyed)
    );
    assert_eq!(complaint(&keyed), "", "nothing to warn of");
    assert_eq!(nobody.status.code(), Some(1), "{}", text(&nobody));
    assert!(
        printed(&nobody).contains(" no connection to 127.0.0.1:1: refused\n"),
        "{}",
        text(&nobody)
    );
}

#[test]
fn a_guard_is_tried_on_the_texts_of_recorded_requests() {
    let folder = tempfile::tempdir().unwrap();
    GUARD.install(folder.path()).unwrap();
    let sidecar = "[grants]\ncontent = [\"request\"]\nmetrics = true\n[settings]\nresponse = \"off\"\n\
        [[settings.rules]]\nname = \"ticket\"\npattern = 'TKT-\\d+'\n\
        [[settings.rules]]\nname = \"bomb\"\npattern = 'bomb'\nrequest = \"block\"\n";
    std::fs::write(folder.path().join("guard.toml"), sidecar).unwrap();
    let saying = |text: &str| {
        json!({"body": {"model": "claude-opus-5-5", "max_tokens": 9, "system": "be brief",
            "messages": [{"role": "user", "content": text}]}})
    };
    let lines = [saying("Hello"), saying("about TKT-42"), saying("a bomb")];
    record(folder.path(), &lines);
    let run = |more: &[&str]| {
        let run = [
            "plugin",
            "run",
            "guard.wasm",
            "--requests",
            "requests.jsonl",
        ];
        witgate(folder.path(), &[&run[..], more].concat())
    };
    let told = run(&[]);
    assert!(told.status.success(), "{}", text(&told));
    for expected in [
        "guard: 2 texts, 0 changed",
        "guard: 2 texts, 1 changed",
        "guard: refused, 400 policy_blocked: the request contains what the rule `bomb`",
    ] {
        assert!(
            text(&told).contains(expected),
            "{expected}: {}",
            text(&told)
        );
    }
    let given = json_lines(&run(&["--json"]));
    assert_eq!(
        given[1]["given"]["guard"]["messages"][0]["content"], "about [redacted:ticket]",
        "the change: {}",
        given[1]
    );
}
