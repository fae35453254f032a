//! `witgate budget` and the keys of operators, as people use them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::{LIMITS, answer, gateway, status};
use crate::harness::{Operator, TestGateway, Upstream, binary, complaint, printed, text, witgate};

/// Runs `witgate budget` with an operator's key.
async fn budget(gate: &TestGateway, operator: &Operator, arguments: &[&str]) -> Output {
    let url = format!("http://{}", gate.running().admin().unwrap());
    let mut command = Command::new(binary());
    command
        .arg("budget")
        .args(arguments)
        .args(["--url", &url])
        .current_dir(gate.file(""))
        .env("WITGATE_ADMIN_KEY", &operator.key);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

async fn right(gate: &TestGateway, operator: &Operator, arguments: &[&str]) -> String {
    let output = budget(gate, operator, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    printed(&output)
}

const REQUESTS: [&str; 5] = ["user:acme/alice", "--window", "day", "--unit", "requests"];

fn with<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[command], &REQUESTS[..1], more, &REQUESTS[1..]].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_raised_and_everything_about_it_is_shown() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, _) = gateway(LIMITS, &upstream).await;
    for expected in [200, 200, 429] {
        assert_eq!(status(&gate).await, expected, "two");
    }
    let told = right(
        &gate,
        &operator,
        &with("set", &["5", "--reason", "it is 3 a.m."]),
    )
    .await;
    assert_eq!(told, "user:acme/alice: 5 requests by the day\n");
    assert_eq!(status(&gate).await, 200, "a third one");
    gate.receipts_when(4).await;
    let told = right(&gate, &operator, &with("top-up", &["2"])).await;
    assert!(
        told.starts_with("user:acme/alice: 5 requests, 2 requests more until "),
        "{told}"
    );
    let table = right(&gate, &operator, &["show", "user:acme/alice"]).await;
    let mut lines = table.lines();
    let head: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(
        head,
        [
            "account", "window", "unit", "limit", "from", "spent", "held", "left", "resets"
        ]
    );
    let row = lines.next().unwrap();
    assert!(
        row.starts_with(
            "user:acme/alice  day     requests  7      live + top-up  3      0     4     "
        ),
        "{table}"
    );
    let told = right(
        &gate,
        &operator,
        &with("override", &["unlimited", "--until", "8h"]),
    )
    .await;
    assert!(told.contains("no limit until "), "{told}");
    let told = right(&gate, &operator, &with("override", &["--end"])).await;
    assert!(
        !told.contains("until 20") || told.contains("more until"),
        "{told}"
    );
    let told = right(&gate, &operator, &with("reset", &[])).await;
    assert_eq!(
        told,
        "user:acme/alice: 3 of spending by the day is taken off\n"
    );
    let told = right(&gate, &operator, &with("delete", &[])).await;
    assert_eq!(
        told,
        "user:acme/alice: the live limit is deleted, and the sidecar's holds again\n"
    );
    let audit = right(&gate, &operator, &["audit"]).await;
    let lines: Vec<_> = audit.lines().collect();
    assert_eq!(lines.len(), 6, "{audit}");
    assert!(lines[5].ends_with("admin-key:writer  upsert  user:acme/alice by the day: nothing -> 5 requests  (it is 3 a.m.)"), "{audit}");
    let json = right(&gate, &operator, &["audit", "--json", "--by", "writer"]).await;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["data"].as_array().map(Vec::len), Some(6), "{json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_a_tier_is_set_shown_and_deleted() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, _) = gateway("", &upstream).await;
    let on = |command: &'static str, amount: &'static [&'static str]| {
        let window = ["--window", "day", "--unit", "requests"];
        [&[command, "tier:pro"], amount, &window].concat()
    };
    let told = right(&gate, &operator, &on("set", &["1"])).await;
    assert_eq!(told, "tier:pro: 1 requests by the day\n");
    for expected in [200, 429] {
        assert_eq!(status(&gate).await, expected, "one");
    }
    gate.receipts_when(2).await;
    let table = right(&gate, &operator, &["show"]).await;
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split_whitespace().take(8).collect())
        .collect();
    assert_eq!(
        rows[1..],
        [
            ["tier:pro", "day", "requests", "1", "live", "-", "-", "-"],
            [
                "user:acme/alice",
                "day",
                "requests",
                "1",
                "live",
                "1",
                "0",
                "0"
            ],
        ],
        "{table}"
    );
    right(&gate, &operator, &on("delete", &[])).await;
    assert_eq!(status(&gate).await, 200, "there is no limit");
    let audit = right(&gate, &operator, &["audit", "tier:pro"]).await;
    assert!(
        audit.contains("delete  tier:pro by the day: 1 requests -> nothing"),
        "{audit}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_is_in_dollars_and_memory_is_told() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, _) = gateway(LIMITS, &upstream).await;
    let output = budget(
        &gate,
        &operator,
        &["set", "tenant:acme", "12.50", "--window", "month"],
    )
    .await;
    assert_eq!(
        printed(&output),
        "tenant:acme: $12.50 by the month\n",
        "{}",
        text(&output)
    );
    assert!(
        complaint(&output).contains("forgotten at a restart"),
        "{}",
        text(&output)
    );
    assert_eq!(
        operator.effective("tenant:acme", "month").await["amount"],
        "1250",
        "cents"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_told_with_what_to_do() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, reader) = gateway(LIMITS, &upstream).await;
    let stale = with("set", &["5", "--if-version", "99"]);
    let unset = with("delete", &[]);
    for (operator, arguments, part) in [
        (
            &operator,
            vec!["set", "tenant:acme", "12,50", "--window", "day"],
            "AMOUNT: must be dollars",
        ),
        (
            &operator,
            vec!["set", "tenant:acme", "12"],
            "--window: name the window",
        ),
        (
            &operator,
            vec!["set", "acme", "12", "--window", "day"],
            "KIND:NAME",
        ),
        (
            &operator,
            vec![
                "override",
                "tenant:acme",
                "12",
                "--window",
                "day",
                "--until",
                "soon",
            ],
            "--until",
        ),
        (&operator, stale, "version 0 now"),
        (&operator, unset, "nothing is set on user:acme/alice"),
        (&reader, with("reset", &[]), "requires write:spend_limits"),
    ] {
        let output = budget(&gate, operator, &arguments).await;
        assert!(!output.status.success(), "{arguments:?}: {}", text(&output));
        assert!(
            complaint(&output).contains(part),
            "{part} in {}",
            text(&output)
        );
    }
}

