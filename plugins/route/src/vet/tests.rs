use witgate_plugin::testing::{self, RequestBuilder};
use witgate_plugin::types::{self, Refusal};
use witgate_plugin::{Route as _, UpstreamStats};

use crate::{RoutePlugin, overrides};

const RESOURCES: &str = r#"
    {"name": "smart", "targets": [{"upstream": "a", "model": "sonnet"}],
     "secondary": [{"upstream": "a", "model": "opus"}, {"upstream": "b", "model": "haiku"}]},
    {"name": "best", "targets": [{"upstream": "a", "model": "opus"}]}
"#;

const NO_OPUS: &str = r#"{"name": "no opus", "when": [{"field": "model", "is": ["opus"]}], "block": {"message": "no opus"}}"#;

/// A request at a gateway with the upstreams `a` and `b`.
fn request(model: &str, envelope: &types::Envelope) -> RequestBuilder {
    RequestBuilder::messages()
        .model(model)
        .upstream("a", UpstreamStats::default())
        .upstream("b", UpstreamStats::default())
        .context(envelope.clone())
}

/// The targets that these rules leave, as `UPSTREAM/MODEL`.
fn planned(rules: &str, model: &str, envelope: &types::Envelope) -> Result<Vec<String>, Refusal> {
    let settings = format!(r#"{{"direct": true, "resources": [{RESOURCES}], "rules": [{rules}]}}"#);
    let router: RoutePlugin = testing::configure(&settings).unwrap();
    let plan = router.decide(&request(model, envelope).build())?;
    let targets = plan.map(|plan| plan.targets).unwrap_or_default();
    Ok(targets
        .iter()
        .map(|target| {
            format!(
                "{}/{}",
                target.upstream,
                target.model.as_deref().unwrap_or("-")
            )
        })
        .collect())
}

fn plain() -> types::Envelope {
    types::Envelope::default()
}

fn index(index: u32) -> types::Envelope {
    types::Envelope {
        secondary_index: Some(index),
        ..plain()
    }
}

fn overriding(json: &str) -> types::Envelope {
    types::Envelope {
        attributes: vec![(overrides::ATTRIBUTE.to_owned(), json.to_owned())],
        ..plain()
    }
}

#[test]
fn a_block_holds_for_every_way_to_the_model() {
    let opus = r#"{"targets": [{"upstream": "b", "model": "opus"}], "secondary": []}"#;
    for (what, model, envelope) in [
        ("asked for", "opus", plain()),
        ("a resource", "best", plain()),
        ("an index", "smart", index(0)),
        ("an override", "smart", overriding(opus)),
        ("the upstream's name", "b/opus", plain()),
    ] {
        let refusal = planned(NO_OPUS, model, &envelope).expect_err(what);
        assert_eq!(refusal.message, "no opus", "{what}");
    }
}

#[test]
fn a_blocked_fallback_is_left_out() {
    assert_eq!(
        planned(NO_OPUS, "smart", &plain()).unwrap(),
        ["a/sonnet", "b/haiku"],
        "the others stay, in their order"
    );
    assert_eq!(
        planned(NO_OPUS, "smart", &index(1)).unwrap(),
        ["b/haiku", "a/sonnet"],
        "and so does what was chosen"
    );
}

#[test]
fn a_rule_that_sends_a_model_elsewhere_sends_the_planned_one_there() {
    let instead = r#"{"name": "cheaper", "when": [{"field": "model", "is": ["opus"]}],
                      "targets": [{"upstream": "b", "model": "haiku"}]}"#;
    assert_eq!(planned(instead, "best", &plain()).unwrap(), ["b/haiku"]);
    assert_eq!(
        planned(instead, "smart", &index(0)).unwrap(),
        ["b/haiku", "a/sonnet"],
        "in its place, and no target twice"
    );
    let rules = format!(
        r#"{instead}, {{"name": "no haiku", "when": [{{"field": "model", "is": ["haiku"]}}], "block": {{"message": "no haiku"}}}}"#
    );
    let refusal = planned(&rules, "best", &plain()).unwrap_err();
    assert_eq!(
        refusal.message, "no haiku",
        "what it leads to is looked at too"
    );
}

#[test]
fn what_an_earlier_rule_has_decided_stands() {
    let rules = |first: &str| format!("{first}, {NO_OPUS}");
    let allowed = r#"{"name": "house", "when": [{"field": "model", "is": ["house", "opus"]}],
                      "targets": [{"upstream": "a", "model": "opus"}]}"#;
    assert_eq!(
        planned(&rules(allowed), "house", &plain()).unwrap(),
        ["a/opus"],
        "its conditions hold for the planned model as well"
    );
    let renamed =
        r#"{"name": "house", "when": [{"field": "model", "is": ["house"]}], "resource": "best"}"#;
    assert!(
        planned(&rules(renamed), "house", &plain()).is_err(),
        "a new name for a model is no way past a rule"
    );
    let everything = r#"{"name": "rest", "targets": [{"upstream": "b", "model": "haiku"}]}"#;
    assert_eq!(
        planned(&format!("{renamed}, {everything}"), "house", &plain()).unwrap(),
        ["a/opus"],
        "a rule behind it that would hold anyway changes nothing"
    );
}

#[test]
fn a_target_that_the_caller_has_named_is_marked_for_the_host() {
    let router: RoutePlugin =
        testing::configure(&format!(r#"{{"resources": [{RESOURCES}]}}"#)).unwrap();
    let mine = r#"{"targets": [{"upstream": "a", "model": "mine"}, {"upstream": "a", "model": "opus"}], "secondary": []}"#;
    let plan = router.decide(&request("smart", &overriding(mine)).build());
    let plan = plan.unwrap().unwrap();
    let mark = ("named-by".to_owned(), "caller".to_owned());
    assert_eq!(plan.targets[0].attributes, [mark], "its own");
    assert_eq!(plan.targets[1].attributes, [], "one of the resource's");
}
