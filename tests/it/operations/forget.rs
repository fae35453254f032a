//! Fields that a rule removes from old receipts, while the gateway runs.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::harness::{Client, GatewayBuilder, Upstream, printed, text, witgate, within_timeout};

/// Returns the lines of a compressed segment.
fn lines(path: &Path) -> Vec<Value> {
    let bytes = zstd::decode_all(File::open(path).unwrap()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_removes_fields_of_old_receipts_and_everything_else_stays() {
    let upstream = Upstream::answering().await;
    // Any file can be the key of the hashes.
    let gate = GatewayBuilder::bare()
        .receipts("rotate_bytes = 65536")
        .extra(
            "[receipts.forget]\nafter_days = 7\ndrop = [\"client\"]\nhash = [\"model.requested\"]\n\
             hash_key = { file = \"keys.toml\" }",
        )
        .extra("[state]\ndirectory = \"state\"\n")
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = gate.client().await;
    let mut asked = 0;
    let ask = async |client: &mut Client| {
        let body = json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [], "padding": "x".repeat(10)});
        assert_eq!(client.ask(&gate.messages(&body)).await.status, 200);
    };
    let first = gate.file("receipts.jsonl.000001.zst");
    within_timeout("a closed segment", async {
        while !first.exists() {
            ask(&mut client).await;
            asked += 1;
        }
    })
    .await;
    let before = lines(&first);
    assert!(before[0]["client"]["address"].is_string(), "{}", before[0]);
    let old = SystemTime::now() - Duration::from_secs(8 * 86_400);
    File::options()
        .write(true)
        .open(&first)
        .unwrap()
        .set_modified(old)
        .unwrap();
    // The next segment that is closed has the keeper look, and the next receipt tells of it.
    within_timeout("the fields to be removed", async {
        while lines(&first)[0].get("client").is_some() {
            ask(&mut client).await;
            asked += 1;
        }
    })
    .await;
    let after = lines(&first);
    assert_eq!(after.len(), before.len(), "no receipt is lost");
    for (before, after) in before.iter().zip(&after) {
        let mut expected = before.clone();
        expected.as_object_mut().unwrap().remove("client");
        expected["model"]["requested"] = after["model"]["requested"].clone();
        expected["chain"] = after["chain"].clone();
        assert_eq!(*after, expected, "everything else stays");
        assert_ne!(
            after["model"]["requested"], before["model"]["requested"],
            "a hash"
        );
    }
    gate.running().flush().await;
    let total = gate.admin("/usage").await.json()["total"]["requests"].clone();
    assert_eq!(total, asked, "each counts once");
    let (_, folder) = gate.drain().await;
    let verified = witgate(folder.path(), &["receipts", "verify"]);
    let told = text(&verified);
    assert!(verified.status.success(), "{told}");
    let says = "fields were removed from segment 1 by the rule drop:client+hash:model.requested, as a later record says";
    assert!(told.contains(says), "{told}");
    let id = after[0]["id"].as_str().unwrap();
    let found = printed(&witgate(folder.path(), &["receipts", "query", "--id", id]));
    let found: Value = serde_json::from_str(&found).expect("the receipt");
    assert_eq!(found.get("client"), None, "{found}");
}
