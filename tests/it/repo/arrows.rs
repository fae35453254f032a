//! The rooms depend on each other as the architecture says, and on nothing else.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// The dependencies that our own crates may have on each other, tests and benches aside.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "witgate",
        &[
            "witgate-gateway",
            "witgate-standin",
            "witgate-messages",
            "witgate-runtime",
            "witgate-usage",
        ],
    ),
    ("witgate-standin", &[]),
    (
        "witgate-gateway",
        &[
            "witgate-runtime",
            "witgate-messages",
            "witgate-ledger",
            "witgate-journal",
            "witgate-audit",
            "witgate-capacity",
            "witgate-config-file",
            "witgate-handover",
            "witgate-http",
            "witgate-upstream",
            "witgate-usage",
        ],
    ),
    ("witgate-usage", &["witgate-audit", "witgate-ledger"]),
    ("witgate-http", &[]),
    (
        "witgate-upstream",
        &[
            "witgate-bedrock",
            "witgate-capacity",
            "witgate-config-file",
            "witgate-dialect",
            "witgate-foundry",
            "witgate-http",
            "witgate-messages",
            "witgate-vertex",
        ],
    ),
    ("witgate-handover", &["witgate-ledger", "witgate-audit"]),
    ("witgate-config-file", &[]),
    ("witgate-runtime", &["witgate-config-file"]),
    ("witgate-messages", &[]),
    ("witgate-dialect", &["witgate-messages"]),
    ("witgate-bedrock", &["witgate-dialect", "witgate-messages"]),
    ("witgate-vertex", &["witgate-dialect", "witgate-messages"]),
    ("witgate-foundry", &["witgate-dialect", "witgate-messages"]),
    ("witgate-capacity", &[]),
    ("witgate-ledger", &[]),
    ("witgate-journal", &["witgate-ledger"]),
    ("witgate-audit", &[]),
    ("witgate-plugin", &[]),
    ("witgate-plugin-envelope", &["witgate-plugin"]),
    ("witgate-plugin-route", &["witgate-plugin"]),
    ("witgate-plugin-budget", &["witgate-plugin"]),
    ("witgate-plugin-audit", &["witgate-plugin"]),
    ("witgate-plugin-guard", &["witgate-plugin"]),
    ("witgate-plugin-openai", &["witgate-plugin"]),
    // An example shows what somebody has who takes the host and nothing else of ours; one of them takes the protocol and
    // the ledger, too.
    (
        "witgate-examples",
        &["witgate-runtime", "witgate-messages", "witgate-ledger"],
    ),
];

/// Foreign crates that only one room may name. The proxy of the examples is somebody else's, and speaks of nothing but
/// pingora and the host.
const OWNED: &[(&str, &[&str])] = &[
    ("wasmtime", &["witgate-runtime"]),
    ("wasmtime-wasi", &["witgate-runtime"]),
    (
        "pingora-core",
        &[
            "witgate",
            "witgate-gateway",
            "witgate-upstream",
            "witgate-standin",
            "witgate-examples",
        ],
    ),
    // Files are read with lines in one place; the command line writes some.
    ("toml_edit", &["witgate-config-file", "witgate"]),
];

fn packages() -> Vec<Value> {
    let metadata = metadata(&["--no-deps"]);
    metadata["packages"].as_array().unwrap().clone()
}

/// Returns the triple that the tests themselves are built for.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).unwrap();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc names its host").to_owned()
}

/// Returns what cargo knows about this workspace, for this machine's platform alone: a first build downloads no package
/// that only another platform needs, and an offline cargo fails on each one that is missing.
fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(["--filter-platform", &host()])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns each foreign crate of this platform with its features, as a build of the whole workspace has them.
fn features(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--workspace", "--prefix", "none"])
        .args(["--no-dedupe", "--format", "{p} [{f}]", "--edges", edges])
        .args(["--target", &host()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.contains('/'))
        .map(|line| line.replace(" (proc-macro)", "").replace(" (*)", ""))
        .collect()
}

/// Returns the dependencies of a package; of the examples, which have nothing else, those of their tests too.
fn dependencies(package: &Value) -> BTreeSet<String> {
    let tests_too = package["name"] == "witgate-examples";
    named(package, |kind| kind.is_null() || tests_too)
}

fn named(package: &Value, of: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| of(&dependency["kind"]))
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
        for (foreign, owners) in OWNED {
            let speaks = dependencies(&package).contains(*foreign);
            assert!(
                !speaks || owners.contains(&name),
                "{name} depends on {foreign}, which belongs to {owners:?}"
            );
        }
    }
}

#[test]
fn the_host_is_built_without_anything_else_of_ours_and_without_a_server() {
    let metadata = metadata(&[]);
    let packages = metadata["packages"].as_array().unwrap();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let name_of = |id: &Value| {
        let package = packages.iter().find(|package| package["id"] == *id);
        package.unwrap()["name"].as_str().unwrap()
    };
    let runtime = packages
        .iter()
        .find(|package| package["name"] == "witgate-runtime")
        .expect("the room is there");

    // With its own tests or without them; those of the crates that it is built from do not count.
    let reached_from = |with_tests: bool| {
        let mut reached = BTreeSet::new();
        let mut ahead = vec![(runtime["id"].clone(), with_tests)];
        while let Some((id, tests_too)) = ahead.pop() {
            if !reached.insert(id.to_string()) {
                continue;
            }
            // wasmtime-wasi brings tokio along for what the host doesn't use of it.
            if name_of(&id) == "wasmtime-wasi" {
                continue;
            }
            let node = nodes.iter().find(|node| node["id"] == id).unwrap();
            for dependency in node["deps"].as_array().unwrap() {
                let mut kinds = dependency["dep_kinds"].as_array().unwrap().iter();
                if kinds.any(|kind| tests_too || kind["kind"] != "dev") {
                    ahead.push((dependency["pkg"].clone(), false));
                }
            }
        }
        reached
            .iter()
            .map(|id| name_of(&serde_json::from_str(id).unwrap()))
            .collect::<BTreeSet<_>>()
    };
    let foreign_in = |names: &BTreeSet<&str>| {
        names
            .iter()
            .filter(|name| {
                let server = ["pingora", "hyper", "axum", "h2", "tokio"];
                let ours = name.starts_with("witgate")
                    && !["witgate-runtime", "witgate-config-file"].contains(name);
                ours || server.iter().any(|server| name.starts_with(server))
            })
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let built = reached_from(false);
    assert!(built.contains("wasmtime"), "the way there: {built:?}");
    let foreign = foreign_in(&built);
    assert!(foreign.is_empty(), "the host depends on {foreign:?}");
    // Its tests call it from async workers, and damage real guests.
    assert_eq!(
        foreign_in(&reached_from(true)),
        ["tokio", "tokio-macros", "witgate-artifacts"],
        "and its tests on nothing more"
    );
}

#[test]
fn builds_with_and_without_tests_share_their_dependencies() {
    let with_tests = features("normal,build,dev");
    let without = features("normal,build");
    assert!(without.len() > 200, "the tree is read: {without:?}");
    let twice: Vec<_> = without.difference(&with_tests).collect();
    assert!(
        twice.is_empty(),
        "built a second time for tests, with more features: {twice:#?}; ask for them in tests/one-build/Cargo.toml"
    );
}
