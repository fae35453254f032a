//! Recorded requests of clients of the API.

use serde_json::Value;
use witgate_foundry::{OnRefused, Operation};

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
        let lines = lines["headers"].as_array().unwrap().iter();
        let betas: Vec<_> = lines
            .filter(|line| {
                line[0]
                    .as_str()
                    .unwrap()
                    .eq_ignore_ascii_case("anthropic-beta")
            })
            .map(|line| line[1].as_str().unwrap())
            .collect();
        let operation = if stem.ends_with("count_tokens") {
            Operation::CountTokens
        } else {
            Operation::Messages
        };
        let request = translated(operation, &body, &betas, "2023-06-01", OnRefused::Strip)
            .unwrap_or_else(|error| panic!("{stem}: {error}"));
        let sent = request.body.concat();
        let _: Value =
            serde_json::from_slice(&sent).unwrap_or_else(|error| panic!("{stem}: {error}"));
        let (before, after) = (head(&body), head(&sent));
        for member in before.members() {
            let kept = after.member(member.name).map(str::as_bytes) == Some(member.value);
            assert!(kept || member.name == "model", "{stem}: `{}`", member.name);
        }
    }
    assert!(seen >= 35, "the recordings are there: {seen}");
}
