//! The shipped sidecars, against the plugins that read them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test: what is missing fails it"
)]

use std::fs;
use std::path::Path;

use witgate_plugin::{Plugin, testing};

/// The settings of a sidecar as the host hands them to its plugin.
fn settings(toml: &str) -> String {
    let sidecar: serde_json::Value = toml_edit::de::from_str(toml).expect("a sidecar is TOML");
    sidecar["settings"].to_string()
}

/// The sidecar with its commented examples put to work: keys, tables, and the lines of a list.
fn with_examples(toml: &str) -> String {
    let uncomment = |line: &str| {
        let example = line.strip_prefix("# ").filter(|rest| {
            let word: String = rest
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            rest.starts_with(['[', ']'])
                || rest.starts_with("    ")
                || rest[word.len()..].starts_with(" = ")
        });
        example.unwrap_or(line).to_owned()
    };
    toml.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

fn accepted<P: Plugin>(name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../policies")
        .join(name);
    let toml = fs::read_to_string(&file).expect("the sidecar is shipped");
    for (which, toml) in [
        ("as shipped", toml.clone()),
        ("with its examples", with_examples(&toml)),
    ] {
        if let Err(problems) = testing::configure::<P>(&settings(&toml)) {
            panic!("{name} {which}: {problems}\n{toml}");
        }
    }
    assert_ne!(toml, with_examples(&toml), "{name} has no examples");
}

#[test]
fn the_shipped_sidecars_and_their_commented_examples_are_accepted() {
    accepted::<witgate_plugin_envelope::EnvelopePlugin>("envelope.toml");
    accepted::<witgate_plugin_route::RoutePlugin>("route.toml");
    accepted::<witgate_plugin_budget::BudgetPlugin>("budget.toml");
    accepted::<witgate_plugin_audit::AuditPlugin>("audit.toml");
    accepted::<witgate_plugin_guard::GuardPlugin>("optional/guard.toml");
    accepted::<witgate_plugin_openai::OpenAiPlugin>("optional/openai.toml");
}
