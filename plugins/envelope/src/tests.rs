use witgate_plugin::testing::{self, RequestBuilder};
use witgate_plugin::types::Edit;

use super::*;

fn read(settings: &str, request: RequestBuilder) -> Result<types::Envelope, Refusal> {
    let reader: EnvelopePlugin = testing::configure(settings).unwrap();
    reader.read(&request.build())
}

fn vmx(json: &str) -> RequestBuilder {
    RequestBuilder::messages().member("vmx", json)
}

#[test]
fn a_plain_request_is_not_edited_and_what_the_host_knows_is_not_said_again() {
    let envelope = read("{}", RequestBuilder::messages().id("req_7")).unwrap();
    assert_eq!(envelope, types::Envelope::default());
}

#[test]
fn the_vmx_member_is_read_and_removed() {
    let member = r#"{"correlationId": "c-1", "metadata": {"team": "blue"}, "timeoutMs": 100, "secondaryModelIndex": 0}"#;
    let settings = r#"{"timeout": {"anyone": true}, "secondary_index": {"anyone": true}}"#;
    let envelope = read(settings, vmx(member)).unwrap();
    assert_eq!(envelope.edits, [Edit::Remove("vmx".to_owned())]);
    assert_eq!(
        envelope.correlation_id.as_deref(),
        Some("c-1"),
        "the host returns it"
    );
    assert_eq!(envelope.metadata("team"), Some("blue"));
    assert_eq!(envelope.timeout_ms, Some(100));
    assert_eq!(
        envelope.secondary_index,
        Some(0),
        "zero is an index like any other"
    );
}

#[test]
fn headers_say_the_same_and_the_member_wins_key_by_key() {
    let request = vmx(r#"{"metadata": {"Team": "body"}}"#)
        .header("X-Vmx-Metadata-Team", "header")
        .header("x-vmx-metadata-site", "berlin")
        .header(CORRELATION_ID, "c-2");
    let envelope = read("{}", request).unwrap();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        envelope.metadata,
        [pair("Team", "body"), pair("site", "berlin")]
    );
    assert_eq!(envelope.correlation_id.as_deref(), Some("c-2"));
}

