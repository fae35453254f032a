//! Files are read into types, and everything that is wrong with one is reported at once.

use std::time::Duration;

use witgate_config_file::{Check, Document};

#[test]
fn a_path_that_is_not_there_has_the_line_of_what_is() {
    let document =
        Document::parse("x.toml", "a = 1\n[b]\nc = [1,\n 2]\n[[d]]\ne = { f = 1 }\n").unwrap();
    for (path, line) in [
        ("a", Some(1)),
        ("b.c", Some(3)),
        ("b.c[1]", Some(4)),
        ("b.missing", Some(2)),
        ("d[0].e.f", Some(6)),
        ("nowhere", None),
        ("b.c[99]", Some(3)),
        ("[[[", None),
    ] {
        assert_eq!(document.locate(path), line, "the line of `{path}`");
    }
}

/// A file with what serde has to offer.
#[derive(Debug, serde::Deserialize)]
#[allow(dead_code, reason = "only the problems are looked at")]
struct Wide {
    port: std::num::NonZeroU16,
    choice: Choice,
    places: Vec<Place>,
    by_name: std::collections::BTreeMap<String, Place>,
    ratio: f64,
    pair: (u8, bool),
    #[serde(default)]
    anything: serde_json::Value,
}

#[derive(Debug, serde::Deserialize)]
#[allow(dead_code, reason = "only the problems are looked at")]
struct Place {
    x: u32,
    y: Option<u32>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "only the problems are looked at")]
enum Choice {
    Plain,
    At(u32),
    In { x: u32 },
}

#[test]
fn every_shape_of_a_file_is_read() {
    let text = |choice: &str| {
        format!(
            "port = 1\nchoice = {choice}\nplaces = [{{ x = 1 }}]\nratio = 2\npair = [1, true]\n\
             [by_name.a]\nx = 1\ny = 2\n[anything]\nat = 1979-05-27\n"
        )
    };
    for choice in ["\"plain\"", "{ at = 1 }", "{ in = { x = 1 } }"] {
        let wide = witgate_config_file::parse::<Wide>("w.toml", &text(choice));
        let wide = wide.unwrap_or_else(|problems| panic!("{choice}: {problems}"));
        assert_eq!(
            wide.anything,
            serde_json::json!({"at": "1979-05-27"}),
            "a date is a string"
        );
    }
}

#[test]
fn every_problem_of_every_shape_is_told_at_once() {
    let text = "port = 0\nchoice = { at = \"x\" }\nplaces = [{ x = -1, z = 1 }, 5, { y = 1.5 }]\nratio = \"half\"\n\
                pair = [1]\n[by_name]\na = { x = 99999999999 }\nb = []\nc = { x = 1, w = 2 }\n";
    let told = witgate_config_file::parse::<Wide>("w.toml", text)
        .expect_err("all is wrong")
        .to_string();
    for wanted in [
        "w.toml:1: `port`: must be a whole number from 1 to 65535, not 0",
        "w.toml:2: `choice.at`: must be a whole number from 0 to 4294967295, not a string",
        "w.toml:3: `places[0].x`: must be a whole number from 0 to 4294967295, not -1",
        "w.toml:3: `places[0].z`: unknown key",
        "w.toml:3: `places[1]`: must be a table, not 5",
        "w.toml:3: `places[2]`: `x` is missing",
        "w.toml:3: `places[2].y`: must be a whole number",
        "w.toml:4: `ratio`: must be a number, not a string",
        "w.toml:5: `pair`",
        "w.toml:7: `by_name.a.x`: must be a whole number from 0 to 4294967295",
        "w.toml:8: `by_name.b`: must be a table, not a list",
        "w.toml:9: `by_name.c.w`: unknown key",
    ] {
        assert!(told.contains(wanted), "{wanted:?} is told in:\n{told}");
    }
}

#[test]
fn a_file_with_thousands_of_problems_is_told_of_in_bounds() {
    let many = "[[place]]\nx = true\n".repeat(5_000);
    #[derive(Debug, serde::Deserialize)]
    struct Many {
        #[allow(dead_code, reason = "only the problems are looked at")]
        place: Vec<Place>,
    }
    let told = witgate_config_file::parse::<Many>("w.toml", &many)
        .expect_err("all is wrong")
        .to_string();
    assert!(told.contains("has more than 200 problems"), "it says so");
    assert!(told.lines().count() < 210, "and stops there");
}

#[test]
fn any_file_may_be_read_with_lines() {
    #[derive(Debug, serde::Deserialize)]
    struct Config {
        #[allow(dead_code, reason = "only the problems are looked at")]
        port: u16,
    }
    let problems =
        witgate_config_file::parse::<Config>("gate.toml", "port = 1\nprot = 2\nhots = 3\n");
    let text = problems.expect_err("two unknown keys").to_string();
    assert_eq!(text.lines().count(), 2, "both: {text}");
    assert!(
        witgate_config_file::parse::<Config>("gate.toml", "port = 1").is_ok(),
        "a clean file"
    );
}

#[test]
fn the_words_of_a_choice_are_listed() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        Middle,
        Large,
    }
    #[derive(Debug, serde::Deserialize)]
    struct Shirt {
        #[allow(dead_code, reason = "only the problem is looked at")]
        size: Size,
    }
    let problems = witgate_config_file::parse::<Shirt>("s.toml", "size = \"tall\"").unwrap_err();
    assert_eq!(
        problems.to_string(),
        "s.toml:1: `size`: must be \"small\", \"middle\" or \"large\"",
        "all three words"
    );
}

#[test]
fn a_check_names_the_table_of_each_key_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("there"), "").unwrap();
    let text = "[a]\nb = { n = 0, ms = 0, at = \"here\" }\nf = \"gone\"\nd = \"there\"\n";
    let document = Document::parse("x.toml", text).unwrap();
    let mut problems = witgate_config_file::Problems::default();
    let mut check = Check::new(&document, folder.path(), &mut problems);
    let mut check = check.table("a");

    let there = check.file("f", "there");
    assert!(there.starts_with(folder.path()), "relative to the folder");
    check.file("f", "gone");
    check.directory("d", "there");
    let second = Duration::from_secs(1);
    let mut inner = check.table("b");
    assert_eq!(
        inner.number("n", Some(0), 7, 1..=9),
        7,
        "the default stands in"
    );
    assert_eq!(inner.number("n", None, 7, 1..=9), 7, "nothing said");
    assert_eq!(inner.millis("ms", Some(0), second), second, "not a time");
    assert_eq!(
        inner.optional_millis("ms", Some(0), Some(second)),
        None,
        "off"
    );
    assert_eq!(inner.address("at", "here"), None, "not an address");
    assert!(
        inner.has_problem("n") && inner.has_problem(""),
        "as recorded"
    );
    assert!(!inner.has_problem("z"), "nothing about another key");
    check.problem("", "is wrong as a whole");

    let problems = problems.into_result().unwrap_err().to_string();
    let expected = [
        "x.toml:1: `a`: is wrong as a whole",
        "x.toml:2: `a.b.n`: must be between 1 and 9",
        "x.toml:2: `a.b.ms`: must be between 1 and 86400000 milliseconds (one day)",
        "x.toml:2: `a.b.at`: must be an IP address and a port, such as 127.0.0.1:8787",
        "x.toml:3: `a.f`: ",
        "x.toml:4: `a.d`: ",
    ];
    let lines: Vec<_> = problems.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{problems}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line} starts with {expected}");
    }
    assert!(
        lines[4].ends_with("gone does not exist; create it or correct the path"),
        "{problems}"
    );
    assert!(lines[5].ends_with("there is not a directory"), "{problems}");
}
