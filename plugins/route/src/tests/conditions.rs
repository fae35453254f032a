//! The fields that rules test.

use super::*;

#[test]
fn conditions_see_every_field() {
    let envelope = Envelope {
        session: Some("s".to_owned()),
        metadata: vec![("team".to_owned(), "blue".to_owned())],
        attributes: vec![("request.class".to_owned(), "subagent".to_owned())],
        ..Envelope::default()
    };
    let holds = |condition: &str| {
        let settings = format!(
            r#"{{"rules": [{{"name": "r", "when": [{condition}], "block": {{"message": "hit"}}}}]}}"#
        );
        let request = asking("claude-opus-5")
            .tools(&["Bash", "Read"])
            .caller(|caller| {
                caller.tier = Some("free".to_owned());
                caller.labels = vec![("lab".to_owned(), "yes".to_owned())];
            });
        decide(&settings, request, &envelope).is_err()
    };
    for condition in [
        r#"{"field": "model", "is": ["x", "*opus*"]}"#,
        r#"{"field": "stream", "is": ["false"]}"#,
        r#"{"field": "endpoint", "is": ["messages"]}"#,
        r#"{"field": "tools", "is": ["Bash"]}"#,
        r#"{"field": "tier", "is": ["free"]}"#,
        r#"{"field": "labels.lab", "is": ["yes"]}"#,
        r#"{"field": "metadata.team", "is": ["blue"]}"#,
        r#"{"field": "request_class", "is": ["sub*"]}"#,
        r#"{"field": "prompt_tokens", "at_least": 10, "below": 11}"#,
        r#"{"field": "max_tokens", "at_least": 1024}"#,
        r#"{"field": "tool_count", "at_least": 2}"#,
        r#"{"field": "upstreams.a.error_percent", "at_least": 50}"#,
        r#"{"field": "upstreams.a.in_flight", "below": 3}"#,
        r#"{"field": "share", "below": 100}"#,
        r#"{"field": "agent", "present": false}"#,
        r#"{"any": [{"field": "tier", "is": ["pro"]}, {"all": [{"field": "session", "present": true}]}]}"#,
        r#"{"not": {"field": "tier", "is": ["pro"]}}"#,
    ] {
        assert!(holds(condition), "{condition}");
        assert!(
            !holds(&format!(r#"{{"not": {condition}}}"#)),
            "not {condition}"
        );
    }
    assert!(
        !holds(r#"{"field": "user", "is": ["*"]}"#),
        "what is not there matches nothing"
    );
}

#[test]
fn a_member_that_cannot_be_read_is_refused_where_a_rule_tests_it() {
    let unread = |member: &str| {
        let name = format!("unread.{member}");
        RequestBuilder::messages().head(|head| {
            head.model = None;
            head.max_tokens = None;
            head.attributes = vec![(name, "array".to_owned())];
        })
    };
    let rule = |when: &str| {
        format!(r#"{{"rules": [{{"name": "r", "when": [{when}], "block": {{"message": "no"}}}}]}}"#)
    };
    for (settings, member, refused) in [
        (
            rule(r#"{"field": "max_tokens", "at_least": 9}"#),
            "max_tokens",
            true,
        ),
        (
            rule(r#"{"any": [{"not": {"field": "model", "is": ["a"]}}]}"#),
            "model",
            true,
        ),
        (rule(r#"{"field": "resource", "is": ["a"]}"#), "model", true),
        (
            rule(r#"{"field": "tools", "present": true}"#),
            "tools",
            true,
        ),
        (
            rule(r#"{"field": "max_tokens", "at_least": 9}"#),
            "model",
            false,
        ),
        (rule(r#"{"field": "tenant", "is": ["a"]}"#), "model", false),
        (r#"{"unmatched": "refuse"}"#.to_owned(), "model", true),
        ("{}".to_owned(), "model", false),
    ] {
        let decided = decide(&settings, unread(member), &Envelope::default());
        match decided {
            Err(refusal) => {
                assert!(refused, "{settings}: {}", refusal.message);
                assert_eq!(refusal.status, 400, "{settings}: the client's mistake");
                assert!(refusal.message.starts_with(member), "{}", refusal.message);
            }
            Ok(plan) => assert!(!refused, "{settings} with {member}: {plan:?}"),
        }
    }
}

#[test]
fn workspace_environment_and_address_are_fields() {
    let settings = |when: &str| {
        format!(r#"{{"rules": [{{"name": "r", "when": [{when}], "block": {{"message": "no"}}}}]}}"#)
    };
    let envelope = Envelope {
        attributes: [
            ("workspace", "w"),
            ("environment", "e"),
            ("client.address", "192.0.2.7"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        ..Envelope::default()
    };
    for (when, holds) in [
        (r#"{"field": "workspace", "is": ["w"]}"#, true),
        (r#"{"field": "environment", "is": ["x"]}"#, false),
        (r#"{"field": "address", "is": ["192.0.2.*"]}"#, true),
        (
            r#"{"field": "address", "within": ["10.0.0.0/8", "192.0.2.0/24"]}"#,
            true,
        ),
        (r#"{"field": "address", "within": ["10.0.0.0/8"]}"#, false),
    ] {
        let blocked = decide(&settings(when), asking("m"), &envelope).is_err();
        assert_eq!(blocked, holds, "{when}");
        let blocked = decide(&settings(when), asking("m"), &Envelope::default()).is_err();
        assert!(!blocked, "{when}: a fact that is not known is no reason");
    }
    let wrong = settings(r#"{"field": "model", "within": ["10.0.0.0/8"]}"#);
    assert!(
        testing::configure::<RoutePlugin>(&wrong).is_err(),
        "only an address is within"
    );
}
