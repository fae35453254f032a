//! The tools name a fault in the same words as the gateway.

use tempfile::TempDir;
use witgate_artifacts::HOSTILE;

use crate::harness::{text, witgate};

/// A folder with the hostile guest under this sidecar, and one recorded request.
fn folder(sidecar: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    HOSTILE.install_as(folder.path(), "bad").unwrap();
    let grants = "[grants]\nbody = \"read\"\nheaders = [\"*\"]\nmetrics = true\nclock = true\n";
    std::fs::write(
        folder.path().join("bad.toml"),
        format!("{sidecar}\n{grants}"),
    )
    .unwrap();
    let request = r#"{"headers": [["x-wrong", "1"]], "body": {"model": "m", "max_tokens": 9, "messages": []}}"#;
    std::fs::write(folder.path().join("requests.jsonl"), request).unwrap();
    folder
}

const WRONG: [(&str, &[&str]); 4] = [
    (
        "[settings.edits]\nmodel = '{not json'",
        &["hook `envelope`: contract", "`model`", "not JSON"],
    ),
    (
        "[settings]\ntargets = [\"bedrock\"]",
        &["hook `route`: contract", "`bedrock`", "use `default`"],
    ),
    (
        "[settings]\ntargets = [\"default/\"]",
        &["hook `route`: contract", "empty model"],
    ),
    (
        "[settings]\ncharges = [\"key:a fortnight requests 10 1\"]",
        &["hook `budget`: contract", "window `fortnight`"],
    ),
];

#[test]
fn plugin_run_tells_what_makes_no_sense_as_the_gateway_does() {
    for (settings, tells) in WRONG {
        let folder = folder(&format!(
            "{settings}\n[settings.only]\nheader = \"x-wrong\"\n"
        ));
        let arguments = ["plugin", "run", "bad.wasm", "--requests", "requests.jsonl"];
        let output = witgate(folder.path(), &arguments);
        let text = text(&output);
        assert!(!output.status.success(), "{settings}: {text}");
        for part in tells {
            assert!(text.contains(part), "{settings}: {part} in: {text}");
        }
    }
}

#[test]
fn plugin_check_refuses_what_its_smoke_test_shows_to_make_no_sense() {
    for (settings, tells) in WRONG {
        if settings.contains("bedrock") {
            // Which upstreams there are is not known to a check.
            continue;
        }
        let folder = folder(settings);
        let output = witgate(folder.path(), &["plugin", "check", "bad.wasm"]);
        let text = text(&output);
        assert!(!output.status.success(), "{settings}: {text}");
        for part in tells.iter().chain(&["smoke test"]) {
            assert!(text.contains(part), "{settings}: {part} in: {text}");
        }
    }
}

#[test]
fn plugin_run_passes_over_an_unknown_target_that_has_a_fallback_behind_it() {
    let folder = folder("[settings]\ntargets = [\"bedrock\", \"default\"]");
    let arguments = ["plugin", "run", "bad.wasm", "--requests", "requests.jsonl"];
    let output = witgate(folder.path(), &arguments);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("bedrock (unknown), then default"), "{text}");
}
