//! Recorded requests of clients of the API.

use serde_json::Value;
use witgate_vertex::request::Asked;
use witgate_vertex::{ModelId, OnRefused, Operation};

use super::{file, head, json, translated};

#[test]
fn each_recorded_request_keeps_its_bytes_but_for_named_members() {
    let folder = file("../../tests/fixtures/captures");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(stem) = name.strip_suffix(".body.json") else {
            continue;
        };
        seen += 1;
        let body = std::fs::read(folder.join(&name)).unwrap();
        let lines = json(&folder.join(format!("{stem}.json")));
        let lines: Vec<(&str, &str)> = lines["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (line[0].as_str().unwrap(), line[1].as_str().unwrap()))
            .collect();
        let betas: Vec<_> = lines
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("anthropic-beta"))
            .map(|(_, value)| *value)
            .collect();
        let counts = stem.ends_with("count_tokens");
        let asked = if counts {
            Asked::CountTokens
        } else {
            Asked::Messages
        };
        let request = translated(asked, "us-east5", &body, &betas, OnRefused::Strip)
            .unwrap_or_else(|error| panic!("{stem}: {error}"));
        check(stem, &body, &request.body.concat(), &request.removed);
        let operation = match (counts, head(&body).stream()) {
            (true, _) => Operation::CountTokens,
            (false, true) => Operation::StreamPredict,
            (false, false) => Operation::Predict,
        };
        assert_eq!(request.operation, operation, "{stem}");
        assert!(ModelId::try_new(request.model.as_str()).is_ok(), "{stem}");
    }
    assert!(seen >= 35, "the recordings are there: {seen}");
}

/// Checks that members keep their bytes unless they, or a part of them, are named as removed.
fn check(stem: &str, body: &[u8], sent: &[u8], removed: &[String]) {
    let _: Value = serde_json::from_slice(sent).unwrap_or_else(|error| panic!("{stem}: {error}"));
    let (before, after) = (head(body), head(sent));
    let named = |member: &str| {
        removed.iter().any(|path| {
            let first = path.split(['.', '[']).next();
            first == Some(member)
        })
    };
    for member in before.members() {
        let kept = after.member(member.name).map(str::as_bytes) == Some(member.value);
        let moved = member.name == "model";
        assert!(
            kept || moved || named(member.name),
            "{stem}: `{}`",
            member.name
        );
    }
    assert_eq!(
        after.member("anthropic_version"),
        Some(r#""vertex-2023-10-16""#),
        "{stem}: the version"
    );
}
