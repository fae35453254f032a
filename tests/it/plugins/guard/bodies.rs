//! The body of a request whose answer passes guards.

use serde_json::json;
use witgate_artifacts::WARDEN;

use super::{MODEL, REPLACING, body, sidecar};
use crate::harness::{Answer, Ending, Events, GatewayBuilder, Pause, Upstream, within_timeout};

const BYTES: u64 = 4 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_guards_have_read_is_let_go_of_while_its_answer_passes_them() {
    let pause = Pause::new();
    let events = Events::begin(MODEL).text(&["one", "two"]).end("end_turn");
    let answer = Answer::sse(&events).pause_at_event(4, &pause);
    for reads in [true, false] {
        let upstream = Upstream::always(answer.clone()).await;
        let grants = if reads { "body = \"read\"\n" } else { "" };
        let sidecar = sidecar(REPLACING).replace("[grants]\n", &format!("[grants]\n{grants}"));
        let gate = GatewayBuilder::bare()
            .plugin("warden", WARDEN, &sidecar)
            .upstream("default", &upstream)
            .start()
            .await;
        let mut body = body(&"x".repeat(4 << 20));
        body["stream"] = json!(true);
        let mut client = gate.client().await;
        client.send(&gate.messages(&body)).await;
        let mut reply = client.reply().await;
        reply.event().await.expect("the answer has begun");
        if reads {
            let held = gate.gauge("request_memory_bytes").await;
            assert!(held > BYTES, "a guard may ask for it: {held}");
        } else {
            within_timeout("the body to be let go of", async {
                while gate.gauge("request_memory_bytes").await > BYTES {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        pause.resume();
        let response = reply.rest().await;
        assert_eq!(response.ending, Ending::Complete, "{}", response.text());
        pause.rearm();
    }
}
