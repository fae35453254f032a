//! Attempts to change receipts after they were written.

use serde_json::json;

use crate::harness::{GatewayBuilder, Upstream, complaint, printed, witgate};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_is_changed_is_found_by_the_command() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let body = json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []});
    for count in 1..=3 {
        let answered = gate.ask(&gate.messages(&body)).await;
        assert_eq!(answered.status, 200, "{}", answered.text());
        // So that they are written in this order.
        gate.receipts_when(count).await;
    }
    let receipts = gate.receipts_when(3).await;
    let chain = receipts[2]["chain"].as_str().expect("a chain");
    let (_, folder) = gate.drain().await;
    let check = |arguments: &[&str]| {
        let arguments = [&["receipts", "verify"], arguments].concat();
        witgate(folder.path(), &arguments)
    };
    let intact = check(&[]);
    assert!(intact.status.success(), "{}", complaint(&intact));
    let told = printed(&intact);
    assert!(
        told.contains("3 records in 1 segment, 1.1 to 1.3, as they were written"),
        "{told}"
    );
    let (_, hash) = chain.split_once(' ').expect("a hash");
    assert!(told.contains(hash), "the last hash: {told}");
    assert!(check(&["--hash", hash]).status.success(), "a record has it");

    let path = folder.path().join("receipts.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let changed = lines[1].replace("\"answered\"", "\"refused\"");
    std::fs::write(&path, [lines[0], &changed, lines[2], ""].join("\n")).unwrap();
    let found = check(&[]);
    assert_eq!(found.status.code(), Some(1), "{}", printed(&found));
    let told = printed(&found);
    assert!(
        told.contains("receipts.jsonl:2: record 1.2 was changed"),
        "{told}"
    );
    assert!(
        told.contains("1 problem in 3 records and 1 segment"),
        "{told}"
    );

    std::fs::write(&path, [lines[0], lines[1], ""].join("\n")).unwrap();
    assert!(
        check(&[]).status.success(),
        "its end is missing, which the chain can't tell"
    );
    let cut = check(&["--hash", hash]);
    assert_eq!(cut.status.code(), Some(1), "{}", printed(&cut));
    assert!(
        printed(&cut).contains("no record has the given hash"),
        "{}",
        printed(&cut)
    );
}
