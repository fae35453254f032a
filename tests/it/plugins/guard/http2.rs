//! Streams to HTTP/2 clients under a guard.

use super::{REPLACING, builder, streaming};
use crate::harness::{Answer, Events, Http2Client, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_over_http_2_is_what_the_guards_leave_and_has_an_end() {
    let events = Events::begin(super::MODEL)
        .text(&["my S", "ECR", "ET is ", "out"])
        .end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events).in_pieces_of(7)).await;
    let stopping = "content = [\"text\"]\nhold = 5\nstop = \"SECRET\"\n";
    let quiet = format!("{stopping}quietly = true\n");
    for (settings, says) in [
        (REPLACING, "[x]"),
        (&*quiet, "\"stop_reason\":\"refusal\""),
        (stopping, "policy_blocked"),
    ] {
        let gate = builder(&upstream, settings)
            .listen("h2c = true")
            .start()
            .await;
        let mut client = Http2Client::connect(gate.address()).await;
        let response = client.ask(&streaming(&gate)).await.expect("a clean end");
        let text = response.text();
        assert_eq!(response.status(), 200, "{text}");
        assert!(text.contains(says), "{settings}: {text}");
        assert!(!text.contains("ECR"), "{settings}: {text}");
        let again = client.ask(&streaming(&gate)).await;
        assert!(again.is_ok(), "the connection goes on: {again:?}");
        let receipts = gate.receipts_when(2).await;
        let pieces = &receipts[0]["guards"]["warden"]["pieces"];
        assert!(pieces.as_u64() > Some(0), "{receipts:?}");
    }
}
