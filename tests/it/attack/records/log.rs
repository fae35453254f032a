//! Foreign text in the gateway's log.

use serde_json::json;
use witgate_artifacts::{ENVELOPE, HOSTILE};

use crate::harness::{GatewayBuilder, Installation, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_end_of_a_plugin_begins_a_line_of_the_log() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::bare()
        .plugin("envelope", ENVELOPE, "")
        .plugin("hostile", HOSTILE, "order = 900\n")
        .upstream("default", &upstream);
    let installation = Installation::new(&builder);
    let process = installation.start().await;
    let body = json!({"model": "m", "max_tokens": 5, "messages": []});
    let request = installation
        .messages(&body)
        .header("x-hostile", "envelope:forge");
    assert_eq!(
        process.client().await.ask(&request).await.status,
        200,
        "it is answered"
    );
    process.says("forged").await;
    process.signal("-TERM").await;
    let log = process.ended().await;
    let forged: Vec<_> = log.lines().filter(|line| line.contains("forged")).collect();
    assert_eq!(forged.len(), 1, "one text, one line:\n{log}");
    assert!(
        forged[0].contains("hostile") && !forged[0].starts_with("forged"),
        "the plugin's name is on it: {}",
        forged[0]
    );
    for sign in ['\u{85}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{1b}', '\r'] {
        assert!(!log.contains(sign), "{sign:?} is written out:\n{log:?}");
    }
}
