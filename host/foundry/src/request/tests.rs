//! Tests of requests.

use witgate_dialect::OnRefused;

use super::*;

fn translated(body: &str, lines: &[(&str, &str)]) -> Result<Request, Untranslatable> {
    let head = Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let header = |name: &str| -> Vec<&str> {
        let lines = lines.iter().filter(|(line, _)| *line == name);
        lines.map(|(_, value)| *value).collect()
    };
    let policy = Policy::new(OnRefused::Strip);
    translate(
        Operation::Messages,
        &head,
        header,
        &Models::default(),
        &policy,
    )
}

fn sent(request: &Request) -> String {
    String::from_utf8(request.body.concat()).unwrap()
}

#[test]
fn a_request_for_a_deployment_keeps_its_bytes() {
    let body = r#"{ "model":"our-deployment" , "max_tokens":1,"new_member":{ },"stream":true}"#;
    let lines = [
        ("anthropic-version", "2026-10-21"),
        ("anthropic-beta", "new-2030-01-01"),
    ];
    let request = translated(body, &lines).unwrap();
    assert_eq!(sent(&request), body, "all of them");
    assert_eq!(request.path, "/anthropic/v1/messages", "the prefix");
    let last = &request.headers[2..];
    let expected = [
        ("anthropic-version", "2026-10-21".to_owned()),
        ("anthropic-beta", "new-2030-01-01".to_owned()),
    ];
    assert_eq!(last, expected, "version and betas are the client's");
    assert!(request.removed.is_empty(), "nothing");
}

#[test]
fn a_dated_model_and_a_refused_pair_are_edited_alone() {
    let body = r#"{"model":"claude-opus-4-5-20251101", "tools":[{"name":"a"},{"type":"advisor_20260301"}],"anthropic_beta":["advisor-tool-2026-03-01","x-1"]}"#;
    let request = translated(body, &[]).unwrap();
    assert_eq!(
        sent(&request),
        r#"{"model":"claude-opus-4-5", "tools":[{"name":"a"}]}"#,
        "and betas leave the body"
    );
    assert_eq!(
        request.removed,
        ["advisor-tool-2026-03-01", "tools[advisor_]"],
        "for the record"
    );
    assert_eq!(
        request.headers[2..],
        [
            ("anthropic-version", "2023-06-01".to_owned()),
            ("anthropic-beta", "x-1".to_owned())
        ],
        "a version for a client without one"
    );
}

#[test]
fn a_request_without_a_deployment_is_not_sent() {
    let none = translated(r#"{"max_tokens":1}"#, &[]).unwrap_err();
    assert!(none.to_string().contains("no `model`"), "{none}");
    let other = translated(r#"{"model":"a/b"}"#, &[]).unwrap_err();
    assert!(other.to_string().contains("`a/b`"), "{other}");
}

#[test]
fn credentials_and_azures_own_headers_stay_behind() {
    for name in [
        "anthropic-beta",
        "api-key",
        "x-api-key",
        "authorization",
        "ocp-apim-subscription-key",
        "x-ms-client-request-id",
        "host",
    ] {
        assert!(!passes(name), "{name}");
    }
    for name in ["user-agent", "anthropic-user-profile-id"] {
        assert!(passes(name), "{name}");
    }
}
