//! Signatures.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use witgate_bedrock::request::Asked;
use witgate_bedrock::sign::{Place, sign};
use witgate_bedrock::{Access, Keys, OnRefused, Request, Secret};

use super::{json, translated};

/// Returns a request with this path and body.
fn request(path: &str, body: &[Bytes]) -> Request {
    let any = br#"{"model":"claude-opus-5"}"#;
    let mut request = translated(Asked::Messages, any, &[], OnRefused::Fail).unwrap();
    path.clone_into(&mut request.path);
    request.body = body.iter().cloned().collect();
    request
}

#[test]
fn signatures_are_those_of_botocore() {
    let fixture = json("signatures.json");
    let text = |name: &str| fixture[name].as_str().unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(fixture["time"].as_u64().unwrap());
    let rows = fixture["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "all rows are compared");
    for row in rows {
        let session = row["session"].as_str().map(str::to_owned);
        let access = Access::Keys(Keys::new(text("id"), text("secret"), session, None));
        let place = Place {
            authority: row["host"].as_str().unwrap(),
            region: text("region"),
        };
        let body = Bytes::copy_from_slice(row["body"].as_str().unwrap().as_bytes());
        let request = request(
            row["path"].as_str().unwrap(),
            &[body.slice(..3), body.slice(3..)],
        );
        let signed = sign(&request, place, &access, now).unwrap();
        let headers = row["headers"].as_object().unwrap();
        assert_eq!(signed.len(), headers.len(), "{signed:?}");
        for header in &signed {
            assert_eq!(
                headers[header.name],
                header.value.reveal(),
                "{}",
                header.name
            );
        }
        let debug = format!("{signed:?}");
        assert!(
            !debug.contains("AWS4") && !debug.contains("session/"),
            "{debug}"
        );
    }
}

#[test]
fn an_api_key_is_sent_as_it_is() {
    let access = Access::ApiKey(Secret::new("bedrock-api-key-x"));
    let place = Place {
        authority: "bedrock-runtime.eu-central-1.amazonaws.com",
        region: "eu-central-1",
    };
    let signed = sign(
        &request("/model/m/invoke", &[]),
        place,
        &access,
        SystemTime::UNIX_EPOCH,
    )
    .unwrap();
    let headers: Vec<_> = signed
        .iter()
        .map(|header| (header.name, header.value.reveal()))
        .collect();
    assert_eq!(
        headers,
        [("authorization", "Bearer bedrock-api-key-x")],
        "without a signature"
    );
}

#[test]
fn an_authority_that_is_none_is_an_error_without_secrets() {
    let access = Access::Keys(Keys::new("AKID", "secret-key", None, None));
    let place = Place {
        authority: "not a host",
        region: "eu-central-1",
    };
    let error = sign(
        &request("/model/m/invoke", &[]),
        place,
        &access,
        SystemTime::UNIX_EPOCH,
    )
    .unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("cannot be signed") && !shown.contains("secret-key"),
        "{shown}"
    );
}
