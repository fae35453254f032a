//! A keys file of many.

use std::fmt::Write as _;

use serde_json::json;

use crate::harness::{GatewayBuilder, Installation, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_keys_take_what_they_are_and_not_what_their_file_is_read_as() {
    let upstream = Upstream::answering().await;
    let installation = Installation::new(&GatewayBuilder::bare().upstream("default", &upstream));
    let few = installation.start().await.peak_memory();
    let mut text = std::fs::read_to_string(installation.file("keys.toml")).unwrap();
    for index in 0..100_000_u32 {
        let _ = write!(
            text,
            "\n[[key]]\nid = \"key-{index}\"\nhash = \"sha256:{index:064x}\"\ntenant = \"tenant-{}\"\nuser = \"user-{index}\"\n\
             tier = \"pro\"\n",
            index % 1000
        );
    }
    std::fs::write(installation.file("keys.toml"), &text).unwrap();
    let process = installation.start().await;
    let many = process.peak_memory();
    // The text itself, which is let go, and half a kilobyte for each key.
    let allowed = few + text.len() as u64 + 100_000 * 512;
    assert!(
        many < allowed,
        "{many} bytes at most, {allowed} allowed, {few} without"
    );
    let asking = installation.messages(&json!({"model": "m", "max_tokens": 1, "messages": []}));
    let answer = process.client().await.ask(&asking).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
