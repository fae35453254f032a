use witgate_plugin::testing;
use witgate_plugin::types::{Field, Value};

use super::*;

/// Returns the edits of all receipts of a call.
fn edits(settings: &str) -> Vec<ReceiptEdit> {
    let plugin: AuditPlugin = testing::configure(settings).unwrap();
    let field = |name: &str, value| Field {
        name: name.to_owned(),
        value,
    };
    let fields = vec![
        field("outcome", Value::Text("ok".to_owned())),
        field("user", Value::Text("ann".to_owned())),
        field("usage.output_tokens", Value::Integer(7)),
    ];
    let mut edits = plugin.edit(&testing::receipts(vec![fields.clone(), fields]));
    assert!(edits.len() <= 1, "once for all receipts: {edits:?}");
    let Some(edits) = edits.pop() else {
        return Vec::new();
    };
    assert_eq!(edits.receipt, None, "for all receipts");
    edits.changes
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn without_settings_everything_is_written_as_it_is() {
    assert_eq!(edits("{}"), [], "no edits");
}

#[test]
fn the_hook_is_called_only_if_there_is_something_to_edit() {
    let interests = |settings: &str| {
        let plugin: AuditPlugin = testing::configure(settings).unwrap();
        plugin.interests()
    };
    let never = Interest::of(Hook::Audit).endpoints(None::<String>);
    let never = std::slice::from_ref(&never);
    assert_eq!(interests("{}"), never, "nothing to edit");
    assert_eq!(interests(r#"{"keep": ["*"]}"#), never, "all are kept");
    assert_eq!(interests(r#"{"drop": ["user"]}"#), [], "every receipt");
}

#[test]
fn fields_are_dropped_and_kept_by_patterns() {
    assert_eq!(
        edits(r#"{"drop": ["metadata.*", "user"]}"#),
        [ReceiptEdit::Drop(names(&["metadata.*", "user"]))],
        "dropped"
    );
    assert_eq!(
        edits(r#"{"keep": ["usage.*"]}"#),
        [ReceiptEdit::Keep(names(&["usage.*"]))],
        "kept"
    );
    assert_eq!(edits(r#"{"keep": ["usage.*", "*"]}"#), [], "all are kept");
}

#[test]
fn hashes_hide_the_value_with_the_salt_as_their_key() {
    let settings = r#"{"hash": ["user"], "salt": "sixteen bytes, at least"}"#;
    let hash = ReceiptEdit::hash(names(&["user"]), "sixteen bytes, at least");
    assert_eq!(edits(settings), [hash], "the host computes it");
}

#[test]
fn drop_goes_before_hash_and_hash_before_keep() {
    let settings = r#"{"drop": ["user"], "hash": ["user", "tenant"], "keep": ["usage.*"], "salt": "sixteen bytes, at least"}"#;
    assert_eq!(
        edits(settings),
        [
            ReceiptEdit::Drop(names(&["user"])),
            ReceiptEdit::Keep(names(&["usage.*", "user", "tenant"])),
            ReceiptEdit::hash(names(&["user", "tenant"]), "sixteen bytes, at least"),
        ],
        "a dropped field is not there to be hashed, and a hashed one is kept"
    );
}

#[test]
fn tags_are_fixed_or_copied_from_the_field_as_it_was() {
    let settings = r#"{"drop": ["metadata.*"], "tags": {"site": "berlin"}, "copy": {"team": "metadata.team"}}"#;
    assert_eq!(
        edits(settings),
        [
            ReceiptEdit::Drop(names(&["metadata.*"])),
            ReceiptEdit::set("tags.site", Value::Text("berlin".to_owned())),
            ReceiptEdit::copy("metadata.team", "tags.team"),
        ],
        "tags come last, so nothing drops them; a copy has the value from before"
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
