mod conditions;

use std::collections::BTreeSet;

use witgate_plugin::UpstreamStats;
use witgate_plugin::testing::{self, RequestBuilder};
use witgate_plugin::types::{Envelope, RetryReason};

use super::*;

const RESOURCES: &str = r#"
    {"name": "*opus*", "targets": [{"upstream": "b"}]},
    {"name": "opus", "targets": [{"upstream": "a", "model": "m1"}, {"upstream": "b", "model": "m2", "timeout_ms": 9}],
     "secondary": [{"upstream": "a", "model": "s0"}, {"upstream": "a", "model": "s1"}], "retry_on": ["connect"]},
    {"name": "split", "targets": [{"upstream": "a", "weight": 3}, {"upstream": "b", "weight": 1}, {"upstream": "c"}]}
"#;

/// A request at a gateway with the upstreams `a`, `b` and `c`.
fn placed(request: RequestBuilder) -> RequestBuilder {
    let stats = UpstreamStats {
        in_flight: 2,
        requests: 10,
        errors: 5,
    };
    let upstreams = ["a", "b", "c"].into_iter();
    upstreams.fold(request, |request, name| request.upstream(name, stats))
}

fn decide(
    settings: &str,
    request: RequestBuilder,
    envelope: &Envelope,
) -> Result<Option<Plan>, Refusal> {
    let router: RoutePlugin = testing::configure(settings).unwrap();
    router.decide(&placed(request).context(envelope.clone()).build())
}

/// The plan's targets as `UPSTREAM/MODEL`.
fn targets(plan: &Plan) -> Vec<String> {
    let shown = |target: &Target| {
        format!(
            "{}/{}",
            target.upstream,
            target.model.as_deref().unwrap_or("-")
        )
    };
    plan.targets.iter().map(shown).collect()
}

fn planned(settings: &str, request: RequestBuilder, envelope: &Envelope) -> Vec<String> {
    targets(&decide(settings, request, envelope).unwrap().unwrap())
}

fn resources() -> String {
    format!(r#"{{"resources": [{RESOURCES}], "direct": true}}"#)
}

fn asking(model: &str) -> RequestBuilder {
    RequestBuilder::messages().model(model)
}

fn session(name: &str) -> Envelope {
    Envelope {
        session: Some(name.to_owned()),
        ..Envelope::default()
    }
}

fn secondary(index: u32) -> Envelope {
    Envelope {
        secondary_index: Some(index),
        ..Envelope::default()
    }
}

#[test]
fn without_settings_there_is_no_plan() {
    assert_eq!(decide("{}", asking("any"), &Envelope::default()), Ok(None));
}

#[test]
fn the_model_names_a_resource_and_a_full_name_goes_before_a_glob() {
    let plan = decide(&resources(), asking("opus"), &Envelope::default())
        .unwrap()
        .unwrap();
    assert_eq!(targets(&plan), ["a/m1", "b/m2", "a/s0", "a/s1"]);
    assert_eq!(plan.rule.as_deref(), Some("opus"));
    assert_eq!(plan.retry_on, Some(vec![RetryReason::Connect]));
    assert_eq!(plan.targets[1].timeout_ms, Some(9));
    assert_eq!(
        planned(&resources(), asking("claude-opus-5"), &Envelope::default()),
        ["b/-"]
    );
}

#[test]
fn the_envelopes_resource_goes_before_the_model() {
    let envelope = Envelope {
        resource: Some("claude-opus-5".to_owned()),
        ..Envelope::default()
    };
    assert_eq!(planned(&resources(), asking("opus"), &envelope), ["b/-"]);
}

#[test]
fn a_secondary_index_goes_first_zero_included_and_fallbacks_still_apply() {
    assert_eq!(
        planned(&resources(), asking("opus"), &secondary(0)),
        ["a/s0", "a/m1", "b/m2", "a/s1"]
    );
    assert_eq!(
        planned(&resources(), asking("opus"), &secondary(1)),
        ["a/s1", "a/m1", "b/m2", "a/s0"]
    );
    for (model, index) in [("opus", 2), ("split", 0), ("unknown", 0)] {
        let refusal = decide(&resources(), asking(model), &secondary(index)).unwrap_err();
        assert_eq!(refusal.status, 400, "{model}");
        assert!(
            refusal.message.starts_with("vmx.secondaryModelIndex:"),
            "{}",
            refusal.message
        );
    }
}

#[test]
fn weights_share_out_sessions_and_a_session_sticks() {
    let mut first = [0_u32; 2];
    for n in 0..1000 {
        let envelope = session(&format!("session-{n}"));
        let plan = planned(&resources(), asking("split"), &envelope);
        assert_eq!(
            plan,
            planned(&resources(), asking("split"), &envelope),
            "a session has one place"
        );
        assert_eq!(
            plan.iter().collect::<BTreeSet<_>>().len(),
            3,
            "every target is in the plan once: {plan:?}"
        );
        match plan[0].as_str() {
            "a/-" => first[0] += 1,
            "b/-" => first[1] += 1,
            other => panic!("{other} has no weight"),
        }
    }
    assert!((700..800).contains(&first[0]), "three in four: {first:?}");
}

#[test]
fn upstream_and_model_can_be_named_outright() {
    assert_eq!(
        planned(&resources(), asking("c/some/model"), &Envelope::default()),
        ["c/some/model"]
    );
    assert_eq!(
        decide(&resources(), asking("z/m"), &Envelope::default()),
        Ok(None),
        "there is no upstream z"
    );
    assert_eq!(
        decide("{}", asking("c/m"), &Envelope::default()),
        Ok(None),
        "the settings have to allow it"
    );
}

#[test]
fn what_nothing_fits_is_refused_where_the_settings_say_so() {
    let refusal = decide(
        r#"{"unmatched": "refuse"}"#,
        asking("nope"),
        &Envelope::default(),
    )
    .unwrap_err();
    assert_eq!(
        (refusal.status, refusal.code.as_str()),
        (404, "not_found_error")
    );
    assert!(refusal.message.contains("nope"), "{}", refusal.message);
    let models = RequestBuilder::messages().head(|head| head.model = None);
    assert_eq!(
        decide(r#"{"unmatched": "refuse"}"#, models, &Envelope::default()),
        Ok(None)
    );
}

#[test]
fn the_first_rule_that_fits_acts() {
    let settings = format!(
        r#"{{"resources": [{RESOURCES}], "rules": [
            {{"name": "no", "when": [{{"field": "model", "is": ["bad"]}}], "block": {{"message": "not here"}}}},
            {{"name": "use", "when": [{{"field": "model", "is": ["b*"]}}], "resource": "opus"}},
            {{"name": "send", "targets": [{{"upstream": "c", "model": "m"}}]}}
        ]}}"#
    );
    let refusal = decide(&settings, asking("bad"), &Envelope::default()).unwrap_err();
    assert_eq!(
        (refusal.status, refusal.code.as_str()),
        (400, "policy_blocked")
    );
    assert_eq!(refusal.message, "not here");
    let used = decide(&settings, asking("better"), &Envelope::default())
        .unwrap()
        .unwrap();
    assert_eq!(
        (used.rule.as_deref(), targets(&used).len()),
        (Some("use: opus"), 4)
    );
    assert_eq!(
        planned(&settings, asking("other"), &Envelope::default()),
        ["c/m"]
    );
}

