//! Native tests of plugins see in a body what the host sees in it.

use bytes::Bytes;
use witgate_messages::Head;
use witgate_plugin::testing::RequestBuilder;

use crate::harness::Capture;

/// Tokens by which the two estimates may differ for each run of base64: the host looks at blocks of 64 bytes.
const SLACK: u64 = 32;

/// Compares the host's scan of a body with that of the SDK; `runs` is how many pieces of base64 are in it.
fn compare(name: &str, body: &[u8], runs: u64) {
    let host = Head::scan(Bytes::copy_from_slice(body)).unwrap();
    let request = RequestBuilder::messages().body(body).build();
    let head = request.head();
    assert_eq!(head.model, host.model().as_deref(), "{name}: model");
    assert_eq!(head.stream, host.stream(), "{name}: stream");
    assert_eq!(head.max_tokens, host.max_tokens(), "{name}: max_tokens");
    assert_eq!(head.message_count, host.message_count(), "{name}: messages");
    assert_eq!(head.tool_count, host.tool_count(), "{name}: tools");
    assert_eq!(
        request.user_id(),
        host.user_id().as_deref(),
        "{name}: user_id"
    );
    assert_eq!(head.body_bytes, body.len() as u64, "{name}: length");
    let mut models: Vec<String> = host.other_models().map(Into::into).collect();
    let attributes = request.head_attributes();
    let also = attributes.iter().filter(|(name, _)| *name == "also.model");
    let mut told: Vec<String> = also.map(|(_, model)| (*model).to_owned()).collect();
    models.sort();
    told.sort();
    assert_eq!(told, models, "{name}: models elsewhere");
    let open = attributes.iter().any(|(name, _)| *name == "open.model");
    assert_eq!(open, host.leaves_model_open(), "{name}: a model to come");
    let noted = |member: &str, kind: &str| format!("unread.{member} {kind}");
    let unread = host.unread().iter();
    let mut unread: Vec<_> = unread.map(|it| noted(it.member, it.kind)).collect();
    let told = attributes
        .iter()
        .filter(|(name, _)| name.starts_with("unread."));
    let mut told: Vec<_> = told.map(|(name, kind)| format!("{name} {kind}")).collect();
    unread.sort();
    told.sort();
    assert_eq!(told, unread, "{name}: what can't be read");
    let tools: Vec<String> = host.tools().map(Into::into).collect();
    assert_eq!(request.tools(), tools, "{name}: names of tools");
    for member in host.members() {
        let value = request.member(member.name);
        assert_eq!(
            value.map(str::as_bytes),
            Some(member.value),
            "{name}: {}",
            member.name
        );
    }
    let apart = head.prompt_tokens.abs_diff(host.prompt_tokens());
    assert!(
        apart <= runs * SLACK,
        "{name}: {} and {} tokens",
        head.prompt_tokens,
        host.prompt_tokens()
    );
}

#[test]
fn a_body_in_a_native_test_is_scanned_as_the_host_scans_it() {
    let mut compared = 0;
    for capture in Capture::all() {
        if capture.request.body.starts_with(b"{") {
            compared += 1;
            compare(&capture.name, &capture.request.body, 0);
        }
    }
    assert!(compared > 20, "real requests: {compared}");

    for body in [
        r#"{"model": null, "stream": null, "max_tokens": null, "messages": null, "tools": null, "metadata": null}"#,
        r#" { "mod\u0065l" : "caf\u00e9", "messages" : [ {"role": "user"} , [] ] , "metadata": {"user_id": "u\"1"} } "#,
        r#"{"tools": [{"name": "a"}, {"type": "b"}, {"name": 5}, {"name": "c", "name": "d"}]}"#,
        r#"{"tools": [{"model": "a", "input_schema": {"model": "b"}}], "fallbacks": [{"mod\u0065l": "c"}], "x": {"model": 5}}"#,
        r#"{"fallbacks": "default", "metadata": {"model": "a"}}"#,
        r#"{"model": 5, "stream": "yes", "max_tokens": "9", "messages": {}, "tools": "all", "system": 7}"#,
        r#"{"max_tokens": 1.024e3, "metadata": {"user_id": 7}}"#,
        r#"{"max_tokens": 1.5, "stream": 1, "metadata": []}"#,
        r#"{"max_tokens": 100E-2, "messages": [1, [], {}]}"#,
        r#"{"max_tokens": -1, "tools": [{"name": "a\u0062"}]}"#,
        r#"{"max_tokens": -0}"#,
        r#"{"max_tokens": 18446744073709551616, "stream": false}"#,
        "{}",
    ] {
        compare(body, body.as_bytes(), 0);
    }
    let picture = "iVBORw0KGgo".repeat(1_000);
    let body = format!(r#"{{"messages": [{{"role": "user", "content": "{picture}"}}]}}"#);
    compare("a picture", body.as_bytes(), 1);
}
