//! Top-ups, resets, overrides, and their records.

use serde_json::{Value, json};

use super::{LIMITS, USER, answer, gateway, requests, status};
use crate::harness::{Operator, Upstream};

fn on(more: &[(&str, Value)]) -> Value {
    let mut body = requests(&Value::Null);
    let members = body.as_object_mut().unwrap();
    members.remove("amount");
    members.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    body
}

async fn records(operator: &Operator) -> Vec<Value> {
    let page = operator.get("/audit?limit=1000").await;
    page["data"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_top_up_adds_to_whatever_limit_holds() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, reader) = gateway(LIMITS, &upstream).await;
    operator
        .post("/top_up", &on(&[("amount", json!("1"))]))
        .await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(status(&gate).await, expected, "two, and one more");
    }
    let row = reader.effective(USER, "day").await;
    assert_eq!(
        (&row["origin"], &row["top_up"], &row["amount"]),
        (&json!("sidecar"), &json!("1"), &json!("3")),
        "{row}"
    );
    let twice = operator
        .post("/top_up", &on(&[("amount", json!("1"))]))
        .await;
    assert_eq!(twice["top_up"]["amount"], "2", "top-ups add up: {twice}");
    assert_eq!(
        twice["top_up"]["until"], row["resets_at"],
        "for this period: {twice}"
    );
    assert_eq!(status(&gate).await, 200, "one more");
    operator.post("", &requests(&json!("7"))).await;
    let row = reader.effective(USER, "day").await;
    assert_eq!(row["amount"], "9", "and to a live limit: {row}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_takes_the_spending_off_and_says_how_much() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, reader) = gateway(LIMITS, &upstream).await;
    for expected in [200, 200, 429] {
        assert_eq!(status(&gate).await, expected, "two");
    }
    gate.receipts_when(3).await;
    let done = operator
        .post("/reset", &on(&[("reason", json!("a test ran wild"))]))
        .await;
    assert_eq!(
        (&done["type"], &done["reset_spend"]),
        (&json!("spend_limit_reset"), &json!("2")),
        "{done}"
    );
    let row = reader.effective(USER, "day").await;
    assert_eq!(
        (&row["period_to_date_spend"], &row["left"]),
        (&json!("0"), &json!("2")),
        "{row}"
    );
    for expected in [200, 200, 429] {
        assert_eq!(status(&gate).await, expected, "two more");
    }
    let record = &records(&reader).await[0];
    assert_eq!(record["action"], "spend_limit.reset", "{record}");
    assert_eq!(
        (
            &record["before"]["period_to_date_spend"],
            &record["after"]["period_to_date_spend"]
        ),
        (&json!("2"), &json!("0")),
        "{record}"
    );
    assert_eq!(record["reason"], "a test ran wild", "{record}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_can_be_ended_before_its_time() {
    let upstream = Upstream::always(answer()).await;
    let (gate, operator, _) = gateway(LIMITS, &upstream).await;
    let set = operator.post("", &requests(&json!("1"))).await;
    let body = on(&[
        ("amount", Value::Null),
        ("until", json!("2099-01-01T00:00:00Z")),
    ]);
    let limit = operator.post("/override", &body).await;
    assert_eq!(limit["id"], set["id"], "it is the same limit: {limit}");
    assert_eq!(
        limit["override"]["amount"],
        Value::Null,
        "without a limit: {limit}"
    );
    for _ in 0..2 {
        assert_eq!(status(&gate).await, 200, "no limit");
    }
    let path = format!("/{}/override", limit["id"].as_str().unwrap());
    let ended = operator.ask(&operator.request("DELETE", &path)).await;
    assert_eq!(ended.json()["override"], Value::Null, "{}", ended.text());
    assert_eq!(status(&gate).await, 429, "the one that is set");
    let again = operator.ask(&operator.request("DELETE", &path)).await;
    assert_eq!(again.status, 404, "there is none: {}", again.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_counts_what_is_in_use_now_has_no_period_to_top_up_or_reset() {
    let upstream = Upstream::always(answer()).await;
    let (_gate, operator, _) = gateway(LIMITS, &upstream).await;
    let body = json!({"scope": {"type": "key", "key_id": "alice"}, "unit": "in_flight"});
    let refused = operator.ask(&operator.posting("/reset", &body)).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("in use now"), "{}", refused.text());
    assert_eq!(records(&operator).await, [Value::Null; 0], "and no record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_a_record_of_who_when_before_and_after() {
    let upstream = Upstream::always(answer()).await;
    let (_gate, operator, reader) = gateway(LIMITS, &upstream).await;
    let limit = operator.post("", &requests(&json!("3"))).await;
    let id = limit["id"].as_str().unwrap().to_owned();
    operator
        .post(
            &format!("/{id}"),
            &json!({"amount": "4", "reason": "release week"}),
        )
        .await;
    operator
        .post("/top_up", &on(&[("amount", json!("5"))]))
        .await;
    operator
        .post(
            "/override",
            &on(&[
                ("amount", json!("9")),
                ("until", json!("2099-01-01T00:00:00Z")),
            ]),
        )
        .await;
    operator
        .ask(&operator.request("DELETE", &format!("/{id}/override")))
        .await;
    operator.post("/reset", &on(&[])).await;
    operator
        .ask(&operator.request("DELETE", &format!("/{id}")))
        .await;
    // What is refused leaves no record.
    operator
        .ask(&operator.posting("", &json!({"amount": 1})))
        .await;
    reader
        .ask(&reader.posting("", &requests(&json!("3"))))
        .await;

    let all = records(&reader).await;
    let actions: Vec<_> = all
        .iter()
        .map(|record| record["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        [
            "spend_limit.delete",
            "spend_limit.reset",
            "spend_limit.end_override",
            "spend_limit.override",
            "spend_limit.top_up",
            "spend_limit.upsert",
            "spend_limit.upsert",
        ],
        "the newest first"
    );
    for (newer, older) in all.iter().zip(&all[1..]) {
        assert!(
            newer["created_at"].as_str() >= older["created_at"].as_str(),
            "in order"
        );
        assert_eq!(newer["actor"], "admin-key:writer", "{newer}");
        assert_eq!(newer["target_id"], id, "{newer}");
    }
    let changed = &all[5];
    assert_eq!(
        (&changed["before"]["amount"], &changed["after"]["amount"]),
        (&json!("3"), &json!("4")),
        "{changed}"
    );
    assert_eq!(changed["reason"], "release week", "{changed}");
    assert_eq!(all[6]["before"], Value::Null, "there was none before");
    assert_eq!(all[0]["after"], Value::Null, "there is none after");

    let page = reader.get("/audit?limit=2").await;
    assert_eq!(page["has_more"], true, "{page}");
    let next = reader
        .get(&format!(
            "/audit?limit=2&after_id={}",
            page["last_id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(
        next["data"][0], all[2],
        "the next page begins where the first ended"
    );
    let back = reader
        .get(&format!(
            "/audit?limit=1&before_id={}",
            next["first_id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(back["data"][0], all[1], "and back");
    let only = reader
        .get("/audit?action=spend_limit.top_up&actor=admin-key:writer")
        .await;
    assert_eq!(only["data"].as_array().map(Vec::len), Some(1), "{only}");
    let none = reader.get("/audit?account=user:nobody").await;
    assert_eq!(none["data"], json!([]), "another account has none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_operators_at_once_the_one_who_saw_an_older_version_changes_nothing() {
    let upstream = Upstream::always(answer()).await;
    let (_gate, operator, _) = gateway(LIMITS, &upstream).await;
    let limit = operator.post("", &requests(&json!("3"))).await;
    let version = limit["version"].as_i64().expect("a version");
    let with = |amount: &str| {
        operator
            .posting("", &requests(&json!(amount)))
            .header("if-match", &format!("\"{version}\""))
    };
    let (one, other) = (with("4"), with("5"));
    let (one, other) = tokio::join!(operator.ask(&one), operator.ask(&other));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(
        statuses,
        [200, 409],
        "one of them wins: {} {}",
        one.text(),
        other.text()
    );
    let loser = if one.status == 409 { one } else { other };
    assert_eq!(
        loser.json()["error"]["type"],
        "conflict_error",
        "{}",
        loser.text()
    );
    assert_eq!(
        records(&operator).await.len(),
        2,
        "the first one and the winner's"
    );
    let unseen = operator
        .posting("", &requests(&json!("4")))
        .header("if-match", "yes");
    assert_eq!(operator.ask(&unseen).await.status, 400, "no version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_ups_of_many_at_once_all_count_and_a_repeated_one_counts_once() {
    let upstream = Upstream::always(answer()).await;
    let (_gate, operator, reader) = gateway(LIMITS, &upstream).await;
    let body = on(&[("amount", json!("1"))]);
    let asks: Vec<_> = (0..20)
        .map(|_| {
            let (operator, body) = (operator.clone(), body.clone());
            tokio::spawn(async move { operator.post("/top_up", &body).await })
        })
        .collect();
    for ask in asks {
        ask.await.unwrap();
    }
    let named = operator
        .posting("/top_up", &body)
        .header("idempotency-key", "once");
    let (one, other) = tokio::join!(operator.ask(&named), operator.ask(&named));
    assert_eq!(
        (one.status, other.status),
        (200, 200),
        "{} {}",
        one.text(),
        other.text()
    );
    assert_eq!(one.json(), other.json(), "both get the same answer");
    let page = reader.get("?account=user:acme/alice").await;
    assert_eq!(page["data"][0]["top_up"]["amount"], "21", "{page}");
    let reused = operator
        .posting("/top_up", &on(&[("amount", json!("2"))]))
        .header("idempotency-key", "once");
    let refused = operator.ask(&reused).await;
    assert_eq!(
        refused.status,
        409,
        "another request by that name: {}",
        refused.text()
    );
}
