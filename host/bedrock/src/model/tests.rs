//! Tests of the names.

use super::*;

const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3";

fn models(geography: Geography, own: &[(&str, &str)]) -> Models {
    let own = own
        .iter()
        .map(|(name, id)| ((*name).to_owned(), ModelId::try_new(id).unwrap()));
    Models::new(geography, own.collect())
}

#[test]
fn a_name_of_the_api_becomes_the_profile_of_the_chosen_geography() {
    let id = |geography| models(geography, &[]).id("claude-opus-4-6").unwrap().0;
    assert_eq!(
        id(Geography::Eu),
        "eu.anthropic.claude-opus-4-6-v1",
        "by profile"
    );
    assert_eq!(
        id(Geography::Region),
        "anthropic.claude-opus-4-6-v1",
        "without one"
    );
}

#[test]
fn the_operators_map_wins_and_ids_of_bedrock_pass() {
    let models = models(
        Geography::Global,
        &[
            ("claude-opus-5", ARN),
            ("ours", "eu.anthropic.claude-opus-5"),
        ],
    );
    let id = |name| models.id(name).unwrap().0;
    assert_eq!(id("claude-opus-5"), ARN, "the map wins over the table");
    assert_eq!(
        id("ours"),
        "eu.anthropic.claude-opus-5",
        "a name of the operator's own"
    );
    for name in [ARN, "anthropic.claude-new-9", "us.anthropic.claude-new-9"] {
        assert_eq!(id(name), name, "an id passes, known or not");
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_way_out() {
    let refused = |name: &str| models(Geography::Us, &[]).id(name).unwrap_err().to_string();
    assert!(
        refused("claude-next").contains("map the name"),
        "the operator learns what to do"
    );
    for name in ["arn:aws/../../x?y", "anthropic.claude\u{e9}", ""] {
        refused(name);
    }
}

#[test]
fn an_id_is_one_segment_of_a_path() {
    let segment = |id| ModelId::try_new(id).unwrap().segment().to_string();
    assert_eq!(
        segment("us.anthropic.claude-opus-4-1-20250805-v1:0"),
        "us.anthropic.claude-opus-4-1-20250805-v1%3A0",
        "a colon is escaped"
    );
    assert_eq!(
        segment(ARN),
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3",
        "a slash is escaped"
    );
    for id in ["", ".", "..", "a?b", "a%2fb", "a b"] {
        assert!(
            ModelId::try_new(id).is_err(),
            "`{id}` would be another path"
        );
    }
}

#[test]
fn tokens_are_counted_by_the_foundation_model() {
    let foundation = |id| ModelId::try_new(id).unwrap().foundation().0;
    assert_eq!(
        foundation("global.anthropic.claude-opus-5"),
        "anthropic.claude-opus-5",
        "of a profile"
    );
    assert_eq!(
        foundation(
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-opus-5"
        ),
        "anthropic.claude-opus-5",
        "of a profile's ARN"
    );
    assert_eq!(
        foundation(ARN),
        ARN,
        "an application's profile does not say its model"
    );
}

#[test]
fn each_row_of_the_table_is_an_id_and_each_name_stands_once() {
    let mut names: Vec<_> = TABLE.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TABLE.len(), "no name twice");
    for (name, id) in TABLE {
        assert!(
            is_bedrock(id) && ModelId::try_new(id).is_ok(),
            "{name}: {id}"
        );
        assert!(
            id.starts_with(&format!("anthropic.{}", name.trim_end_matches("-0"))),
            "{name} is {id}"
        );
    }
}
