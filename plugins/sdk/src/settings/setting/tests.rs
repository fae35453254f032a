use serde::Deserialize;

use crate::settings::{Typed, typed};
use crate::{Glob, Table};

/// The same settings, read by serde.
#[derive(Debug, Default, Deserialize)]
#[allow(dead_code, reason = "only its types are looked at")]
struct BySerde {
    name: String,
    is_on: bool,
    most: u32,
    large: u64,
    kind: KindBySerde,
    #[serde(default)]
    places: Vec<PlaceBySerde>,
    #[serde(default)]
    tags: Table<String>,
    pattern: Option<Glob>,
    inner: Option<Box<PlaceBySerde>>,
}

#[derive(Debug, Default, Deserialize)]
#[allow(dead_code, reason = "only its types are looked at")]
struct PlaceBySerde {
    x: u8,
    y: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindBySerde {
    #[default]
    Round,
    Flat,
}

crate::settings! {
    #[derive(Debug, Default)]
    struct ByMacro {
        name: String,
        is_on: bool,
        most: u32,
        large: u64,
        kind: Kind,
        places: Vec<Place>,
        tags: Table<String>,
        pattern: Option<Glob>,
        inner: Option<Box<Place>>,
    }

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Place {
        x: u8,
        y: u16 = 7,
        ..
        seen: bool,
    }
}

crate::words! {
    #[derive(Debug, Default, PartialEq, Eq)]
    enum Kind {
        #[default]
        Round = "round",
        Flat = "flat",
    }
}

fn problems<T: Typed>(json: &str) -> Vec<(String, String)> {
    let Err(problems) = typed::<T>(json) else {
        return Vec::new();
    };
    let mut problems: Vec<_> = problems
        .into_iter()
        .map(|problem| (problem.path, problem.message))
        .collect();
    // The order is that of the text for serde, and that of the fields otherwise.
    problems.sort();
    problems
}

#[test]
fn problems_have_the_texts_of_types_that_serde_reads() {
    for json in [
        r#"{"name": 5, "is_on": "x", "most": -1, "large": 1.5, "kind": "tall", "places": 5, "tags": [], "pattern": 1}"#,
        r#"{"name": null, "is_on": 0, "most": 4294967296, "large": "5", "kind": 5, "places": [5, {"x": 1, "y": 65536}]}"#,
        r#"{"name": {}, "is_on": [], "most": true, "large": -1, "kind": null, "places": {}, "tags": {"a": 1, "b": "c"}}"#,
        r#"{"other": {"deep": 1}, "places": [{"x": 256, "y": 1, "z": 2}, 7], "inner": {"x": "a", "y": 1}}"#,
        r#"{"name": "n", "is_on": true, "most": 1, "large": 18446744073709551615, "kind": "flat", "pattern": null}"#,
        "[]",
        "5",
        "{",
    ] {
        let (serde, own) = (problems::<BySerde>(json), problems::<ByMacro>(json));
        assert_eq!(own, serde, "{json}");
    }
}

#[test]
fn values_are_read_and_absent_ones_have_their_defaults() {
    let json = r#"{"name": "n", "is_on": true, "most": 5, "large": 18446744073709551615, "kind": "flat",
        "places": [{"x": 1}, {"x": 2, "y": 3}], "tags": {"b": "1", "a": "2"}, "pattern": "a*"}"#;
    let read: ByMacro = typed(json).unwrap();
    assert_eq!(
        (read.name.as_str(), read.is_on, read.most, read.large),
        ("n", true, 5, u64::MAX),
        "plain values"
    );
    assert_eq!(read.kind, Kind::Flat, "a word");
    let places: Vec<_> = read.places.iter().map(|place| (place.x, place.y)).collect();
    assert_eq!(places, [(1, 7), (2, 3)], "tables in a list");
    assert!(
        read.places.iter().all(|place| !place.seen),
        "a field that is no key"
    );
    let tags: Vec<_> = read.tags.iter().map(|(name, _)| name).collect();
    assert_eq!(tags, ["b", "a"], "in the operator's order");
    assert_eq!(read.pattern, Some(Glob::new("a*")), "an option");
    assert!(read.inner.is_none(), "an option that is absent");
}

#[test]
fn a_field_that_is_no_key_is_unknown() {
    let told = problems::<Place>(r#"{"x": 1, "seen": true}"#);
    assert_eq!(told, [("seen".to_owned(), "unknown key".to_owned())]);
}