#[test]
fn every_wrong_type_is_a_400_that_names_the_path() {
    for (member, path) in [
        ("[]", "vmx:"),
        (r#"{"correlationId": 1}"#, "vmx.correlationId:"),
        (r#"{"correlationId": "a\nb"}"#, "vmx.correlationId:"),
        (r#"{"metadata": []}"#, "vmx.metadata:"),
        (r#"{"metadata": {"a": 1}}"#, "vmx.metadata.a:"),
        (r#"{"timeoutMs": 99}"#, "vmx.timeoutMs:"),
        (r#"{"timeoutMs": 600001}"#, "vmx.timeoutMs:"),
        (r#"{"timeoutMs": 100.5}"#, "vmx.timeoutMs:"),
        (r#"{"secondaryModelIndex": -1}"#, "vmx.secondaryModelIndex:"),
        (r#"{"providerArgs": 1}"#, "vmx.providerArgs:"),
        (
            r#"{"providerArgs": {"model": "x"}}"#,
            "vmx.providerArgs.model:",
        ),
        (
            r#"{"resourceConfigOverrides": "x"}"#,
            "vmx.resourceConfigOverrides:",
        ),
        (r#"{"timeoutMS": 100}"#, "vmx.timeoutMS:"),
        (
            r#"{"timeoutMs": null, "timeout\u004ds": 100}"#,
            "vmx.timeoutMs: appears more than once",
        ),
        (
            r#"{"metadata": {"a": "1", "b": "2", "\u0061": "3"}}"#,
            "vmx.metadata.a: appears more than once",
        ),
        (
            r#"{"providerArgs": {"top_k": 1, "top_k": 1}}"#,
            "vmx.providerArgs.top_k: appears more than once",
        ),
        (
            r#"{"providerArgs": {"max_tokens": "9"}}"#,
            "vmx.providerArgs.max_tokens:",
        ),
        (
            r#"{"providerArgs": {"tools": {}}}"#,
            "vmx.providerArgs.tools:",
        ),
    ] {
        let refusal = read("{}", vmx(member)).unwrap_err();
        assert_eq!(refusal.status, 400, "{member}: {refusal:?}");
        assert!(
            refusal.message.starts_with(path),
            "{member}: {}",
            refusal.message
        );
    }
}

#[test]
fn provider_args_pass_where_the_settings_allow_them() {
    let envelope = read(
        r#"{"provider_args": ["temperature"], "provider_args_by": {"anyone": true}}"#,
        vmx(r#"{"providerArgs": {"temperature": 0.5}}"#),
    );
    let set = Edit::Set(("temperature".to_owned(), "0.5".to_owned()));
    assert_eq!(
        envelope.unwrap().edits,
        [Edit::Remove("vmx".to_owned()), set]
    );
    let problems =
        testing::configure::<EnvelopePlugin>(r#"{"provider_args": ["temperature", "model"]}"#)
            .unwrap_err();
    assert_eq!(
        problems.iter().next().map(|problem| problem.path.as_str()),
        Some("provider_args[1]")
    );
}

#[test]
fn overrides_are_handed_on_for_callers_that_may() {
    let settings = r#"{"resource_overrides": {"tiers": ["internal"], "labels": {"lab": "yes"}}}"#;
    let request = || vmx(r#"{"resourceConfigOverrides": {"targets": []}}"#);
    assert_eq!(
        read(settings, request()).unwrap_err().status,
        403,
        "an unknown caller may not"
    );
    for request in [
        request().caller(|caller| caller.tier = Some("internal".to_owned())),
        request().caller(|caller| caller.labels = vec![("lab".to_owned(), "yes".to_owned())]),
    ] {
        let envelope = read(settings, request).unwrap();
        assert_eq!(
            envelope.attribute("vmx.resource-config-overrides"),
            Some(r#"{"targets":[]}"#)
        );
    }
}

#[test]
fn claude_code_tells_session_agent_and_user() {
    let user_id = r#"{"device_id": "d", "account_uuid": "", "session_id": "s"}"#;
    let request =
        || RequestBuilder::messages().head(|head| head.user_id = Some(user_id.to_owned()));
    let envelope = read("{}", request()).unwrap();
    assert_eq!(
        (envelope.user.as_deref(), envelope.session.as_deref()),
        (Some("d"), Some("s"))
    );

    let request = request()
        .header("X-Claude-Code-Session-Id", "s2")
        .header("X-Claude-Code-Agent-Id", "a1")
        .header("X-Claude-Code-Parent-Agent-Id", "a0")
        .header("X-Claude-Code-Request-Class", "subagent");
    let envelope = read(r#"{"user_id": false}"#, request).unwrap();
    assert_eq!(
        envelope.session.as_deref(),
        Some("s2"),
        "the header is the newer word"
    );
    assert_eq!(envelope.agent.as_deref(), Some("a1"));
    assert_eq!(envelope.attribute("agent.parent"), Some("a0"));
    assert_eq!(envelope.attribute("request.class"), Some("subagent"));
    assert_eq!(envelope.user, None, "the settings do not trust user_id");
}

#[test]
fn other_user_ids_are_opaque_but_for_the_old_form() {
    let user_id = |text: &str| {
        let text = text.to_owned();
        let envelope = read(
            "{}",
            RequestBuilder::messages().head(|head| head.user_id = Some(text)),
        )
        .unwrap();
        (envelope.user, envelope.session)
    };
    assert_eq!(user_id("ann"), (Some("ann".to_owned()), None));
    assert_eq!(
        user_id("user_d_account__session_s"),
        (Some("d".to_owned()), Some("s".to_owned()))
    );
    assert_eq!(
        user_id("12"),
        (Some("12".to_owned()), None),
        "a number is a name as well"
    );
}

#[test]
fn the_keys_tenant_stands_unless_the_settings_trust_metadata() {
    let request = || {
        vmx(r#"{"metadata": {"tenant": "mallory"}}"#)
            .caller(|caller| caller.tenant = Some("acme".to_owned()))
    };
    assert_eq!(
        read("{}", request()).unwrap().tenant,
        None,
        "the host's own stands"
    );
    let trusting = read(r#"{"tenant_from": "tenant"}"#, request()).unwrap();
    assert_eq!(
        trusting.tenant.as_deref(),
        Some("mallory"),
        "it was asked for"
    );
}

#[test]
fn each_override_is_closed_until_it_is_granted_by_tier_or_label() {
    let fields = [
        ("timeout", "timeoutMs", "100"),
        ("provider_args_by", "providerArgs", r#"{"top_k": 1}"#),
        ("secondary_index", "secondaryModelIndex", "0"),
        ("resource_overrides", "resourceConfigOverrides", "{}"),
    ];
    let grants = [r#"{"tiers": ["lab"]}"#, r#"{"labels": {"lab": "yes"}}"#];
    for (grant, granted, _) in fields {
        for who in grants {
            let settings = format!(r#"{{"provider_args": ["top_k"], "{grant}": {who}}}"#);
            for (_, field, value) in fields {
                let ask = |tier: &str, lab: &str| {
                    let request = vmx(&format!(r#"{{"{field}": {value}}}"#)).caller(|caller| {
                        caller.tier = Some(tier.to_owned());
                        caller.labels = vec![("lab".to_owned(), lab.to_owned())];
                    });
                    read(&settings, request).map(drop)
                };
                assert_eq!(
                    ask("lab", "yes").is_ok(),
                    field == granted,
                    "{field} under {settings}"
                );
                let refusal = ask("free", "no").expect_err("another caller may nothing");
                assert_eq!(refusal.status, 403, "{field} under {settings}");
                assert!(
                    refusal.message.starts_with(&format!("vmx.{field}:")),
                    "the field is named: {}",
                    refusal.message
                );
            }
        }
    }
}

#[test]
fn what_is_longer_than_anything_real_is_a_400_that_names_it() {
    let entries: Vec<_> = (0..257).map(|at| format!("\"k{at}\": \"v\"")).collect();
    let entries = entries.join(",");
    let metadata = vmx(&format!("{{\"metadata\": {{{entries}}}}}"));
    let arguments = vmx(&format!("{{\"providerArgs\": {{{entries}}}}}"));
    let user = RequestBuilder::messages().head(|head| head.user_id = Some("x".repeat(4097)));
    for (request, path) in [
        (metadata, "vmx.metadata:"),
        (arguments, "vmx.providerArgs:"),
        (user, "metadata.user_id:"),
    ] {
        let refusal = read("{}", request).unwrap_err();
        assert_eq!(refusal.status, 400, "{path}");
        assert!(refusal.message.starts_with(path), "{}", refusal.message);
    }
}

#[test]
fn the_hook_is_called_for_what_it_reads_and_the_host_returns_every_correlation_id() {
    let reader: EnvelopePlugin = testing::configure("{}").unwrap();
    let envelope = || Interest::of(Hook::Envelope);
    let stated = [
        envelope().headers(["x-vmx-*", "x-claude-code-*"]),
        envelope().members(["vmx", "metadata"]),
    ];
    assert_eq!(reader.interests(), stated, "what it reads");
    assert_eq!(reader.correlation_header(), Some(CORRELATION_ID));
}
