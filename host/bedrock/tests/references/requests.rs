//! Requests: paths, headers and bodies.

use serde_json::Value;
use witgate_bedrock::request::{Asked, VERSION};
use witgate_bedrock::{ModelId, OnRefused, Operation};

use super::{json, translated};

#[test]
fn a_request_is_that_of_anthropics_sdk_but_for_the_version() {
    let cases = json("sdk_requests.json");
    let cases = cases.as_object().unwrap();
    assert_eq!(cases.len(), 4, "all cases are compared");
    for (name, case) in cases {
        let given = case["given"].as_str().unwrap();
        let betas: Vec<_> = case["betas"].as_str().into_iter().collect();
        let request =
            translated(Asked::Messages, given.as_bytes(), &betas, OnRefused::Fail).unwrap();
        assert_eq!(case["method"], "POST", "{name}: the method of each request");
        // The SDK leaves colons as they are, which is the same path.
        let path = case["path"].as_str().unwrap().replace(':', "%3A");
        assert_eq!(request.path, path, "{name}: the path");
        for (header, value) in request.headers {
            assert_eq!(case["headers"][header], value, "{name}: {header}");
        }
        let ours: Value = serde_json::from_slice(&request.body.concat()).unwrap();
        let mut theirs: Value = serde_json::from_str(case["body"].as_str().unwrap()).unwrap();
        // The SDK sends its own version, which AWS's documentation does not allow.
        theirs["anthropic_version"] = VERSION.into();
        assert_eq!(ours, theirs, "{name}: the body");
    }
}

#[test]
fn paths_and_counts_are_those_of_botocore() {
    let rows = json("botocore_requests.json");
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 6, "all rows are compared");
    for row in rows {
        let operation = match row["operation"].as_str().unwrap() {
            "InvokeModel" => Operation::Invoke,
            "InvokeModelWithResponseStream" => Operation::InvokeStream,
            "CountTokens" => Operation::CountTokens,
            other => panic!("{other}"),
        };
        let model = ModelId::try_new(row["model"].as_str().unwrap()).unwrap();
        assert_eq!(
            row["path"],
            operation.path(&model),
            "{operation:?}: the path"
        );
        if operation == Operation::CountTokens {
            let body = r#"{"model":"claude-opus-5","anthropic_version":"bedrock-2023-05-31","max_tokens":1,"messages":[]}"#;
            let request =
                translated(Asked::CountTokens, body.as_bytes(), &[], OnRefused::Fail).unwrap();
            let ours: Value = serde_json::from_slice(&request.body.concat()).unwrap();
            let theirs: Value = serde_json::from_str(row["body"].as_str().unwrap()).unwrap();
            assert_eq!(ours, theirs, "the body in Base64");
        }
    }
}
