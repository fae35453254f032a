//! Tests of requests.

use witgate_dialect::OnRefused;

use super::*;

fn translated(asked: Asked, body: &str, lines: &[(&str, &str)]) -> Result<Request, Untranslatable> {
    let head = Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let header = |name: &str| -> Vec<&str> {
        let lines = lines.iter().filter(|(line, _)| *line == name);
        lines.map(|(_, value)| *value).collect()
    };
    let place = Place::try_new("my-project", "europe-west1").unwrap();
    let policy = Policy::new(OnRefused::Strip);
    translate(asked, &head, header, &Models::default(), &place, &policy)
}

fn sent(request: &Request) -> String {
    String::from_utf8(request.body.concat()).unwrap()
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let mut headers = request.headers.iter();
    let (_, value) = headers.find(|(other, _)| *other == name)?;
    Some(value)
}

#[test]
fn the_model_moves_into_the_path_and_the_version_into_the_body() {
    let body = r#"{ "model" : "claude-sonnet-4-5", "max_tokens": 1,"messages":[] ,"stream":true}"#;
    let lines = [
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "context-1m-2025-08-07, new-2030-01-01"),
    ];
    let request = translated(Asked::Messages, body, &lines).unwrap();
    assert_eq!(
        request.path,
        "/v1/projects/my-project/locations/europe-west1/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict",
        "with the place and the method"
    );
    assert_eq!(
        sent(&request),
        r#"{  "max_tokens": 1,"messages":[] ,"stream":true,"anthropic_version":"vertex-2023-10-16"}"#,
        "other bytes stay, `stream` among them"
    );
    assert_eq!(
        header(&request, "anthropic-beta"),
        Some("context-1m-2025-08-07"),
        "betas stay in their header"
    );
    assert_eq!(request.removed, ["new-2030-01-01"], "for the record");
    let plain = translated(Asked::Messages, r#"{"model":"claude-opus-5"}"#, &[]).unwrap();
    assert!(plain.path.ends_with("claude-opus-5:rawPredict"), "plain");
    assert_eq!(header(&plain, "anthropic-beta"), None, "no empty header");
}

#[test]
fn betas_of_the_body_move_into_the_header() {
    let body = r#"{"model":"claude-opus-5","anthropic_beta":["context-1m-2025-08-07"]}"#;
    let lines = [("anthropic-beta", "interleaved-thinking-2025-05-14")];
    let request = translated(Asked::Messages, body, &lines).unwrap();
    assert_eq!(
        header(&request, "anthropic-beta"),
        Some("context-1m-2025-08-07,interleaved-thinking-2025-05-14"),
        "each once"
    );
    assert!(!sent(&request).contains("anthropic_beta"), "one place");
    let bad = r#"{"model":"claude-opus-5","anthropic_beta":"x"}"#;
    assert!(
        matches!(
            translated(Asked::Messages, bad, &[]),
            Err(Untranslatable::BadBetas)
        ),
        "no list"
    );
}

#[test]
fn a_version_that_vertex_takes_is_kept() {
    let version = |body, lines: &[_]| sent(&translated(Asked::Messages, body, lines).unwrap());
    let newer = [("anthropic-version", "2026-10-21")];
    assert!(
        version(r#"{"model":"claude-opus-5"}"#, &newer)
            .contains(r#""anthropic_version":"2026-10-21""#),
        "asked for by the header"
    );
    let own = r#"{"model":"claude-opus-5","anthropic_version":"own"}"#;
    assert_eq!(
        version(own, &newer),
        r#"{"anthropic_version":"own"}"#,
        "the body's own wins"
    );
}

#[test]
fn a_count_names_its_model_in_the_body() {
    let body = r#"{"model":"claude-opus-4-5-20251101","messages":[]}"#;
    let request = translated(Asked::CountTokens, body, &[]).unwrap();
    assert!(
        request.path.ends_with("/models/count-tokens:rawPredict"),
        "{}",
        request.path
    );
    assert_eq!(
        sent(&request),
        r#"{"model":"claude-opus-4-5","messages":[],"anthropic_version":"vertex-2023-10-16"}"#,
        "without a version"
    );
}

#[test]
fn a_user_profile_moves_into_the_body() {
    let lines = [("anthropic-user-profile-id", "up_\"1")];
    let request = translated(Asked::Messages, r#"{"model":"claude-opus-5"}"#, &lines).unwrap();
    assert!(
        sent(&request).contains(r#""user_profile_id":"up_\"1""#),
        "{}",
        sent(&request)
    );
}

#[test]
fn a_request_without_a_known_model_is_not_sent() {
    let none = translated(Asked::Messages, r#"{"max_tokens":1}"#, &[]).unwrap_err();
    assert!(none.to_string().contains("no `model`"), "{none}");
    let other = translated(Asked::Messages, r#"{"model":"gpt"}"#, &[]).unwrap_err();
    assert!(other.to_string().contains("`gpt`"), "{other}");
}

#[test]
fn headers_of_the_api_credentials_and_googles_own_stay_behind() {
    for name in [
        "anthropic-version",
        "anthropic-beta",
        "x-api-key",
        "authorization",
        "x-goog-user-project",
        "x-vertex-ai-labels",
        "host",
    ] {
        assert!(!passes(name), "{name}");
    }
    assert!(passes("user-agent"), "others pass");
}
