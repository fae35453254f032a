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
        found,
        [
            (
                "rules[0].weight".to_owned(),
                "must be a whole number from 0 to 4294967295, not a string".to_owned()
            ),
            ("rulez".to_owned(), "unknown key".to_owned()),
        ],
        "in the words of a settings table"
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
fn every_wrong_and_missing_value_is_reported_at_once() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only its types are looked at")]
    struct Wide {
        heavy: bool,
        place: Place,
        rules: Vec<Place>,
        kind: Kind,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only its types are looked at")]
    struct Place {
        x: u32,
        y: u32,
    }
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Round,
        Flat,
    }
    let json =
        r#"{"place": 5, "rules": [{"x": "a", "z": 1}, {"x": 1, "y": -1}, 7], "kind": "tall"}"#;
    let found = typed::<Wide>(json).unwrap_err().to_string();
    for told in [
        "; `heavy` is missing",
        "place: must be a table, not 5",
        "rules[0].x: must be a whole number from 0 to 4294967295, not a string",
        "rules[0]: `y` is missing",
        "rules[0].z: unknown key",
        "rules[1].y: must be a whole number from 0 to 4294967295, not -1",
        "rules[2]: must be a table, not 7",
        "kind: must be \"round\" or \"flat\"",
    ] {
        assert!(found.contains(told), "{told:?} is told in {found}");
    }
}

#[test]
fn the_plugins_own_checks_run_beside_wrong_values_and_say_nothing_of_stand_ins() {
    let found = problems(r#"{"forbidden": "x", "rules": 1}"#);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["rules", "forbidden"], "{found:?}");
    let found = problems(r#"{"forbidden": 1}"#);
    assert_eq!(found.len(), 1, "told once: {found:?}");
}

#[test]
fn no_settings_refuse_every_key() {
    let found = typed::<NoSettings>(r#"{"anything": 1}"#).unwrap_err();
    let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["anything"], "a key was swallowed");
}
