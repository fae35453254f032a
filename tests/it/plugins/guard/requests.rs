//! Requests under a guard.

use serde_json::json;
use witgate_artifacts::WARDEN;

use super::{MODEL, REPLACING, asking, body, builder, guarded, sidecar};
use crate::harness::{GatewayBuilder, Request, Upstream, compressed};

const ODD: &str = "{ \"max_tokens\":5, \"mess\\u0061ges\" : [ {\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a \\/ \\u00e9 \"}, \
                   {\"type\":\"tool_result\",\"content\":\"my SECRET \\ud83c\\udf89\"} ]}],\"model\":\"m\",\"system\":\"be \\u0053ECRETive\"}";

const STOPPING: &str = "content = [\"user\", \"tool-result\"]\nstop = \"SECRET\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_of_a_request_is_changed_and_every_other_byte_goes_on_as_it_came() {
    let upstream = Upstream::answering().await;
    let gate = guarded(&upstream, REPLACING).await;
    let clean = ODD
        .replace("SECRET", "nothing")
        .replace("\\u0053ECRET", "s");
    for (sent, wanted) in [
        (
            ODD,
            ODD.replace("my SECRET \\ud83c\\udf89", "my [x] 🎉")
                .replace("be \\u0053ECRETive", "be [x]ive"),
        ),
        (&*clean, clean.clone()),
    ] {
        let request = gate
            .keyed(Request::new("POST", "/v1/messages"))
            .header("Host", "gateway.test")
            .body(sent);
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let got = upstream.requests().pop().unwrap();
        assert_eq!(String::from_utf8(got.body).unwrap(), wanted, "of {sent}");
    }
    let receipts = gate.receipts_when(2).await;
    assert_eq!(
        receipts[0]["guards"]["warden"]["changed"], 2,
        "{receipts:?}"
    );
    assert_eq!(
        receipts[1]["guards"]["warden"]["changed"],
        serde_json::Value::Null,
        "nothing was changed: {receipts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_request_goes_on_as_it_was_sent_unless_a_text_is_changed() {
    let upstream = Upstream::answering().await;
    let gate = guarded(&upstream, REPLACING).await;
    for (text, changed) in [("clean", false), ("a SECRET", true)] {
        let plain = body(text).to_string();
        let zipped = compressed("zstd", plain.as_bytes());
        let request = gate
            .keyed(Request::new("POST", "/v1/messages"))
            .header("Host", "gateway.test")
            .header("Content-Encoding", "zstd")
            .body(zipped.clone());
        assert_eq!(gate.ask(&request).await.status, 200, "{text}");
        let got = upstream.requests().pop().unwrap();
        let coding = got.headers.get("content-encoding");
        if changed {
            let wanted = plain.replace("SECRET", "[x]");
            assert_eq!(String::from_utf8(got.body).unwrap(), wanted, "decoded");
            assert_eq!(coding, None, "and not said to be compressed");
        } else {
            assert_eq!((got.body, coding), (zipped, Some("zstd")), "as it was sent");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_a_guard_stops_is_a_400_and_nothing_of_it_is_sent_or_charged() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .plugin("warden", WARDEN, &sidecar(STOPPING))
        .upstream("default", &upstream)
        .start()
        .await;
    let response = gate.ask(&asking(&gate, "my SECRET")).await;
    assert_eq!(response.status, 400, "{}", response.text());
    let error = &response.json()["error"];
    assert_eq!(error["type"], "policy_blocked", "{error}");
    assert_eq!(error["message"], "not in this house", "{error}");
    assert_eq!(
        response.headers.get("x-should-retry"),
        Some("false"),
        "no retry"
    );
    assert!(upstream.requests().is_empty(), "nothing was sent");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "refused", "{receipt}");
    assert_eq!(receipt["refusal"]["plugin"], "warden", "{receipt}");
    assert_eq!(receipt["refusal"]["hook"], "guard", "{receipt}");
    assert_eq!(
        receipt["guards"]["warden"]["stopped"], "warden",
        "the rule: {receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_count_tokens_is_read_too() {
    let upstream = Upstream::answering().await;
    let gate = guarded(&upstream, STOPPING).await;
    let request = gate
        .keyed(Request::new("POST", "/v1/messages/count_tokens"))
        .header("Host", "gateway.test")
        .body(body("SECRET").to_string());
    assert_eq!(gate.ask(&request).await.status, 400, "stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_of_a_batch_is_read() {
    let batch =
        json!({"id": "msgbatch_01", "type": "message_batch", "processing_status": "in_progress"});
    let upstream = Upstream::always(crate::harness::Answer::json(200, &[], &batch)).await;
    let of = |texts: &[&str]| {
        let requests = texts
            .iter()
            .enumerate()
            .map(|(index, text)| json!({"custom_id": index.to_string(), "params": body(text)}));
        json!({"requests": requests.collect::<Vec<_>>()}).to_string()
    };
    let settings = format!("{REPLACING}stop = \"FORBIDDEN\"\n");
    let gate = builder(&upstream, &settings)
        .extra("[state]\ndirectory = \"state\"\n")
        .start()
        .await;
    let send = async |body: String| {
        let request = gate
            .keyed(Request::new("POST", "/v1/messages/batches"))
            .header("Host", "gateway.test")
            .body(body);
        gate.ask(&request).await
    };
    let response = send(of(&["fine", "FORBIDDEN"])).await;
    assert_eq!(response.status, 400, "{}", response.text());
    let message = response.json()["error"]["message"].to_string();
    assert!(message.starts_with("\"requests[1]: "), "{message}");
    assert!(upstream.requests().is_empty(), "nothing was sent");

    let sent = of(&["one SECRET", "two", "SECRET three"]);
    let response = send(sent.clone()).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let got = upstream.requests().pop().unwrap();
    let wanted = sent.replace("SECRET", "[x]");
    assert_eq!(String::from_utf8(got.body).unwrap(), wanted, "each text");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_text_is_read_to_its_end() {
    let upstream = Upstream::answering().await;
    let gate = guarded(&upstream, REPLACING).await;
    for before in [65_530, 65_536 - 3, 300_000] {
        let text = "\u{1}é".repeat(before / 3) + "SECRET" + &"b".repeat(100_000) + " SECRET";
        let sent = body(&text).to_string();
        let request = gate
            .keyed(Request::new("POST", "/v1/messages"))
            .header("Host", "gateway.test")
            .body(sent.clone());
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 200, "{}", response.text());
        let got = upstream.requests().pop().unwrap().body;
        let wanted = sent.replace("SECRET", "[x]").into_bytes();
        assert!(got == wanted, "both, {before} bytes in");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_a_guard_could_read_in_another_way_is_a_400() {
    let upstream = Upstream::answering().await;
    let gate = guarded(&upstream, REPLACING).await;
    for messages in [
        r#"[{"role":"user" "content":"SECRET"}]"#,
        r#"[{"role":"user","content":"a"} {"role":"user","content":"SECRET"}]"#,
        r#"[{"role":"user","\ud800":1,"content":"SECRET"}]"#,
    ] {
        let sent = format!(r#"{{"model":"{MODEL}","max_tokens":5,"messages":{messages}}}"#);
        let request = gate
            .keyed(Request::new("POST", "/v1/messages"))
            .header("Host", "gateway.test")
            .body(sent);
        let response = gate.ask(&request).await;
        assert_eq!(response.status, 400, "{messages}: {}", response.text());
    }
    assert!(upstream.requests().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_a_large_body_takes_memory_for_its_largest_text_only() {
    let upstream = Upstream::answering().await;
    let gate = builder(&upstream, REPLACING)
        .extra("[limits]\nmemory_bytes_per_key = 12582912\n")
        .start()
        .await;
    let messages: Vec<_> = (0..8_000)
        .map(|_| json!({"role": "user", "content": "a\n".repeat(400)}))
        .collect();
    let mut body = body("hi");
    body["messages"] = json!(messages);
    let request = gate.messages(&body);
    assert!(request.body.len() > 8 << 20, "more than half of the memory");
    let response = gate.ask(&request).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let got = upstream.requests().pop().unwrap().body;
    assert!(got == request.body, "as it came");
}
