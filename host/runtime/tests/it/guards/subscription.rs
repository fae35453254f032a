//! The texts and the exchanges that a guard is asked about.

use std::sync::Arc;

use witgate_artifacts::{HOSTILE, WARDEN};
use witgate_runtime::{
    AdmissionCause, Caller, ContentKind, ContentSide, Envelope, Hook, PassedText, PlainRequest,
    Source,
};

use super::{TEXT, asked, guards, warden};
use crate::guest::{Guest, NEWEST, SUBSCRIBED};
use crate::request::{PATIENT, alone, granting, runtime};

fn refused(grants: &str, settings: &str) -> String {
    let sidecar = format!("{PATIENT}\n[grants]\n{grants}\n[settings]\n{settings}\n");
    let source = Source::new("a", WARDEN.bytes()).with_sidecar(sidecar);
    let error = runtime().admit(&source).expect_err("it is refused");
    match error.cause {
        AdmissionCause::Settings(problems) => problems.to_string(),
        other => panic!("problems were expected, not {other}"),
    }
}

#[test]
fn content_that_is_not_granted_is_a_problem_with_the_line_to_add() {
    let both = r#"content = ["text", "user", "end"]"#;
    let table = [
        ("", TEXT, "`text`; set `content = [\"response\"]`"),
        (
            "",
            both,
            "`user`, `text`, `end`; set `content = [\"request\", \"response\"]`",
        ),
        (
            "content = [\"response\"]",
            both,
            "`user`; set `content = [\"request\", \"response\"]`",
        ),
    ];
    for (grants, settings, expected) in table {
        let problem = refused(grants, settings);
        let expected = format!(
            "the plugin subscribes to content that is not granted: {expected} in [grants] of the sidecar to grant it"
        );
        assert!(
            problem.contains(&expected),
            "{grants} {settings}: {problem}"
        );
    }
}

#[test]
fn a_kind_that_the_host_does_not_know_is_a_problem() {
    let problem = refused("content = [\"response\"]", r#"content = ["smoke-signals"]"#);
    assert!(
        problem.contains("content of the kind `smoke-signals`, which this host does not know"),
        "{problem}"
    );
}

#[test]
fn an_unknown_side_in_a_grant_is_a_problem_of_the_sidecar() {
    let source = Source::new("a", WARDEN.bytes()).with_sidecar("[grants]\ncontent = [\"sky\"]\n");
    let error = runtime().admit(&source).expect_err("it is refused");
    assert!(error.to_string().contains("grants.content"), "{error}");
}

#[test]
fn a_guard_is_asked_about_the_kinds_that_it_subscribed_to_alone() {
    let marks = |kind: &str| warden(kind, &format!("content = [\"{kind}\"]\nmark = true"));
    let mut guards = guards(&[marks("text"), marks("tool-input")]);
    for (kind, passes) in [
        (ContentKind::Text, Some("[hi].")),
        (ContentKind::ToolInput, Some("[hi].")),
        (ContentKind::Thinking, None),
    ] {
        assert_eq!(guards.wants(kind), passes.is_some(), "{kind}");
        let passed = guards.inspect(kind, 0, "hi", true).expect("it passes");
        let passes = passes.map_or(PassedText::Unchanged, |text| {
            PassedText::Changed(text.to_owned())
        });
        assert_eq!(passed.text, passes, "{kind}");
    }
    assert!(!guards.wants_side(ContentSide::Request), "only responses");
    assert!(guards.wants_side(ContentSide::Response), "responses");
}

#[test]
fn a_guest_of_the_bare_contract_subscribes_and_passes() {
    let guest = Guest::new().version(NEWEST);
    let guest = guest.with("lifecycle", SUBSCRIBED).with("guard", "");
    let sidecar = format!("{PATIENT}\n[grants]\ncontent = [\"response\"]\n");
    let source = Source::new("bare", guest.build()).with_sidecar(sidecar);
    let plugin = runtime()
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(plugin.content().collect::<Vec<_>>(), [ContentKind::Text]);
    let mut guards = guards(&[Arc::clone(&plugin)]);
    let passed = guards.inspect(ContentKind::Text, 0, "hi", false);
    assert_eq!(passed.expect("it passes").text, PassedText::Unchanged);
    assert_eq!(plugin.metrics().hooks[&Hook::Guard].calls, 1, "one call");
}

#[test]
fn without_a_subscription_there_are_no_guards() {
    let silent = warden("a", "");
    assert!(asked(&[silent]).expect("no refusal").is_none(), "no kind");
    let hostile = Source::new("hostile", HOSTILE.bytes())
        .with_sidecar(granting("[settings]\nguard = \"trap\"\n"));
    let hostile = runtime().admit(&hostile).expect("it is never asked");
    assert!(asked(&[hostile]).expect("no refusal").is_none(), "no kind");
    assert!(asked(&[]).expect("no refusal").is_none(), "no plugin");
}

#[test]
fn a_guard_that_is_not_interested_in_a_request_is_left_out() {
    let plugin = warden("a", &format!("{TEXT}\ntier = \"free\""));
    let lineup = alone(&plugin);
    for (tier, wants) in [("free", true), ("paid", false)] {
        let request = PlainRequest::new("messages", "POST", "/v1/messages").with_caller(Caller {
            tier: Some(tier.to_owned()),
            ..Caller::default()
        });
        let hooks = lineup.begin(Arc::new(request));
        let guards = hooks.guards(&Arc::default()).expect("no refusal");
        assert_eq!(guards.is_some(), wants, "{tier}");
    }
    let figures = plugin.metrics().hooks[&Hook::Guard];
    assert_eq!((figures.calls, figures.left_out), (0, 1), "the figures");
}

#[test]
fn a_required_plugin_that_is_missing_refuses_the_exchange() {
    let lineup = witgate_runtime::Lineup::new(1, Vec::new(), &["guard".to_owned()]);
    let hooks = lineup.begin(crate::request::plain());
    let rejection = hooks.guards(&Arc::default()).expect_err("it is required");
    assert_eq!(rejection.status(), 503, "{rejection}");
}

#[test]
fn the_facts_of_the_exchange_are_there_in_each_call() {
    let plugin = warden("a", &format!("{TEXT}\ntell = true"));
    let lineup = alone(&plugin);
    let request = PlainRequest::new("messages", "POST", "/v1/messages")
        .with_id("request-7")
        .with_caller(Caller {
            key_id: "key-7".to_owned(),
            ..Caller::default()
        });
    let context = Arc::new(Envelope {
        resource: Some("house".to_owned()),
        ..Envelope::default()
    });
    let hooks = lineup.begin(Arc::new(request));
    let guards = hooks.guards(&context).expect("no refusal");
    drop(hooks.finish());
    let mut guards = guards.expect("a guard");
    let passed = guards.inspect(ContentKind::Text, 3, "hi", true);
    assert_eq!(
        passed.expect("it passes").text,
        PassedText::Changed("request-7 key-7 Some(\"house\") 3".to_owned()),
        "what it was told"
    );
}
