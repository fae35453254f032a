use witgate_plugin::testing;

use super::*;

fn plugin(settings: &str) -> AuditPlugin {
    testing::configure(settings).unwrap()
}

fn written(settings: &str) -> Vec<(String, Value)> {
    let field = |name: &str, value| Field {
        name: name.to_owned(),
        value,
    };
    let receipt = Receipt {
        id: "req_1".to_owned(),
        fields: vec![
            field("outcome", Value::Text("ok".to_owned())),
            field("user", Value::Text("ann".to_owned())),
            field("metadata.team", Value::Text("blue".to_owned())),
            field("usage.output_tokens", Value::Integer(7)),
        ],
    };
    let mut receipts = plugin(settings).entries(vec![receipt]);
    assert_eq!(receipts.len(), 1, "a receipt was lost");
    let receipt = receipts.remove(0);
    assert_eq!(receipt.id, "req_1", "the id changed");
    receipt
        .fields
        .into_iter()
        .map(|field| (field.name, field.value))
        .collect()
}

fn names(settings: &str) -> Vec<String> {
    written(settings)
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn without_settings_everything_is_written_as_it_is() {
    assert_eq!(
        names("{}"),
        ["outcome", "user", "metadata.team", "usage.output_tokens"]
    );
}

#[test]
fn dropped_fields_are_gone_but_the_outcome_never_is() {
    assert_eq!(
        names(r#"{"drop": ["metadata.*"]}"#),
        ["outcome", "user", "usage.output_tokens"]
    );
    assert_eq!(
        names(r#"{"drop": ["*"]}"#),
        ["outcome"],
        "the outcome is protected from a glob"
    );
    assert_eq!(
        names(r#"{"keep": ["usage.*"]}"#),
        ["outcome", "usage.output_tokens"]
    );
}

#[test]
fn hashes_hide_the_value_and_keep_equality() {
    let settings = r#"{"hash": ["user"], "salt": "sixteen bytes, at least"}"#;
    let (_, first) = written(settings).remove(1);
    let (_, second) = written(settings).remove(1);
    assert_eq!(first, second, "equal values have equal hashes");
    assert_ne!(
        first,
        Value::Text("ann".to_owned()),
        "the value is readable"
    );
    let (_, other) = written(r#"{"hash": ["user"], "salt": "another sixteen bytes"}"#).remove(1);
    assert_ne!(first, other, "the salt counts");
}

#[test]
fn tags_are_fixed_or_copied_before_the_field_is_dropped() {
    let fields = written(
        r#"{"drop": ["metadata.*"], "tags": {"site": "berlin"}, "copy": {"team": "metadata.team"}}"#,
    );
    let text = |text: &str| Value::Text(text.to_owned());
    assert!(
        fields.contains(&("tags.site".to_owned(), text("berlin"))),
        "{fields:?}"
    );
    assert!(
        fields.contains(&("tags.team".to_owned(), text("blue"))),
        "{fields:?}"
    );
    assert!(
        !fields.iter().any(|(name, _)| name == "metadata.team"),
        "{fields:?}"
    );
}

#[test]
fn settings_that_would_hide_the_outcome_or_hash_without_salt_are_refused() {
    let problems = testing::configure::<AuditPlugin>(
        r#"{"drop": ["x", "outcome"], "hash": ["user"], "salted": 1}"#,
    );
    let paths: Vec<String> = problems
        .unwrap_err()
        .into_iter()
        .map(|problem| problem.path)
        .collect();
    assert_eq!(paths, ["salted", "drop[1]", "salt"]);
}
