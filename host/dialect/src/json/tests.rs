//! Tests of removals.

use super::*;

fn without(path: &str, text: &str) -> Pruned {
    prune(text, &Path::read(path).steps)
}

fn left(text: &str) -> Pruned {
    Pruned::Without(text.to_owned())
}

#[test]
fn a_member_of_a_member_is_removed_and_its_neighbours_keep_their_bytes() {
    let text = r#"{"format": {"type" :1}, "effort":  1.50e0 }"#;
    assert_eq!(
        without("output_config.format", text),
        left(r#"{"effort":1.50e0}"#),
        "numbers stay as written"
    );
    assert_eq!(
        without("output_config.effort", text),
        left(r#"{"format":{"type" :1}}"#),
        "blanks inside stay"
    );
    assert_eq!(
        without("output_config.none", text),
        Pruned::Same,
        "nothing there"
    );
}

#[test]
fn a_name_with_escapes_is_the_same_name() {
    let text = r#"{"\u0066ormat":1,"a":2}"#;
    assert_eq!(
        without("output_config.format", text),
        left(r#"{"a":2}"#),
        "decoded first"
    );
}

#[test]
fn elements_are_removed_by_type_and_their_members_by_name() {
    let text =
        r#"[{"type":"web_search_20250305","name":"w"}, {"name":"type","x":{"scope": 1,"b":2}}]"#;
    assert_eq!(
        without("tools[web_search_]", text),
        left(r#"[{"name":"type","x":{"scope": 1,"b":2}}]"#),
        "by type"
    );
    assert_eq!(
        without("tools[].x.scope", text),
        left(r#"[{"type":"web_search_20250305","name":"w"},{"name":"type","x":{"b":2}}]"#),
        "inside of each"
    );
}

#[test]
fn a_container_that_becomes_empty_is_removed_with_its_content() {
    let emptied = without("c.edits[clear_]", r#"{"edits":[{"type":"clear_x"}]}"#);
    assert_eq!(emptied, Pruned::Empty, "all the way up");
    let neighbour = without("c.edits[clear_]", r#"{"edits":[{"type":"clear_x"}],"k":1}"#);
    assert_eq!(neighbour, left(r#"{"k":1}"#), "up to a neighbour");
    assert_eq!(
        without("c.edits[clear_]", r#"{"edits":[]}"#),
        Pruned::Same,
        "empty before"
    );
}

#[test]
fn other_types_than_expected_stay() {
    for text in [
        "3",
        "\"scope\"",
        "[\"scope\",3]",
        "[{\"cache_control\":[\"scope\"]}]",
        "[{\"scope\"",
    ] {
        assert_eq!(
            without("system[].cache_control.scope", text),
            Pruned::Same,
            "{text}"
        );
    }
}

#[test]
fn a_type_with_escapes_is_the_same_type() {
    let text = r#"[{"type":"\u0077eb_search_1"},{"a":1}]"#;
    assert_eq!(
        without("tools[web_search_]", text),
        left(r#"[{"a":1}]"#),
        "decoded first"
    );
}

#[test]
fn a_text_without_the_name_is_not_parsed_for_its_escapes() {
    let text = r#"{"a":"caf\u00e9 \u4f60 \n"}"#;
    assert!(!may_have(text, "scope"), "escapes of other letters");
    for text in [
        r#"{"sc\u006fpe":1}"#,
        r#"{"\u0073cope":1}"#,
        r#"{"scope":1}"#,
    ] {
        assert!(may_have(text, "scope"), "{text}");
    }
    assert!(
        may_have(r#"{"output\u005Fconfig":1}"#, "output_config"),
        "an underscore"
    );
}
