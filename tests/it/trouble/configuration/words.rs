//! Errors in plain words, said once, with the cure.

use tempfile::TempDir;

use crate::harness::{GatewayBuilder, Upstream};
use crate::harness::{text, witgate};

/// A folder with a right configuration of one key and one upstream.
async fn folder() -> TempDir {
    let upstream = Upstream::answering().await;
    let (folder, _) = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .lay_out();
    folder
}

#[tokio::test]
async fn one_thing_is_counted_as_one() {
    let folder = folder().await;
    let told = text(&witgate(folder.path(), &["check"]));
    assert!(told.contains("witgate.toml: 1 key, 1 upstream\n"), "{told}");
}

#[tokio::test]
async fn a_required_plugin_that_is_not_there_is_told_in_one_line() {
    let folder = folder().await;
    let file = folder.path().join("witgate.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let config = config.replace(
        "directory = \"policies\"",
        "directory = \"policies\"\nrequired = [\"nosuch\"]",
    );
    std::fs::write(&file, config).unwrap();
    let told = text(&witgate(folder.path(), &["check"]));
    let lines: Vec<_> = told
        .lines()
        .filter(|line| line.starts_with("nosuch"))
        .collect();
    assert_eq!(
        lines,
        ["nosuch: required, but missing; copy nosuch.wasm into the plugin directory"],
        "{told}"
    );
}

#[tokio::test]
async fn an_address_that_is_taken_says_which_option_or_key_to_change() {
    let folder = folder().await;
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let file = folder.path().join("witgate.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let config = config.replacen("127.0.0.1:0", &taken.to_string(), 1);
    std::fs::write(&file, config).unwrap();
    let told = text(&witgate(folder.path(), &["run"]));
    assert!(
        told.contains(&format!("cannot listen on {taken}"))
            && told.contains("choose another `address` in [listen]"),
        "{told}"
    );
    drop(holder);
}

#[tokio::test]
async fn an_upstream_that_refuses_connections_is_named_in_plain_words() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let gate = GatewayBuilder::bare()
        .upstream_at("default", &url)
        .start()
        .await;
    let body = serde_json::json!({"model": "claude-haiku-5-5", "max_tokens": 1, "messages": []});
    let response = gate.ask(&gate.messages(&body)).await;
    assert_eq!(response.status, 502, "{}", response.text());
    let told = response.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        told.contains("no connection to the upstream default: refused"),
        "{told}"
    );
}
