//! Tests of the names.

use super::*;

fn id(name: &str) -> String {
    Models::default().id(name).unwrap().0
}

#[test]
fn a_date_moves_behind_an_at() {
    assert_eq!(
        id("claude-opus-4-5-20251101"),
        "claude-opus-4-5@20251101",
        "a dated name"
    );
    assert_eq!(
        id("claude-opus-4-5"),
        "claude-opus-4-5@20251101",
        "an alias"
    );
    assert_eq!(
        id("claude-3-5-sonnet-20241022"),
        "claude-3-5-sonnet-v2@20241022",
        "the exception"
    );
}

#[test]
fn newer_names_and_ids_of_vertex_pass() {
    for name in [
        "claude-opus-5-5",
        "claude-opus-4-6",
        "claude-next-9",
        "claude-opus-4-6@default",
        "claude-sonnet-4-5@20250929",
    ] {
        assert_eq!(id(name), name, "as it is");
    }
}

#[test]
fn the_operators_map_wins() {
    let own = [("claude-opus-5", "ours@1"), ("fast", "claude-haiku-5-5")];
    let own = own.map(|(name, id)| (name.to_owned(), ModelId::try_new(id).unwrap()));
    let models = Models::new(own.into());
    assert_eq!(models.id("claude-opus-5").unwrap().0, "ours@1", "over all");
    assert_eq!(models.id("fast").unwrap().0, "claude-haiku-5-5", "a name");
}

#[test]
fn an_unknown_name_is_refused_with_the_way_out() {
    for name in [
        "gpt-5",
        "claude-a/../b",
        "claude-a:predict",
        "claude-a;x",
        "",
    ] {
        let error = Models::default().id(name).unwrap_err().to_string();
        assert!(error.contains("map the name"), "{name}: {error}");
    }
    for text in ["", ".", "..", "a/b", "a:b", "a?b", "a%2fb"] {
        assert!(ModelId::try_new(text).is_err(), "`{text}` is another path");
    }
}

#[test]
fn a_count_names_the_model_without_its_version() {
    let family = |text| ModelId::try_new(text).unwrap().family().to_owned();
    assert_eq!(
        family("claude-sonnet-4-5@20250929"),
        "claude-sonnet-4-5",
        "dated"
    );
    assert_eq!(family("claude-opus-5"), "claude-opus-5", "undated");
}