#[test]
fn overrides_are_merged_over_the_resource_and_checked() {
    let with = |json: &str| {
        let attributes = vec![(overrides::ATTRIBUTE.to_owned(), json.to_owned())];
        let envelope = Envelope {
            attributes,
            ..Envelope::default()
        };
        decide(&resources(), asking("opus"), &envelope).map(|plan| targets(&plan.unwrap()))
    };
    assert_eq!(
        with(r#"{"targets": [{"upstream": "c"}]}"#).unwrap(),
        ["c/-", "a/s0", "a/s1"]
    );
    for (json, path) in [
        (
            r#"{"targets": [{"upstream": "a"}, {"upstream": "z"}]}"#,
            "targets[1].upstream: ",
        ),
        (r#"{"targets": [{"upstream": 1}]}"#, "targets[0].upstream: "),
        (
            r#"{"secondary": [{"upstream": "a", "modle": "x"}]}"#,
            "secondary[0].modle: ",
        ),
        (r#"{"retry_on": ["moon"]}"#, "retry_on[0]: "),
    ] {
        let refusal = with(json).unwrap_err();
        assert_eq!(refusal.status, 400, "{json}");
        let expected = format!("vmx.resourceConfigOverrides.{path}");
        assert!(
            refusal.message.starts_with(&expected),
            "{json}: {}",
            refusal.message
        );
    }
}

#[test]
fn every_problem_of_the_settings_is_reported_with_its_path() {
    let settings = r#"{"rules": [
        {"name": "a", "when": [{"field": "modle", "is": []}, {"field": "model", "below": 1}], "resource": "none"},
        {"name": "b"},
        {"name": "c", "when": [{"any": [{}]}], "block": {"message": "m", "status": 200}}
    ], "resources": [{"name": "x"}, {"name": "x", "targets": [{"upstream": "a"}], "retry_on": ["moon"]}]}"#;
    let problems = testing::configure::<RoutePlugin>(settings).unwrap_err();
    let paths: Vec<&str> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    let expected = [
        "resources[0]",
        "resources[1].name",
        "resources[1].retry_on[0]",
        "rules[0].when[0].field",
        "rules[0].when[1]",
        "rules[0].resource",
        "rules[1]",
        "rules[2].when[0].any[0]",
        "rules[2].block.status",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn a_rule_that_leads_to_a_resource_tells_the_host_which() {
    let settings = format!(
        r#"{{"resources": [{RESOURCES}], "rules": [{{"name": "r", "when": [{{"field": "model", "is": ["auto"]}}], "resource": "opus"}}]}}"#
    );
    let plan = |model: &str| {
        let decided = decide(&settings, asking(model), &Envelope::default());
        decided.unwrap().unwrap()
    };
    let led = plan("auto");
    assert_eq!(led.resource.as_deref(), Some("opus"), "the rule's");
    assert_eq!(plan("opus").resource, None, "the request itself names it");
}

#[test]
fn without_rules_the_hook_is_called_only_for_what_it_may_plan() {
    let interests = |settings: &str| {
        let router: RoutePlugin = testing::configure(settings).unwrap();
        router.interests()
    };
    let route = || Interest::of(Hook::Route);
    let with_models = |models: &[&str]| {
        [
            route().models(models.iter().copied()),
            route().attributes([overrides::ATTRIBUTE]),
            route().secondary_index(),
        ]
    };
    assert_eq!(interests("{}"), with_models(&[]), "no resources");
    assert_eq!(
        interests(&resources()),
        with_models(&["*opus*", "opus", "split", "*/*"]),
        "the resources, and names of upstreams"
    );
    let rule = r#"{"rules": [{"name": "r", "when": [], "block": {"message": "no"}}]}"#;
    assert_eq!(interests(rule), [], "a rule may act on every request");
    assert_eq!(
        interests(r#"{"unmatched": "refuse"}"#),
        [],
        "any model may be refused"
    );
}
