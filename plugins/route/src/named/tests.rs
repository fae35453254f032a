use witgate_plugin::testing::{self, RequestBuilder};
use witgate_plugin::types::{self, Plan, Refusal};
use witgate_plugin::{Route as _, UpstreamStats};

use crate::RoutePlugin;

fn decide(
    settings: &str,
    request: RequestBuilder,
    envelope: &types::Envelope,
) -> Result<Option<Plan>, Refusal> {
    let router: RoutePlugin = testing::configure(settings).unwrap();
    let request = request
        .upstream("a", UpstreamStats::default())
        .context(envelope.clone());
    router.decide(&request.build())
}

#[test]
fn a_rule_that_blocks_a_model_blocks_it_as_a_fallback_and_in_a_tool() {
    let settings = r#"{"rules": [
        {"name": "mine", "when": [{"field": "model", "is": ["opus-mine"]}], "targets": [{"upstream": "a"}]},
        {"name": "no", "when": [{"field": "model", "is": ["opus*"]}], "block": {"message": "no opus"}}]}"#;
    let body = |more: &str| {
        let body = format!(r#"{{"model": "sonnet", "messages": [], {more}}}"#);
        RequestBuilder::messages().body(body)
    };
    let none = types::Envelope::default();
    for more in [
        r#""fallbacks": [{"model": "haiku"}, {"model": "opus-5"}]"#,
        r#""tools": [{"type": "advisor_20260301", "model": "opus-5"}]"#,
        r#""fallbacks": "default""#,
    ] {
        assert!(decide(settings, body(more), &none).is_err(), "{more}");
    }
    for more in [
        r#""fallbacks": [{"model": "haiku"}, {"model": "opus-mine"}]"#,
        r#""tools": [{"name": "cars", "input_schema": {"model": "opus-5"}}]"#,
    ] {
        assert!(decide(settings, body(more), &none).is_ok(), "{more}");
    }
    let refuse = r#"{"unmatched": "refuse", "resources": [{"name": "sonnet", "targets": [{"upstream": "a"}]}]}"#;
    let unknown = decide(refuse, body(r#""fallbacks": [{"model": "opus-5"}]"#), &none);
    assert_eq!(
        unknown.unwrap_err().status,
        404,
        "every model has to have a resource"
    );
}

#[test]
fn what_a_caller_names_never_becomes_more_than_may_be_returned() {
    let none = types::Envelope::default();
    let long = RequestBuilder::messages().head(|head| head.model = Some("m".repeat(1025)));
    let refusal = decide("{}", long, &none).unwrap_err();
    assert_eq!(refusal.status, 400, "{refusal:?}");
    let nameless = RequestBuilder::messages().head(|head| head.model = Some("a/".to_owned()));
    let plan = decide(r#"{"direct": true}"#, nameless, &none).unwrap();
    assert!(plan.is_none(), "an upstream without a model is no target");
    let override_with = |json: String| types::Envelope {
        attributes: vec![("vmx.resource-config-overrides".to_owned(), json)],
        ..types::Envelope::default()
    };
    let many = vec![r#"{"upstream": "a"}"#; 33].join(",");
    for json in [
        format!(r#"{{"targets": [{many}]}}"#),
        r#"{"targets": [{"upstream": "a", "model": ""}]}"#.to_owned(),
        format!(
            r#"{{"targets": [{{"upstream": "a"}}], "retry_on": [{}]}}"#,
            vec!["\"timeout\""; 33].join(",")
        ),
    ] {
        let refused = decide(
            "{}",
            RequestBuilder::messages(),
            &override_with(json.clone()),
        );
        assert_eq!(refused.unwrap_err().status, 400, "{json}");
    }
}
