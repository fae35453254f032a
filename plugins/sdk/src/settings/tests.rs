use super::*;
use crate::testing;

#[derive(Debug)]
struct Sample;

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    #[allow(dead_code, reason = "only its type is looked at")]
    rules: Vec<Rule>,
    forbidden: Option<String>,
}

#[derive(Deserialize)]
struct Rule {
    #[allow(dead_code, reason = "only its type is looked at")]
    weight: Option<u32>,
}

impl Plugin for Sample {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        if settings.forbidden.is_some() {
            problems.push("forbidden", "not today");
        }
        problems.or(Self)
    }
}

fn problems(json: &str) -> Vec<(String, String)> {
    let problems = testing::configure::<Sample>(json).unwrap_err();
    problems
        .into_iter()
        .map(|problem| (problem.path, problem.message))
        .collect()
}

#[test]
fn all_unknown_keys_are_reported_at_once_with_their_paths() {
    let found = problems(r#"{"rulez": [], "rules": [{"weight": 1}, {"wait": 1}], "x": {"y": 1}}"#);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["rulez", "rules[1].wait", "x"], "{found:?}");
}

#[test]
fn a_wrong_type_is_reported_with_its_path_beside_unknown_keys() {
    let found = problems(r#"{"rulez": 1, "rules": [{"weight": "heavy"}]}"#);
    assert_eq!(
        found[0],
        ("rulez".to_owned(), "unknown key".to_owned()),
        "{found:?}"
    );
    assert_eq!(found[1].0, "rules[0].weight", "{found:?}");
    assert!(found[1].1.contains("expected u32"), "{found:?}");
    assert!(
        !found[1].1.contains("line"),
        "the line would be that of another text: {found:?}"
    );
}

#[test]
fn the_plugins_own_checks_run_beside_unknown_keys() {
    let found = problems(r#"{"forbidden": "x", "rulez": 1}"#);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        found[1],
        ("forbidden".to_owned(), "not today".to_owned()),
        "{found:?}"
    );
}

#[test]
fn no_settings_refuse_every_key() {
    let text = r#"{"anything": 1}"#;
    let mut unknown = Vec::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let _: NoSettings =
        serde_ignored::deserialize(&mut json, |path| unknown.push(path.to_string())).unwrap();
    assert_eq!(unknown, ["anything"], "a key was swallowed");
}
