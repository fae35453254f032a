//! The API in the vendor's shapes: keys and roles, lists, and errors.

use serde_json::{Value, json};

use super::{LIMITS, answer, gateway, requests};
use crate::harness::{GatewayBuilder, Operator, Request, SPEND_LIMITS, TestGateway, Upstream};

async fn any() -> (TestGateway, Operator, Operator) {
    let upstream = Upstream::always(answer()).await;
    gateway(LIMITS, &upstream).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_has_the_members_of_the_vendors_and_keeps_its_id() {
    let (_gate, operator, reader) = any().await;
    let body = json!({"scope": {"type": "user", "user_id": "acme/alice"}, "amount": "50000", "period": "daily"});
    let first = operator.post("", &body).await;
    let id = first["id"].as_str().expect("an id");
    assert!(id.starts_with("spl_"), "{id}");
    for (name, value) in [
        ("type", json!("spend_limit")),
        ("scope", json!({"type": "user", "user_id": "acme/alice"})),
        ("amount", json!("50000")),
        ("currency", json!("USD")),
        ("period", json!("daily")),
        ("is_enabled", json!(true)),
        ("durable", json!(false)),
    ] {
        assert_eq!(first[name], value, "{name} of {first}");
    }
    let again = json!({"scope": {"type": "account", "account": "user:acme/alice"}, "amount": null, "window": "day"});
    let second = operator.post("", &again).await;
    assert_eq!(
        (&second["id"], &second["created_at"]),
        (&first["id"], &first["created_at"]),
        "an upsert: {second}"
    );
    assert_eq!(
        (&second["amount"], &second["basis"]),
        (&Value::Null, &json!("unlimited")),
        "{second}"
    );
    let read = reader.get(&format!("/{id}?beta=true")).await;
    assert_eq!(
        (&read["id"], &read["basis"]),
        (&json!(id), &json!("unlimited")),
        "{read}"
    );
    let raised = operator
        .post(&format!("/{id}"), &json!({"amount": "7"}))
        .await;
    assert_eq!(
        (&raised["id"], &raised["amount"]),
        (&json!(id), &json!("7")),
        "{raised}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_paged_by_ids_in_both_directions() {
    let (_gate, operator, reader) = any().await;
    let mut ids = Vec::new();
    for user in ["a", "b", "c", "d"] {
        let body = json!({"scope": {"type": "user", "user_id": user}, "amount": "1"});
        ids.push(
            operator.post("", &body).await["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let body = json!({"scope": {"type": "tenant", "tenant_id": "t"}, "amount": "1"});
    operator.post("", &body).await;
    let of = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap().iter();
        data.map(|limit| limit["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = reader.get("?limit=2&scope_type=user").await;
    assert_eq!(
        (of(&first), &first["has_more"]),
        (ids[..2].to_vec(), &json!(true)),
        "{first}"
    );
    assert_eq!(
        (&first["first_id"], &first["last_id"]),
        (&json!(ids[0]), &json!(ids[1])),
        "{first}"
    );
    let second = reader
        .get(&format!("?limit=2&scope_type=user&after_id={}", ids[1]))
        .await;
    assert_eq!(
        (of(&second), &second["has_more"]),
        (ids[2..].to_vec(), &json!(false)),
        "{second}"
    );
    let back = reader.get(&format!("?limit=1&before_id={}", ids[2])).await;
    assert_eq!(
        (of(&back), &back["has_more"]),
        (ids[1..2].to_vec(), &json!(true)),
        "{back}"
    );

    let mut path = "/effective?limit=2".to_owned();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let page = reader.get(&path).await;
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["account"].clone()),
        );
        let Some(next) = page["next_page"].as_str() else {
            break;
        };
        path = format!("/effective?limit=2&page={next}");
    }
    assert_eq!(
        seen,
        ["user:a", "user:b", "user:c", "user:d", "tenant:t"],
        "every limit once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_needed_and_their_roles_count() {
    let (gate, operator, reader) = any().await;
    let stranger = Operator::new(gate.running().admin().unwrap(), "wgk-not-a-key");
    let refused = stranger.ask(&stranger.request("GET", "")).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    let told = refused.json();
    assert_eq!(
        told["error"],
        json!({"type": "authentication_error", "message": "missing or invalid admin credentials"}),
        "{told}"
    );
    assert_eq!(
        refused.headers.get("request-id"),
        told["request_id"].as_str(),
        "the id is in both places"
    );
    let without = operator.request("GET", "").without_header("x-api-key");
    assert_eq!(operator.ask(&without).await.status, 401, "no key");
    let callers = operator
        .request("GET", "")
        .set_header("x-api-key", gate.key());
    assert_eq!(operator.ask(&callers).await.status, 401, "a caller's key");
    let bearer = without.header("authorization", &format!("Bearer {}", reader.key));
    assert_eq!(operator.ask(&bearer).await.status, 200, "a bearer");

    for request in [
        reader.posting("", &requests(&json!("1"))),
        reader.posting("/reset", &json!({})),
        reader.request("DELETE", "/spl_x"),
    ] {
        let refused = reader.ask(&request).await;
        assert_eq!(refused.status, 403, "{}", refused.text());
        let told = &refused.json()["error"];
        assert_eq!(
            told,
            &json!({"type": "permission_error", "message": "requires write:spend_limits"})
        );
    }
    // An operator's key is no caller's.
    let asked = super::asking(&gate).set_header("x-api-key", &operator.key);
    assert_eq!(gate.ask(&asked).await.status, 401, "it opens nothing else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_keys_are_told_to_wait_and_right_ones_are_not() {
    let (gate, operator, _) = any().await;
    let stranger = Operator::new(gate.running().admin().unwrap(), "wrong");
    let mut last = 0;
    // The minute may end once meanwhile.
    for _ in 0..100 {
        last = stranger.ask(&stranger.request("GET", "")).await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429, "many wrong ones");
    operator.get("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_opens_nothing_after_a_reload() {
    let (gate, operator, _) = any().await;
    let file = gate.file("admin-keys.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let revoked = text.replacen("role = \"write\"", "role = \"write\"\ndisabled = true", 1);
    std::fs::write(&file, revoked).unwrap();
    gate.running().reload().await.expect("the file is right");
    let refused = operator.ask(&operator.request("GET", "")).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_for_operators_there_is_no_api() {
    let upstream = Upstream::always(answer()).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let operator = Operator::new(gate.running().admin().unwrap(), "x");
    let refused = operator.ask(&operator.request("GET", "")).await;
    assert_eq!(refused.status, 404, "{}", refused.text());
    assert!(
        refused.text().contains("[admin] keys"),
        "what to do: {}",
        refused.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_sites_and_unknown_hosts_get_nothing_even_with_a_key() {
    let (_gate, operator, _) = any().await;
    let body = requests(&json!("1"));
    let foreign = operator.posting("", &body).set_header("Host", "evil.test");
    assert_eq!(operator.ask(&foreign).await.status, 421, "DNS rebinding");
    let cross = operator
        .posting("", &body)
        .header("sec-fetch-site", "cross-site");
    assert_eq!(
        operator.ask(&cross).await.status,
        403,
        "a page of another site"
    );
    let form = operator
        .posting("", &body)
        .set_header("content-type", "text/plain");
    assert_eq!(operator.ask(&form).await.status, 400, "a form");
    assert_eq!(
        operator.get("").await["data"],
        json!([]),
        "nothing has changed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_has_the_vendors_shape_and_names_all_problems() {
    let (_gate, operator, _) = any().await;
    let big = json!({"reason": "x".repeat(70_000)});
    for (request, status, part) in [
        (operator.posting("", &json!({"scope": {"type": "user"}, "amount": 1, "colour": 1})), 400,
         "scope.user_id: Required; amount: Expected string, received number; colour: Unrecognized key"),
        (operator.posting("", &json!({"scope": {"type": "organization", "organization_id": 1}, "amount": "1"})), 400, "scope.organization_id"),
        (operator.posting("", &json!({"scope": {"type": "rbac_group", "rbac_group_id": "g"}, "amount": "1", "pooled_budget": {}})), 400, "pooled_budget: is not supported"),
        (operator.posting("/override", &json!({"scope": {"type": "user", "user_id": "a"}, "amount": "1", "until": "2001-01-01T00:00:00Z"})), 400, "until: must be later than now"),
        (operator.posting("", &big), 413, "larger than"),
        (operator.request("GET", "?limit=0&x=1"), 400, "limit: must be a number from 1 to 1000; x: unknown parameter"),
        (operator.request("GET", "/effective?page=7"), 400, "next_page"),
        (operator.request("GET", "/spl_nope"), 404, "spend limit not found"),
        (operator.posting("/spl_nope", &json!({"amount": "1"})), 404, "spend limit not found"),
        (operator.request("DELETE", "/spl_nope"), 404, "spend limit not found"),
        (operator.request("GET", "/nope"), 404, "nothing at this path"),
        (operator.request("PUT", ""), 405, "GET, HEAD, POST"),
        (operator.request("DELETE", "/effective"), 405, "GET, HEAD"),
        (operator.request("GET", "/top_up"), 405, "POST"),
    ] {
        let answer = operator.ask(&request).await;
        assert_eq!(answer.status, status, "{} {}: {}", request.method, request.target, answer.text());
        let told = answer.json();
        assert_eq!(told["type"], "error", "{told}");
        assert!(told["request_id"].is_string(), "{told}");
        let message = told["error"]["message"].as_str().expect("a text");
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_listener_has_no_api_of_limits() {
    let (gate, operator, _) = any().await;
    let request = Request::new("GET", SPEND_LIMITS)
        .header("Host", "gateway.test")
        .header("x-api-key", &operator.key);
    let answer = gate.ask(&request).await;
    assert_eq!(
        answer.status,
        401,
        "an operator's key is none there: {}",
        answer.text()
    );
    let request = request.set_header("x-api-key", gate.key());
    let answer = gate.ask(&request).await;
    assert_ne!(answer.status, 200, "nor is the path: {}", answer.text());
}
