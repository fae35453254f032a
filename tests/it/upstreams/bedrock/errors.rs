//! Errors: each becomes the API's, names the upstream, and says what to do; what may pass is tried elsewhere.

use std::time::Duration;

use serde_json::{Value, json};

use super::frames::{self, chunk};
use super::standin::{self, Takes, events, exception, start, start_with};
use super::{Account, ID, SECRET, body, keys, streamed};
use crate::harness::{Answer, Ending, GatewayBuilder, Response, TestGateway, Upstream};
use crate::upstreams::shown;

async fn gate(account: &Account, bedrock: &Upstream) -> TestGateway {
    GatewayBuilder::bare()
        .top("default_upstream = \"aws\"")
        .extra(&account.table("aws", bedrock, ""))
        .start()
        .await
}

/// A gateway with the API first and Bedrock behind it.
async fn both(account: &Account, api: &Upstream, bedrock: &Upstream, more: &str) -> TestGateway {
    let group = "[groups.all]\nmembers = [{ upstream = \"api\" }, { upstream = \"aws\" }]\nchoice = \"order\"\nallow_provider_change = true\n";
    let api = format!(
        "[upstreams.api]\nbase_url = \"{}\"\ncredential = {{ file = \"upstream.key\" }}\nretry = {{ attempts = 0 }}\n",
        api.url()
    );
    GatewayBuilder::bare()
        .top("default_upstream = \"all\"")
        .extra(&(api + &account.table("aws", bedrock, more) + group))
        .start()
        .await
}

