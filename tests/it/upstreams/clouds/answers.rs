//! Answers: whole, streamed, and counts, each equal to the API's; and lists of models.

use serde_json::{Value, json};

use super::foundry::KEY;
use super::{BOTH, Cloud, Kind, body, events, gate, message, streamed};
use crate::harness::{Answer, Ending, Event, GatewayBuilder, Pause, Request, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_reaches_each_cloud_in_its_own_form_and_its_answer_is_the_apis() {
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        let gate = cloud.gate("").await;
        let asking = gate
            .messages(&body())
            .set_header("anthropic-version", "2023-06-01")
            .header("user-agent", "a-client/1.0")
            .header("x-goog-user-project", "somebody-else")
            .header("x-ms-client-id", "somebody-else");
        let answered = gate.ask(&asking).await;
        assert_eq!(answered.status, 200, "{kind:?}: {}", answered.text());
        assert_eq!(answered.json(), message(), "{kind:?}: as it was sent");
        let id = answered.headers.get("request-id");
        assert_eq!(id, Some("req_vrtx_01"), "{kind:?}");
        let sent = cloud.upstream.requests().pop().unwrap();
        let (model, expected) = match kind {
            Kind::Vertex => (
                "claude-sonnet-4-5@20250929",
                json!({
                    "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}],
                    "anthropic_version": "vertex-2023-10-16",
                }),
            ),
            Kind::Foundry => ("claude-sonnet-4-5", body()),
        };
        assert_eq!(sent.target(), kind.path(model, "rawPredict"), "{kind:?}");
        assert_eq!(sent.json(), expected, "{kind:?}: in the cloud's form");
        let header = |name: &str| sent.headers.get(name);
        assert_eq!(
            header("user-agent"),
            Some("a-client/1.0"),
            "{kind:?}: the rest goes on"
        );
        match kind {
            Kind::Vertex => assert_eq!(header("x-goog-user-project"), None, "who pays"),
            Kind::Foundry => assert_eq!(header("x-ms-client-id"), None, "Azure's own"),
        }
        let receipt = gate.only_receipt().await;
        let attempt = &receipt["attempts"]["0"];
        assert_eq!(attempt["upstream"], "cloud", "{receipt}");
        assert_eq!(attempt["provider"], kind.code(), "{receipt}");
        assert_eq!(attempt["sent_model"], model, "{receipt}");
        assert_eq!(
            receipt["model"]["requested"], "claude-sonnet-4-5",
            "{receipt}"
        );
        assert_eq!(
            receipt["cost_picousd"].as_u64(),
            Some(25 * 3_000_000 + 2 * 15_000_000),
            "{kind:?}: at the API's prices"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_that_of_the_api_event_for_event_and_byte_for_byte() {
    let api = Upstream::always(Answer::sse(&events())).await;
    let direct = GatewayBuilder::bare().upstream("api", &api).start().await;
    let expected = direct.ask(&direct.messages(&streamed())).await;
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        let gate = cloud.gate("").await;
        let given = gate.ask(&gate.messages(&streamed())).await;
        assert_eq!(given.status, 200, "{kind:?}: {}", given.text());
        for name in ["content-type", "transfer-encoding"] {
            let (given, expected) = (given.headers.get(name), expected.headers.get(name));
            assert_eq!(given, expected, "{kind:?}: {name}");
        }
        assert_eq!(given.text(), expected.text(), "{kind:?}: to the byte");
        assert_eq!(
            given.events(),
            expected.events(),
            "{kind:?}: event for event"
        );
        assert_eq!(given.ending, Ending::Complete, "{kind:?}: to its end");
        let sent = cloud.upstream.requests().pop().unwrap();
        let path = kind.path("claude-sonnet-4-5@20250929", "streamRawPredict");
        assert_eq!(sent.target(), path, "{kind:?}");
        let receipt = gate.only_receipt().await;
        assert_eq!(receipt["outcome"], "answered", "{receipt}");
        assert_eq!(receipt["usage"]["output_tokens"], 7, "metered: {receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_cloud_reaches_the_client_before_the_next_one_is_there() {
    for kind in BOTH {
        let pause = Pause::new();
        let inner = pause.clone();
        let cloud = Cloud::start_with(kind, move |_, _| {
            Answer::sse(&events()).pause_at_event(1, &inner)
        })
        .await;
        let gate = cloud.gate("").await;
        let mut client = gate.client().await;
        client.send(&gate.messages(&streamed())).await;
        let mut reply = client.reply().await;
        let event: Option<Event> = reply.event().await;
        assert_eq!(
            event.unwrap().name,
            "message_start",
            "{kind:?}: it waits for nothing"
        );
        pause.resume();
        assert_eq!(
            reply.rest().await.body,
            events().to_bytes(),
            "{kind:?}: and the rest"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_counted_by_the_clouds_own_count() {
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        let gate = cloud.gate("").await;
        let mut asked = body();
        asked.as_object_mut().unwrap().remove("max_tokens");
        let request = Request {
            target: "/v1/messages/count_tokens?beta=true".into(),
            ..gate.messages(&asked)
        };
        let answered = gate.ask(&request).await;
        assert_eq!(answered.status, 200, "{kind:?}: {}", answered.text());
        assert_eq!(answered.json(), json!({"input_tokens": 14}), "{kind:?}");
        let sent = cloud.upstream.requests().pop().unwrap();
        match kind {
            Kind::Vertex => {
                let path = kind.path("count-tokens", "rawPredict");
                assert_eq!(sent.target(), path, "an operation of its own");
                assert_eq!(
                    sent.json()["model"],
                    "claude-sonnet-4-5",
                    "without a version"
                );
            }
            Kind::Foundry => {
                assert_eq!(
                    sent.target(),
                    "/anthropic/v1/messages/count_tokens",
                    "the API's"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configured_key_or_token_takes_the_place_of_tokens_that_are_asked_for() {
    let foundry = Cloud::start(Kind::Foundry).await;
    let gateway = gate(&foundry.bare("cloud", "credential = { file = \"upstream.key\" }")).await;
    let answered = gateway.ask(&gateway.messages(&body())).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    let sent = foundry.upstream.requests().pop().unwrap();
    assert_eq!(
        sent.headers.get("x-api-key"),
        Some(KEY),
        "the resource's key"
    );
    drop(gateway);

    let vertex = Cloud::start(Kind::Vertex).await;
    let file = vertex.write("token", "very-secret-token-7\n");
    let more = format!("credential = {{ file = \"{file}\" }}");
    let gateway = gate(&vertex.bare("cloud", &more)).await;
    let answered = gateway.ask(&gateway.messages(&body())).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    assert_eq!(
        vertex.tokens.given() + foundry.tokens.given(),
        0,
        "nobody was asked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_models_are_those_that_the_operator_gives_them() {
    for (kind, own) in [
        (Kind::Vertex, "claude-ours@20270101"),
        (Kind::Foundry, "ours"),
    ] {
        let cloud = Cloud::start(kind).await;
        let gate = cloud
            .gate(&format!("models = {{ mine = \"{own}\" }}"))
            .await;
        for (name, id) in [
            ("mine", own),
            ("claude-opus-5-5", "claude-opus-5-5"),
            (
                "claude-haiku-4-5-20251001",
                match kind {
                    Kind::Vertex => "claude-haiku-4-5@20251001",
                    Kind::Foundry => "claude-haiku-4-5",
                },
            ),
        ] {
            let mut asked = body();
            asked["model"] = name.into();
            let answered = gate.ask(&gate.messages(&asked)).await;
            assert_eq!(answered.status, 200, "{kind:?} {name}: {}", answered.text());
            let sent = cloud.upstream.requests().pop().unwrap();
            assert_eq!(sent.target(), kind.path(id, "rawPredict"), "{name}");
            if kind == Kind::Foundry {
                assert_eq!(sent.json()["model"], id, "{name}");
            }
        }
        let mut asked = body();
        asked["model"] = "no such/model".into();
        let answered = gate.ask(&gate.messages(&asked)).await;
        assert_eq!(answered.status, 404, "{kind:?}: {}", answered.text());
        assert!(
            answered.text().contains("map the name"),
            "{}",
            answered.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_models_has_the_names_of_the_configuration_and_batches_are_refused() {
    for kind in BOTH {
        let own = match kind {
            Kind::Vertex => "claude-ours",
            Kind::Foundry => "ours",
        };
        let cloud = Cloud::start(kind).await;
        let more = format!("models = {{ mine = \"{own}\", \"claude-opus-5\" = \"{own}\" }}");
        let state = "[state]\ndirectory = \"state\"\n";
        let gate = gate(&(cloud.table("cloud", &more) + state)).await;
        let get = |path: &str| gate.keyed(Request::new("GET", path).header("Host", "g"));
        let listed = gate.ask(&get("/v1/models?limit=10")).await;
        assert_eq!(listed.status, 200, "{kind:?}: {}", listed.text());
        let page = listed.json();
        let ids: Vec<&Value> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["id"])
            .collect();
        assert_eq!(ids, ["claude-opus-5", "mine"], "{kind:?}: {page}");
        assert_eq!(page["has_more"], false, "{page}");
        assert_eq!(page["data"][1]["type"], "model", "{page}");
        let one = gate.ask(&get("/v1/models/mine")).await;
        assert_eq!(one.json()["id"], "mine", "{kind:?}: {}", one.text());
        assert_eq!(
            gate.ask(&get("/v1/models/other")).await.status,
            404,
            "{kind:?}"
        );
        let batch = json!({"requests": [{"custom_id": "a", "params": body()}]});
        let batch = Request {
            target: "/v1/messages/batches".into(),
            ..gate.messages(&batch)
        };
        let refused = gate.ask(&batch).await;
        assert_eq!(refused.status, 404, "{kind:?}: {}", refused.text());
        for part in [
            "upstream cloud",
            "no batches, files or skills",
            "another kind",
        ] {
            assert!(refused.text().contains(part), "{part}: {}", refused.text());
        }
        assert_eq!(cloud.upstream.requests().len(), 0, "{kind:?}: not asked");
    }
}