fn made(folder: &Path, role: &str) -> String {
    let output = witgate(
        folder,
        &[
            "key",
            "new",
            "--id",
            role,
            "--role",
            role,
            "--file",
            "admin-keys.toml",
        ],
    );
    assert!(output.status.success(), "{}", text(&output));
    let told = printed(&output);
    let key = told.trim_end().rsplit(' ').next().unwrap();
    assert!(key.starts_with("wgk-"), "{told}");
    key.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_operators_are_made_listed_and_revoked_like_others() {
    let upstream = Upstream::always(answer()).await;
    let (gate, _, _) = gateway(LIMITS, &upstream).await;
    std::fs::remove_file(gate.file("admin-keys.toml")).unwrap();
    let keys = ["write", "read"].map(|role| made(&gate.file(""), role));
    gate.running().reload().await.expect("the file is right");
    let admin = gate.running().admin().unwrap();
    let [write, read] = keys.map(|key| Operator::new(admin, &key));
    write
        .post("", &super::requests(&serde_json::json!("1")))
        .await;
    read.get("").await;
    let stored = std::fs::read_to_string(gate.file("admin-keys.toml")).unwrap();
    assert!(
        !stored.contains(&write.key) && stored.contains("sha256:"),
        "hashes only"
    );
    let listed = witgate(
        &gate.file(""),
        &["key", "list", "--file", "admin-keys.toml"],
    );
    assert_eq!(
        printed(&listed),
        "id     role   state\nwrite  write  valid\nread   read   valid\n",
        "{}",
        text(&listed)
    );
    let revoked = witgate(
        &gate.file(""),
        &[
            "key",
            "revoke",
            "--id",
            "write",
            "--file",
            "admin-keys.toml",
        ],
    );
    assert!(revoked.status.success(), "{}", text(&revoked));
    gate.running().reload().await.expect("the file is right");
    assert_eq!(
        write.ask(&write.request("GET", "")).await.status,
        401,
        "it is revoked"
    );
    let mixed = witgate(
        &gate.file(""),
        &["key", "new", "--id", "x", "--file", "admin-keys.toml"],
    );
    assert!(
        !mixed.status.success(),
        "a caller's key does not go there: {}",
        text(&mixed)
    );
}
