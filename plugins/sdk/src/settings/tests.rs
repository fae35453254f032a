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

#[test]
fn a_table_keeps_its_names_in_the_operators_order_and_tells_problems_with_them() {
    let table: Table<u32> = typed(r#"{"b": 1, "a": 2}"#).unwrap();
    let entries: Vec<_> = table.iter().collect();
    assert_eq!(entries, [("b", &1), ("a", &2)], "as written");
    assert_eq!(table.get("a"), Some(&2), "by name");
    assert_eq!(table.get("c"), None, "absent");
    let found = typed::<Table<u32>>(r#"{"b": "x", "a": 2, "c": true}"#).unwrap_err();
    let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["b", "c"], "{found}");
}

#[test]
fn numbers_are_read_exactly_as_they_are_written() {
    #[derive(Debug, Deserialize)]
    struct Numbers {
        most: u64,
        least: i64,
        part: f64,
        any: Vec<serde_json::Value>,
    }
    let json = r#"{"most": 18446744073709551615, "least": -9223372036854775808, "part": 0.1, "any": [1.5, -1, 2, null]}"#;
    let Numbers {
        most,
        least,
        part,
        any,
    } = typed(json).unwrap();
    assert_eq!((most, least), (u64::MAX, i64::MIN), "the extremes");
    assert_eq!(part.to_string(), "0.1", "a fraction");
    assert_eq!(
        any,
        serde_json::from_str::<Vec<serde_json::Value>>("[1.5, -1, 2, null]").unwrap(),
        "values of any type"
    );
    let found = typed::<Numbers>(r#"{"most": 1.5, "least": 0, "part": 1, "any": []}"#).unwrap_err();
    assert_eq!(
        found.iter().next().unwrap().message,
        "must be a whole number that is not negative, not 1.5",
        "a fraction in its own digits"
    );
}

#[test]
fn a_variant_is_a_word_or_a_table_with_one_key() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Sink {
        Off,
        File(String),
        Http { url: String },
    }
    let sinks: Vec<Sink> = typed(r#"["off", {"file": "x"}, {"http": {"url": "u"}}]"#).unwrap();
    let expected = [
        Sink::Off,
        Sink::File("x".to_owned()),
        Sink::Http {
            url: "u".to_owned(),
        },
    ];
    assert_eq!(sinks, expected, "all kinds of variants");
    let found = typed::<Vec<Sink>>(
        r#"["of", "file", {"file": 1}, {"http": {"url": "u", "x": 1}}, {"file": "a", "off": 1}, 5]"#,
    )
    .unwrap_err()
    .to_string();
    for told in [
        "[0]: must be \"off\" or \"file\" or \"http\"",
        "[1]: must be a table with one key",
        "[2].file: must be a string in quotes, not 1",
        "[3].http.x: unknown key",
        "[4]: must be \"off\" or",
        "[5]: must be \"off\" or",
    ] {
        assert!(found.contains(told), "{told:?} is told in {found}");
    }
}
