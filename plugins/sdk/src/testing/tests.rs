use super::{RequestBuilder, receipts};
use crate::UpstreamStats;
use crate::types::{Endpoint, Envelope, Field, Plan, Target, Value};

mod guard;

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
    assert_eq!(head.model, Some("claude-haiku-5-5"), "model");
    assert_eq!(head.max_tokens, Some(64), "max_tokens");
    assert!(head.stream, "stream");
    assert_eq!((head.message_count, head.tool_count), (1, 3), "counts");
    assert_eq!(request.user_id(), Some("u1"), "metadata.user_id");
    assert_eq!(head.body_bytes, BODY.len() as u64, "length");
    assert!(head.prompt_tokens > 20, "{}", head.prompt_tokens);
    assert_eq!(request.tools(), ["Bash", "Read"], "tools with a name");
    assert_eq!(
        request.member("vmx"),
        Some(r#"{"metadata": {"team": "blue"}}"#),
        "as written"
    );
    assert_eq!(request.body_read(0, 1), b"{", "the bytes themselves");
}

#[test]
fn what_a_body_does_not_say_is_absent_and_a_later_call_goes_before() {
    let small = || RequestBuilder::messages().body(r#"{"messages": []}"#);
    let request = small().build();
    let head = request.head();
    assert_eq!((head.model, head.max_tokens), (None, None), "not said");
    let request = small().model("m").prompt_tokens(9).build();
    let head = request.head();
    assert_eq!((head.model, head.prompt_tokens), (Some("m"), 9), "set");
}

#[test]
fn a_body_that_is_no_object_sets_its_length_only() {
    let request = RequestBuilder::messages().body("no JSON").build();
    let head = request.head();
    assert_eq!(head.body_bytes, 7, "its length");
    assert_eq!(head.model, Some("claude-opus-5-5"), "as before");
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
    assert_eq!(request.header("X-Team"), Some("blue"), "by name");
    assert_eq!(request.header("x-vmx-b"), None, "granted, and not there");
    assert_eq!(request.headers("x-vmx-").len(), 1, "by its beginning");
    assert!(request.member("vmx").is_some(), "the body");
}

#[test]
fn the_defaults_of_a_sidecar_grant_the_head_and_no_header() {
    let request = RequestBuilder::messages().sidecar("").build();
    assert_eq!(request.head().message_count, 1, "the head");
    assert_eq!(request.caller().key_id(), "test", "the caller, always");
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

#[test]
fn a_context_lies_on_top_of_what_the_host_knows() {
    let request = || {
        RequestBuilder::messages().id("req_7").caller(|caller| {
            caller.tenant = Some("acme".to_owned());
            caller.user = Some("ann".to_owned());
        })
    };
    let plain = request().build();
    let context = plain.context();
    assert_eq!(context.correlation_id(), "req_7", "the host's own id");
    assert_eq!(context.tenant(), Some("acme"), "the key's");
    assert_eq!(
        (context.session(), context.agent()),
        (None, None),
        "unknown"
    );
    assert_eq!(context.all_metadata(), [], "none");

    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let envelope = Envelope {
        correlation_id: Some("c-1".to_owned()),
        user: Some("bob".to_owned()),
        metadata: vec![pair("team", "blue")],
        attributes: vec![pair("workspace", "w"), pair("workspace", "x")],
        ..Envelope::default()
    };
    let request = request().context(envelope).build();
    let context = request.context();
    assert_eq!(context.correlation_id(), "c-1", "the caller's id");
    assert_eq!(context.tenant(), Some("acme"), "still the key's");
    assert_eq!(context.user(), Some("bob"), "the envelope's");
    assert_eq!(request.caller().user(), Some("ann"), "the key's own");
    assert_eq!(context.metadata("team"), Some("blue"), "by name");
    assert_eq!(context.attribute("workspace"), Some("w"), "the first");
    assert_eq!(context.attributes().len(), 2, "all");
}

#[test]
fn upstreams_and_the_plan_are_those_of_the_test() {
    let stats = UpstreamStats {
        in_flight: 1,
        ..UpstreamStats::default()
    };
    let plan = Plan::to("a").model("m").or(Target::new("b")).rule("r");
    let request = RequestBuilder::messages()
        .upstream("a", UpstreamStats::default())
        .upstream("b", stats)
        .upstream_attribute("site", "berlin")
        .planned(plan)
        .build();
    let upstreams = request.upstreams();
    assert_eq!(upstreams.names(), ["a", "b"], "in their order");
    assert_eq!(upstreams.stats("b"), Some(stats), "its state");
    assert_eq!(upstreams.stats("c"), None, "there is no `c`");
    assert_eq!(upstreams.attributes("b"), [("site", "berlin")], "of `b`");
    assert_eq!(upstreams.attributes("a"), [], "none of `a`");
    let planned = request.planned();
    assert_eq!(planned.rule(), Some("r"), "the rule");
    let target = |index| {
        let target = planned.target(index)?;
        Some((target.upstream, target.model))
    };
    assert_eq!(target(0), Some(("a", Some("m"))), "the first");
    assert_eq!(target(1), Some(("b", None)), "with the request's model");
    assert_eq!(target(2), None, "there are two");
}

#[test]
fn an_operation_that_the_sdk_does_not_know_keeps_its_code() {
    let request = RequestBuilder::messages().endpoint("file-content", "/v1/files/1/content");
    let endpoint = request.build().endpoint();
    assert_eq!(
        endpoint,
        Endpoint::Other("file-content".to_owned()),
        "other"
    );
    assert_eq!(endpoint.code(), "file-content", "its code");
}

#[test]
fn receipts_tell_their_fields_one_by_one() {
    let field = |name: &str, value| Field {
        name: name.to_owned(),
        value,
    };
    let first = vec![field("outcome", Value::Text("ok".to_owned()))];
    let second = vec![field("usage.output_tokens", Value::Integer(7))];
    let receipts = receipts(vec![first.clone(), second]);
    assert_eq!(receipts.count(), 2, "both");
    assert_eq!(receipts.fields(0), first, "the fields of the first");
    assert_eq!(
        receipts.field(1, "usage.output_tokens"),
        Some(Value::Integer(7)),
        "a field of the second"
    );
    assert_eq!(receipts.field(1, "outcome"), None, "it has none");
    assert_eq!(receipts.fields(2), [], "there is no third");
}

const TABLES: &str = "[tables.teams] # of users\nurl = \"https://a/b.csv\"\n[tables.teams.headers]\nx = \"y\"\n[tables.\"blocked\"]\nfile = \"c.txt\"\n";

#[test]
fn a_table_has_what_the_test_puts_into_it() {
    let request = RequestBuilder::messages()
        .sidecar(TABLES)
        .table("teams", &[("ada", "blue")])
        .build();
    let teams = request.table("teams");
    assert_eq!(teams.get("ada"), Some("blue"), "as set");
    assert_eq!(teams.get("bob"), None, "not in it");
    assert_eq!(teams.age_seconds(), Some(0), "read");
    let blocked = request.table("blocked");
    assert!(!blocked.has("ada"), "declared and empty");
    assert_eq!(blocked.age_seconds(), None, "never read");
    let request = RequestBuilder::messages()
        .table("teams", &[("a", "b")])
        .build();
    assert!(request.table("teams").has("a"), "without a sidecar");
}

#[test]
#[should_panic(expected = "there is no table `users`; declare `[tables.users]`")]
fn a_table_that_the_sidecar_does_not_declare_fails_the_test() {
    let request = RequestBuilder::messages()
        .sidecar(TABLES)
        .table("users", &[("ada", "blue")])
        .build();
    let _ = request.table("users").get("ada");
}

#[test]
fn the_receipts_of_a_call_have_the_tables_of_the_host() {
    let receipts = receipts(vec![vec![]]).with_table("teams", &[("ada", "blue")]);
    assert_eq!(receipts.table("teams").get("ada"), Some("blue"));
}
