//! The rooms depend on each other as the architecture says, and on nothing else.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// Who may depend on whom, of our own crates, tests and benches aside.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "witgate",
        &[
            "witgate-runtime",
            "witgate-messages",
            "witgate-ledger",
            "witgate-audit",
        ],
    ),
    ("witgate-runtime", &[]),
    ("witgate-messages", &[]),
    ("witgate-ledger", &[]),
    ("witgate-audit", &[]),
    ("witgate-plugin", &[]),
    ("witgate-plugin-envelope", &["witgate-plugin"]),
    ("witgate-plugin-route", &["witgate-plugin"]),
    ("witgate-plugin-budget", &["witgate-plugin"]),
    ("witgate-plugin-audit", &["witgate-plugin"]),
];

/// Foreign crates that only one room may name.
const OWNED: &[(&str, &str)] = &[
    ("wasmtime", "witgate-runtime"),
    ("pingora-core", "witgate"),
    ("notify", "witgate-runtime"),
];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn dependencies(package: &Value) -> BTreeSet<String> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn no_room_depends_on_a_room_that_it_may_not_know() {
    let packages = packages();
    let ours: BTreeSet<_> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap().to_owned())
        .collect();
    for (name, allowed) in ALLOWED {
        let package = packages
            .iter()
            .find(|package| package["name"] == *name)
            .expect("the room is there");
        let found: BTreeSet<_> = dependencies(package).intersection(&ours).cloned().collect();
        let allowed: BTreeSet<_> = allowed.iter().map(|name| (*name).to_owned()).collect();
        assert!(
            found.is_subset(&allowed),
            "{name} depends on {found:?}; allowed: {allowed:?}"
        );
    }
}

#[test]
fn a_foreign_vocabulary_is_spoken_in_one_room_only() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        for (foreign, owner) in OWNED {
            let speaks = dependencies(&package).contains(*foreign);
            assert!(
                !speaks || name == *owner,
                "{name} depends on {foreign}, which belongs to {owner}"
            );
        }
    }
}
