//! Requests of clients that speak to Foundry themselves.

use serde_json::Value;
use witgate_foundry::{Access, OnRefused, Operation, Resource, Secret};

use super::{fixture, translated};

#[test]
fn a_request_is_that_of_anthropics_sdks() {
    let rows = fixture("clients.json");
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 8, "all cases of both clients are compared");
    for row in rows {
        let name = format!("{} {}", row["client"], row["name"]);
        let betas: Vec<_> = row["betas"].as_str().into_iter().collect();
        let operation = match row["count"].as_bool() {
            Some(true) => Operation::CountTokens,
            _ => Operation::Messages,
        };
        let given = row["given"].as_str().unwrap().as_bytes();
        let request = translated(operation, given, &betas, "2026-10-21", OnRefused::Fail).unwrap();
        assert_eq!(row["method"], "POST", "{name}: the method of each request");
        let host = Resource::try_new("my-resource").unwrap().host();
        let url = format!("https://{host}{}", request.path);
        assert_eq!(row["url"], url, "{name}: host and path");
        for (header, value) in &request.headers {
            assert_eq!(row["headers"][header], *value, "{name}: {header}");
        }
        let key = Access::Key(Secret::new("a-key")).header();
        assert_eq!(row["headers"][key.0], key.1.reveal(), "{name}: the key");
        let ours: Value = serde_json::from_slice(&request.body.concat()).unwrap();
        let theirs: Value = serde_json::from_str(row["body"].as_str().unwrap()).unwrap();
        assert_eq!(ours, theirs, "{name}: the body");
    }
}

#[test]
fn nothing_that_claude_code_sends_to_foundry_counts_as_refused() {
    let rows = fixture("claude_code.json");
    let rows = rows.as_array().unwrap();
    assert!(
        rows.len() >= 16,
        "models of each generation: {}",
        rows.len()
    );
    for row in rows {
        let model = row["model"].as_str().unwrap();
        let betas: Vec<_> = row["headers"]["anthropic-beta"]
            .as_str()
            .into_iter()
            .collect();
        let version = row["headers"]["anthropic-version"].as_str().unwrap();
        let text = row["body"].to_string();
        let request = translated(
            Operation::Messages,
            text.as_bytes(),
            &betas,
            version,
            OnRefused::Fail,
        )
        .unwrap();
        let path = row["path"].as_str().unwrap().split('?').next();
        assert_eq!(Some(request.path), path, "{model}: the path");
        for (header, value) in &request.headers {
            assert_eq!(row["headers"][header], *value, "{model}: {header}");
        }
        let sent: Value = serde_json::from_slice(&request.body.concat()).unwrap();
        let mut theirs = row["body"].clone();
        theirs["model"] = request.deployment.as_str().into();
        assert_eq!(sent, theirs, "{model}: the body");
        assert!(request.removed.is_empty(), "{model}: {:?}", request.removed);
    }
}
