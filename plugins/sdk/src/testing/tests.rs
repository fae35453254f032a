use super::RequestBuilder;

const BODY: &str = r#"{
    "model": "claude-haiku-5-5", "max_tokens": 64, "stream": true,
    "system": "be brief", "messages": [{"role": "user", "content": "Hi"}],
    "tools": [{"name": "Bash"}, {"type": "web_search"}, {"name": "Read"}],
    "metadata": {"user_id": "u1"}, "vmx": {"metadata": {"team": "blue"}}
}"#;

#[test]
fn a_body_says_what_the_host_would_find_in_it() {
    let request = RequestBuilder::messages().body(BODY).build();
    let head = request.head();
    assert_eq!(head.model.as_deref(), Some("claude-haiku-5-5"), "model");
    assert_eq!(head.max_tokens, Some(64), "max_tokens");
    assert!(head.stream, "stream");
    assert_eq!((head.message_count, head.tool_count), (1, 3), "counts");
    assert_eq!(head.user_id.as_deref(), Some("u1"), "metadata.user_id");
    assert_eq!(head.body_bytes, BODY.len() as u64, "length");
    assert!(head.prompt_tokens > 20, "{}", head.prompt_tokens);
    assert_eq!(request.tools(), ["Bash", "Read"], "tools with a name");
    let member = request.member("vmx");
    let member = member.as_deref();
    assert_eq!(
        member,
        Some(r#"{"metadata": {"team": "blue"}}"#),
        "as written"
    );
    assert_eq!(request.body_read(0, 1), b"{", "the bytes themselves");
}

#[test]
fn what_a_body_does_not_say_is_absent_and_a_later_call_goes_before() {
    let small = || RequestBuilder::messages().body(r#"{"messages": []}"#);
    let head = small().build().head();
    assert_eq!((head.model, head.max_tokens), (None, None), "not said");
    let head = small().model("m").prompt_tokens(9).build().head();
    assert_eq!((head.model.as_deref(), head.prompt_tokens), (Some("m"), 9));
}

#[test]
fn a_body_that_is_no_object_sets_its_length_only() {
    let head = RequestBuilder::messages().body("no JSON").build().head();
    assert_eq!(head.body_bytes, 7, "its length");
    assert_eq!(head.model.as_deref(), Some("claude-opus-5-5"), "as before");
}

#[test]
fn what_a_sidecar_grants_can_be_asked_for() {
    let sidecar = "order = 5\n[grants] # of this plugin\nbody = \"read\"\nheaders = [ # many\n  \"X-Team\",\n  \"x-vmx-*\",\n]\nkv = true\n\n[settings]\nbody = 1\n";
    let request = RequestBuilder::messages()
        .sidecar(sidecar)
        .header("x-team", "blue")
        .header("x-vmx-a", "1")
        .body(BODY)
        .build();
    assert_eq!(request.header("X-Team").as_deref(), Some("blue"), "by name");
    assert_eq!(request.header("x-vmx-b"), None, "granted, and not there");
    assert_eq!(request.headers("x-vmx-").len(), 1, "by its beginning");
    assert!(request.member("vmx").is_some(), "the body");
}

#[test]
fn the_defaults_of_a_sidecar_grant_the_head_and_no_header() {
    let request = RequestBuilder::messages().sidecar("").build();
    assert_eq!(request.head().message_count, 1, "the head");
    assert_eq!(request.caller().key_id, "test", "the caller, always");
}

#[test]
#[should_panic(expected = "the header `x-team` is not granted; `headers = [\"x-team\"]`")]
fn a_header_that_is_not_granted_fails_the_test() {
    let sidecar = "[grants]\nheaders = [\"x-vmx-*\"]\n";
    let request = RequestBuilder::messages().sidecar(sidecar).build();
    let _ = request.header("x-team");
}

#[test]
#[should_panic(expected = "the header `x-*` is not granted")]
fn a_beginning_that_is_wider_than_the_grant_fails_the_test() {
    let sidecar = "[grants]\nheaders = [\"x-vmx-*\"]\n";
    let request = RequestBuilder::messages().sidecar(sidecar).build();
    let _ = request.headers("x-");
}

#[test]
#[should_panic(expected = "`member` is not granted; `body = \"read\"`")]
fn a_body_that_is_not_granted_fails_the_test() {
    let request = RequestBuilder::messages().sidecar("").build();
    let _ = request.member("vmx");
}

#[test]
#[should_panic(expected = "`heders = [\"x\"]` can't be read here")]
fn an_unknown_grant_fails_the_test() {
    let _ = RequestBuilder::messages().sidecar("[grants]\nheders = [\"x\"]\n");
}