fn message(response: &Response) -> String {
    let body = response.json();
    assert_eq!(body["type"], "error", "the API's form: {body}");
    body["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_error_of_bedrock_is_one_of_the_api_with_the_upstream_and_a_cure() {
    let account = Account::new();
    for (status, name, said, expected, kind, cure) in [
        (
            400,
            "ValidationException",
            "The provided model identifier is invalid.",
            400,
            "invalid_request_error",
            "map the model's name in `models`",
        ),
        (
            403,
            "AccessDeniedException",
            "no access",
            403,
            "permission_error",
            "allow bedrock:InvokeModel",
        ),
        (
            404,
            "ResourceNotFoundException",
            "no model",
            404,
            "not_found_error",
            "choose another `geography`",
        ),
        (
            400,
            "ServiceQuotaExceededException",
            "too many",
            429,
            "rate_limit_error",
            "a quota of the AWS account",
        ),
        (
            429,
            "ThrottlingException",
            "slow down",
            429,
            "rate_limit_error",
            "slow down",
        ),
        (
            429,
            "ModelNotReadyException",
            "not ready",
            529,
            "overloaded_error",
            "not ready",
        ),
        (
            403,
            "UnrecognizedClientException",
            "wrong keys",
            401,
            "authentication_error",
            "the profile test",
        ),
    ] {
        let bedrock = start_with(keys(), move |_, _| exception(status, name, said)).await;
        let gate = gate(&account, &bedrock).await;
        let answered = gate.ask(&gate.messages(&body())).await;
        assert_eq!(answered.status, expected, "{name}: {}", answered.text());
        assert_eq!(answered.json()["error"]["type"], kind, "{name}");
        let told = message(&answered);
        assert!(told.contains(said) && told.contains(cure), "{name}: {told}");
        if cure != said {
            assert!(told.contains("upstream aws"), "{name}: {told}");
        }
        assert!(!told.contains(SECRET), "{name}: {told}");
        assert_eq!(
            gate.only_receipt().await["status"],
            expected,
            "{name}: on the receipt"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_at_bedrock_when_the_api_throttles() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let mut left = 2;
    let api = Upstream::start_with(move |_| {
        left -= 1;
        if left >= 0 {
            Answer::sse(&events())
        } else {
            Answer::error(429, "rate_limit_error", "slow down")
        }
    })
    .await;
    let gate = both(&account, &api, &bedrock, "").await;
    let mut client = gate.client().await;
    let thinking = json!([
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm well", "signature": "EqQBharness"},
            {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {"city": "Berlin"}},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": "rain"}]},
    ]);
    let mut plain = streamed();
    let mut tools = streamed();
    tools["tools"] = json!([{"name": "get_weather", "input_schema": {"type": "object"}}]);
    tools["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    tools["max_tokens"] = json!(4096);
    let mut results = tools.clone();
    results["messages"] = thinking;
    plain["system"] = json!("be brief");
    for request in [&plain, &tools, &results, &plain, &results] {
        let answered = client.ask(&gate.messages(request)).await;
        assert_eq!(
            answered.status,
            200,
            "the client sees nothing: {}",
            answered.text()
        );
        assert_eq!(answered.body, events().to_bytes(), "the same stream");
    }
    client.finish().await;
    let receipts = gate.receipts_when(5).await;
    let served: Vec<_> = receipts
        .iter()
        .map(|receipt| {
            let attempts = receipt["attempts"].as_object().unwrap();
            let last = &attempts[&(attempts.len() - 1).to_string()];
            (last["upstream"].as_str().unwrap(), attempts.len())
        })
        .collect();
    assert_eq!(
        served,
        [("api", 1), ("api", 1), ("aws", 2), ("aws", 2), ("aws", 2)],
        "by whom, after how many attempts"
    );
    let costs: Vec<_> = receipts
        .iter()
        .map(|receipt| receipt["cost_picousd"].as_u64())
        .collect();
    assert!(
        costs.iter().all(|cost| *cost == costs[0] && cost.is_some()),
        "{costs:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_is_retried_at_the_same_upstream() {
    let account = Account::new();
    let mut left = 1;
    let bedrock = start_with(keys(), move |operation, _| {
        left -= 1;
        if left < 0 {
            return standin::usual(operation);
        }
        exception(429, "ThrottlingException", "slow down")
    })
    .await;
    let table = account
        .table("aws", &bedrock, "")
        .replace("{ attempts = 0 }", "{ attempts = 1, base_ms = 1 }");
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"aws\"")
        .extra(&table)
        .start()
        .await;
    let answered = gate.ask(&gate.messages(&streamed())).await;
    assert_eq!(answered.body, events().to_bytes(), "the second try");
    assert_eq!(bedrock.requests().len(), 2, "two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exception_in_a_stream_is_an_error_event_and_before_content_another_targets_turn() {
    let account = Account::new();
    let mut broken = frames::of(&events());
    broken.truncate(4);
    broken.push(frames::exception("throttlingException", "slow down"));
    let late = broken.clone();
    let bedrock = start_with(keys(), move |_, _| frames::answer(&late)).await;
    let gate = gate(&account, &bedrock).await;
    let answered = gate.ask(&gate.messages(&streamed())).await;
    let told = answered.events();
    assert_eq!(told.len(), 5, "{}", answered.text());
    assert_eq!(told[4].name, "error", "the API's event");
    assert_eq!(
        told[4].json()["error"],
        json!({"type": "rate_limit_error", "message": "slow down"}),
        "with its type"
    );
    assert_eq!(answered.ending, Ending::Complete, "a whole stream");
    let receipt = gate.only_receipt().await;
    assert_eq!(receipt["outcome"], "stream-error", "{receipt}");
    assert_eq!(receipt["error"]["type"], "rate_limit_error", "{receipt}");

    let early = vec![broken[0].clone(), broken[4].clone()];
    let bedrock = start_with(keys(), move |_, _| frames::answer(&early)).await;
    let api = Upstream::always(Answer::sse(&events())).await;
    let group = "[groups.all]\nmembers = [{ upstream = \"aws\" }, { upstream = \"api\" }]\nchoice = \"order\"\n";
    let table = account.table("aws", &bedrock, "");
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"all\"")
        .extra(
            &(table
                + &crate::upstreams::table("api", &api.url(), "allow_provider_change = true")
                + group),
        )
        .start()
        .await;
    let answered = gate.ask(&gate.messages(&streamed())).await;
    assert_eq!(answered.body, events().to_bytes(), "the other one's stream");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_stream_is_an_error_that_names_the_upstream() {
    let account = Account::new();
    let frames = frames::of(&events());
    let mut corrupt = frames.concat();
    let place = frames[0].len() + frames[1].len() + 40;
    corrupt[place] ^= 1;
    let mut truncated = frames.concat();
    truncated.truncate(frames[0].len() + frames[1].len() + 20);
    let no_event = [frames[0].clone(), chunk("no event")].concat();
    for (stream, whole, why) in [
        (corrupt, 2, "does not match its checksum"),
        (truncated, 2, "ended within a frame"),
        (no_event, 1, "no event in it"),
    ] {
        let headers = [("content-type", "application/vnd.amazon.eventstream")];
        let bedrock = start_with(keys(), move |_, _| {
            Answer::chunked(&headers, stream.clone())
        })
        .await;
        let gate = gate(&account, &bedrock).await;
        let answered = gate.ask(&gate.messages(&streamed())).await;
        let told = answered.events();
        assert_eq!(told.len(), whole + 1, "{why}: {}", answered.text());
        let error = &told[whole];
        assert_eq!(error.name, "error", "{why}");
        let message: Value = error.json()["error"]["message"].clone();
        let message = message.as_str().unwrap();
        assert!(
            message.contains("the upstream aws") && message.contains(why),
            "{message}"
        );
        assert_eq!(
            gate.only_receipt().await["outcome"],
            "stream-error",
            "{why}"
        );
        assert_eq!(
            shown(&gate, "aws").await["last_minute"]["errors"],
            1,
            "{why}: held against it"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_breaks_the_clients_stream_as_the_apis_does() {
    let account = Account::new();
    let frames = frames::of(&events());
    let part = frames[0].len() + 30;
    let bedrock = start_with(keys(), move |_, _| {
        frames::answer(&frames).stop_in_body(part)
    })
    .await;
    let gate = gate(&account, &bedrock).await;
    let answered = gate.ask(&gate.messages(&streamed())).await;
    assert_eq!(answered.ending, Ending::Cut, "{}", answered.text());
    assert_eq!(answered.events().len(), 1, "what was whole");
    assert_eq!(
        gate.only_receipt().await["outcome"],
        "cut",
        "on the receipt"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_off_is_corrected_by_the_answer_and_shown() {
    let account = Account::new();
    let ahead = Takes::KeysAhead(
        super::signature::Keys::new(ID, SECRET),
        Duration::from_secs(3_600),
    );
    let bedrock = start(ahead).await;
    let gate = gate(&account, &bedrock).await;
    for _ in 0..2 {
        let answered = gate.ask(&gate.messages(&body())).await;
        assert_eq!(answered.status, 200, "served: {}", answered.text());
    }
    assert_eq!(
        bedrock.requests().len(),
        3,
        "only the first one was refused"
    );
    let clock = shown(&gate, "aws").await["clock_ahead_s"].as_i64().unwrap();
    assert!((3_590..=3_610).contains(&clock), "{clock}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_and_files_go_to_another_member_or_are_refused() {
    let account = Account::new();
    let (bedrock, api) = (start(keys()).await, Upstream::answering().await);
    let gate = gate(&account, &bedrock).await;
    let list = gate.keyed(crate::harness::Request::new("GET", "/v1/models").header("Host", "g"));
    let answered = gate.ask(&list).await;
    assert_eq!(answered.status, 404, "{}", answered.text());
    let told = message(&answered);
    assert!(
        told.contains("upstream aws") && told.contains("another kind"),
        "{told}"
    );
    assert_eq!(bedrock.requests().len(), 0, "not asked");
    drop(gate);

    let group = "[groups.all]\nmembers = [{ upstream = \"aws\" }, { upstream = \"api\" }]\nchoice = \"order\"\n";
    let table = account.table("aws", &bedrock, "");
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"all\"")
        .extra(&(table + &crate::upstreams::table("api", &api.url(), "") + group))
        .start()
        .await;
    let list = gate.keyed(crate::harness::Request::new("GET", "/v1/models").header("Host", "g"));
    assert_eq!(gate.ask(&list).await.status, 200, "the other member's");
    let receipt = gate.only_receipt().await;
    let why = receipt["passed_over"]["aws"].as_str().unwrap_or_default();
    assert!(
        why.contains("messages and counts of tokens alone"),
        "{receipt}"
    );
}
