//! Errors: each becomes the API's, names the upstream, and says what to do; what may pass is tried elsewhere.

use serde_json::json;

use super::{BOTH, Cloud, Kind, body, events, foundry, invalid, streamed, usual, vertex};
use crate::harness::{Answer, GatewayBuilder, Response, Upstream};

fn message(response: &Response) -> String {
    let body = response.json();
    assert_eq!(body["type"], "error", "the API's form: {body}");
    body["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_error_of_google_is_one_of_the_api_with_the_upstream_and_a_cure() {
    for (status, name, reason, expected, kind, cure) in [
        (
            403,
            "PERMISSION_DENIED",
            "",
            403,
            "permission_error",
            "roles/aiplatform.user",
        ),
        (
            403,
            "PERMISSION_DENIED",
            "SERVICE_DISABLED",
            403,
            "permission_error",
            "enable the API",
        ),
        (
            403,
            "PERMISSION_DENIED",
            "CONSUMER_INVALID",
            403,
            "permission_error",
            "project my-project does not exist",
        ),
        (
            404,
            "NOT_FOUND",
            "",
            404,
            "not_found_error",
            "is not served in europe-west1",
        ),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "",
            429,
            "rate_limit_error",
            "the quota of",
        ),
        (503, "UNAVAILABLE", "", 529, "overloaded_error", ""),
        (
            400,
            "INVALID_ARGUMENT",
            "",
            400,
            "invalid_request_error",
            "",
        ),
    ] {
        let cloud = Cloud::start_with(Kind::Vertex, move |_, _| {
            vertex::error(status, name, reason, "said by Google")
        })
        .await;
        let gate = cloud.gate("").await;
        let answered = gate.ask(&gate.messages(&body())).await;
        assert_eq!(answered.status, expected, "{name}: {}", answered.text());
        assert_eq!(answered.json()["error"]["type"], kind, "{name}");
        let told = message(&answered);
        assert!(
            told.contains("said by Google") && told.contains(cure),
            "{name}: {told}"
        );
        let names_upstream = told.contains("upstream cloud");
        assert_eq!(names_upstream, !cure.is_empty(), "{name}: {told}");
        let receipt = gate.only_receipt().await;
        assert_eq!(receipt["status"], expected, "{name}: {receipt}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_error_of_azure_is_one_of_the_api_with_the_upstream_and_a_cure() {
    for (status, code, expected, kind, cure) in [
        (
            401,
            "PermissionDenied",
            403,
            "permission_error",
            "Cognitive Services User",
        ),
        (
            404,
            "DeploymentNotFound",
            404,
            "not_found_error",
            "has no deployment claude-sonnet-4-5",
        ),
        (
            404,
            "api_not_supported",
            404,
            "not_found_error",
            "no model of Anthropic's",
        ),
        (
            429,
            "RateLimitReached",
            429,
            "rate_limit_error",
            "the quota of deployment",
        ),
        (503, "NoCapacity", 529, "overloaded_error", ""),
    ] {
        let cloud = Cloud::start_with(Kind::Foundry, move |_, _| {
            foundry::error(status, code, "said by Azure")
        })
        .await;
        let gate = cloud.gate("").await;
        let answered = gate.ask(&gate.messages(&body())).await;
        assert_eq!(answered.status, expected, "{code}: {}", answered.text());
        assert_eq!(answered.json()["error"]["type"], kind, "{code}");
        let told = message(&answered);
        assert!(
            told.contains("said by Azure") && told.contains(cure),
            "{code}: {told}"
        );
        assert_eq!(
            told.contains("upstream cloud"),
            !cure.is_empty(),
            "{code}: {told}"
        );
        let id = answered.headers.get("request-id");
        assert_eq!(id, Some("0a1b-azure"), "{code}: under the API's name");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_model_passes_as_it_is() {
    for kind in BOTH {
        let said = "messages: at least one message is required";
        let cloud = Cloud::start_with(kind, move |_, _| *invalid(said)).await;
        let gate = cloud.gate("").await;
        let answered = gate.ask(&gate.messages(&body())).await;
        assert_eq!(answered.status, 400, "{kind:?}: {}", answered.text());
        assert_eq!(message(&answered), said, "{kind:?}: nothing is added");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_at_a_cloud_when_the_api_throttles() {
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        let mut left = 1;
        let api = Upstream::start_with(move |_| {
            left -= 1;
            if left >= 0 {
                Answer::sse(&events())
            } else {
                Answer::error(429, "rate_limit_error", "slow down")
            }
        })
        .await;
        let group = "[groups.all]\nmembers = [{ upstream = \"api\" }, { upstream = \"cloud\" }]\nchoice = \"order\"\nallow_provider_change = true\n";
        let tables = crate::upstreams::table("api", &api.url(), "") + &cloud.table("cloud", "");
        let gate = GatewayBuilder::bare()
            .top("default_upstream = \"all\"")
            .extra(&(tables + group))
            .start()
            .await;
        let mut later = streamed();
        later["messages"] = json!([
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm well", "signature": "EqQBharness"},
                {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {"city": "Berlin"}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": "rain"}]},
        ]);
        let mut client = gate.client().await;
        for request in [&streamed(), &later] {
            let answered = client.ask(&gate.messages(request)).await;
            assert_eq!(answered.status, 200, "{kind:?}: {}", answered.text());
            assert_eq!(
                answered.body,
                events().to_bytes(),
                "{kind:?}: the same stream"
            );
        }
        client.finish().await;
        let receipts = gate.receipts_when(2).await;
        assert_eq!(
            receipts[0]["attempts"]["0"]["upstream"], "api",
            "{}",
            receipts[0]
        );
        let last = &receipts[1]["attempts"]["1"];
        assert_eq!(last["upstream"], "cloud", "{}", receipts[1]);
        assert_eq!(
            receipts[0]["cost_picousd"], receipts[1]["cost_picousd"],
            "{kind:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_is_retried_at_the_same_cloud() {
    for kind in BOTH {
        let mut left = 1;
        let cloud = Cloud::start_with(kind, move |operation, _| {
            left -= 1;
            match (left < 0, kind) {
                (true, _) => usual(operation),
                (false, Kind::Vertex) => vertex::error(429, "RESOURCE_EXHAUSTED", "", "slow down"),
                (false, Kind::Foundry) => foundry::error(429, "429", "slow down"),
            }
        })
        .await;
        let table = cloud.table("cloud", "");
        let table = table.replace("{ attempts = 0 }", "{ attempts = 1, base_ms = 1 }");
        let gate = super::gate(&table).await;
        let answered = gate.ask(&gate.messages(&streamed())).await;
        assert_eq!(
            answered.body,
            events().to_bytes(),
            "{kind:?}: the second try"
        );
        assert_eq!(cloud.upstream.requests().len(), 2, "{kind:?}: two");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_models_of_the_api_wins_over_the_names_of_a_cloud() {
    let cloud = Cloud::start(Kind::Vertex).await;
    let list = json!({"data": [{"type": "model", "id": "claude-opus-5"}], "has_more": false});
    let api = Upstream::always(Answer::json(200, &[], &list)).await;
    let group = "[groups.all]\nmembers = [{ upstream = \"cloud\" }, { upstream = \"api\" }]\nchoice = \"order\"\n";
    let table = cloud.table("cloud", "models = { mine = \"claude-ours\" }");
    let tables = table + &crate::upstreams::table("api", &api.url(), "");
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"all\"")
        .extra(&(tables + group))
        .start()
        .await;
    let list = gate.keyed(crate::harness::Request::new("GET", "/v1/models").header("Host", "g"));
    let answered = gate.ask(&list).await;
    assert_eq!(
        answered.json()["data"][0]["id"],
        "claude-opus-5",
        "{}",
        answered.text()
    );
}
