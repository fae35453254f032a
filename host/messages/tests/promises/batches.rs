//! A batch is sorted by what its requests look like, and changed request by request.

use bytes::Bytes;
use serde_json::{Value, json};
use witgate_messages::batch::{Alike, Batch, Same};
use witgate_messages::head::Head;
use witgate_messages::splice::Edit;

fn head(body: &str) -> Head {
    Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn one(id: &str, params: &Value) -> Value {
    json!({"custom_id": id, "params": params})
}

fn asking(model: &str, text: &str) -> Value {
    json!({"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": text}]})
}

fn kinds(requests: &[Value], same: Same) -> Vec<(usize, u64)> {
    let body = head(&json!({"requests": requests}).to_string());
    let batch = Batch::scan_by(&body, same).unwrap();
    let of = |alike: &Alike| (alike.first, alike.count);
    batch.kinds().iter().map(of).collect()
}

#[test]
fn requests_are_alike_when_nothing_that_may_be_looked_at_differs() {
    let requests = [
        one("a", &asking("x", "one")),
        one("b", &asking("x", "two")),
        one("c", &asking("y", "one")),
        one("d", &asking("x", "one")),
    ];
    assert_eq!(
        kinds(&requests, Same::Head),
        [(0, 3), (2, 1)],
        "by their heads, whatever their texts and names are"
    );
    assert_eq!(
        kinds(&requests, Same::Bytes),
        [(0, 2), (1, 1), (2, 1)],
        "by their bytes, whatever their names are"
    );
}

#[test]
fn everything_that_a_head_says_keeps_requests_apart() {
    let plain = asking("x", "hello");
    for (name, value) in [
        ("model", json!("z")),
        ("max_tokens", json!(6)),
        ("stream", json!(true)),
        ("tools", json!([{"name": "Bash"}])),
        ("metadata", json!({"user_id": "u"})),
        ("messages", json!([])),
        ("system", json!("be brief")),
    ] {
        let mut other = plain.clone();
        other[name] = value;
        let requests = [one("a", &plain), one("b", &other)];
        assert_eq!(kinds(&requests, Same::Head), [(0, 1), (1, 1)], "{name}");
    }
    let tools = |name: &str| {
        let mut request = plain.clone();
        request["tools"] = json!([{"name": name}]);
        request
    };
    let requests = [one("a", &tools("Bash")), one("b", &tools("Read"))];
    assert_eq!(
        kinds(&requests, Same::Head),
        [(0, 1), (1, 1)],
        "the names of tools"
    );
}

#[test]
fn names_and_parameters_of_a_request_can_be_asked_for() {
    let body = head(
        r#"{"requests":[{"custom_id":"on\u0065","params":{"model":"x"}},{"params":{}},{"custom_id":3,"params":{"model":"y"}}]}"#,
    );
    let batch = Batch::scan(&body).unwrap();
    assert_eq!(batch.custom_id(&body, 0).as_deref(), Some("one"));
    assert_eq!(batch.custom_id(&body, 1), None, "it has none");
    assert_eq!(batch.custom_id(&body, 2), None, "it is no text");
    let params = batch.params(&body, 2).unwrap();
    assert_eq!(params.body(), r#"{"model":"y"}"#, "as they stand there");
    assert!(batch.params(&body, 3).is_err(), "there is no such request");
}

#[test]
fn edits_are_made_in_the_requests_of_their_kind_and_every_other_byte_stays() {
    let text = r#" {"vmx":{}, "requests":[ {"params":{"model":"a" ,"vmx":1,"messages":[]},"custom_id":"1"},
        {"custom_id":"2","params":{"model":"b","messages":[]}} , {"custom_id":"3","params":{"messages":[],"model":"a","vmx":1}}],"x":1} "#;
    let set = |json: &str| Edit::Set("model".to_owned(), json.to_owned());
    let remove = Edit::Remove("vmx".to_owned());
    let body = head(text).edited(std::slice::from_ref(&remove)).unwrap();
    let batch = Batch::scan(&body).unwrap();
    assert_eq!(
        batch.kinds().len(),
        3,
        "the first and the last differ in size"
    );
    let edits = [vec![set("\"other\""), remove.clone()], vec![], vec![remove]];
    let parts = batch.rewritten(&body, |kind| &edits[kind]).unwrap();
    let wanted = text
        .replace(r#""vmx":{}, "#, " ")
        .replace(r#""model":"a" ,"vmx":1,"#, r#""model":"other" ,"#)
        .replace(r#","vmx":1}"#, "}");
    assert_eq!(
        String::from_utf8(parts.concat()).unwrap(),
        wanted,
        "each in its place"
    );
}

#[test]
fn many_changes_are_written_in_few_parts() {
    let requests: Vec<Value> = (0..20_000)
        .map(|index| one(&index.to_string(), &asking("a", "hello")))
        .collect();
    let body = head(&json!({"requests": requests}).to_string());
    let batch = Batch::scan(&body).unwrap();
    let edits = [Edit::Set("model".to_owned(), "\"b\"".to_owned())];
    let parts = batch.rewritten(&body, |_| &edits).unwrap();
    let len: usize = parts.iter().map(Bytes::len).sum();
    assert_eq!(len, body.body().len(), "as long as before");
    assert!(
        parts.len() <= len / (64 * 1024) + 1,
        "{} parts of {len} bytes",
        parts.len()
    );
}
