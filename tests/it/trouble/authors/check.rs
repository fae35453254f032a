//! `witgate plugin check` and `witgate check`: what is told, and when.

use std::path::Path;

use tempfile::TempDir;
use witgate_artifacts::{HOSTILE, ROUTE};

use super::EVERYTHING;
use crate::harness::{complaint, printed, text, witgate};

/// Files of a folder; none if it is not there.
fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn a_missing_grant_is_told_before_anything_is_compiled() {
    let folder = tempfile::tempdir().unwrap();
    HOSTILE.install(folder.path()).unwrap();
    let arguments = ["plugin", "check", "hostile.wasm", "--cache", "code"];
    let checked = witgate(folder.path(), &arguments);
    let told = text(&checked);
    assert_eq!(checked.status.code(), Some(1), "{told}");
    assert!(told.contains("metrics = true"), "what to write: {told}");
    assert!(told.contains("imports     "), "what it is: {told}");
    assert_eq!(
        files(&folder.path().join("code")),
        0,
        "nothing was compiled"
    );

    std::fs::write(folder.path().join("hostile.toml"), EVERYTHING).unwrap();
    let checked = witgate(folder.path(), &arguments);
    assert!(checked.status.success(), "{}", text(&checked));
    assert!(files(&folder.path().join("code")) > 0, "now it was");
}

#[test]
fn what_was_compiled_once_is_not_compiled_again_by_the_next_command() {
    let folder = tempfile::tempdir().unwrap();
    ROUTE.install(folder.path()).unwrap();
    let check = |more: &[&str]| {
        let checked = witgate(
            folder.path(),
            &[&["plugin", "check", "route.wasm"], more].concat(),
        );
        assert!(checked.status.success(), "{}", text(&checked));
        printed(&checked)
    };
    let first = check(&[]);
    assert!(first.contains(" to compile, "), "{first}");
    let cache = folder.path().join("cache/witgate/plugins");
    let compiled = files(&cache);
    assert!(compiled > 0, "in the user's own cache folder");
    let second = check(&[]);
    assert!(second.contains("to load the cached code"), "{second}");
    let anew = check(&["--no-cache"]);
    assert!(anew.contains(" to compile, "), "when asked for: {anew}");

    super::record(folder.path(), &[serde_json::json!({"body": {}})]);
    let run = [
        "plugin",
        "run",
        "route.wasm",
        "--requests",
        "requests.jsonl",
    ];
    let run = witgate(folder.path(), &run);
    assert!(run.status.success(), "{}", text(&run));
    assert_eq!(files(&cache), compiled, "the other commands use it, too");
}

#[test]
fn a_cache_folder_of_somebody_else_is_told_and_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    ROUTE.install(folder.path()).unwrap();
    let cache = folder.path().join("cache/witgate/plugins");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777)).unwrap();
    let checked = witgate(folder.path(), &["plugin", "check", "route.wasm"]);
    assert!(checked.status.success(), "{}", text(&checked));
    let told = complaint(&checked);
    assert!(told.contains("continuing without the cache"), "{told}");
    assert_eq!(files(&cache), 0, "nothing was written there");
}

#[test]
fn a_sidecar_of_nearly_the_right_name_is_pointed_out() {
    let folder = tempfile::tempdir().unwrap();
    ROUTE.install_as(folder.path(), "tool_router").unwrap();
    std::fs::write(folder.path().join("tool-router.toml"), "order = 5\n").unwrap();
    let checked = witgate(folder.path(), &["plugin", "check", "tool_router.wasm"]);
    let told = printed(&checked);
    assert!(checked.status.success(), "{}", text(&checked));
    let sidecar = told.lines().find(|line| line.starts_with("sidecar "));
    let sidecar = sidecar.expect("a line about it");
    for part in ["none", "tool-router.toml", "is tool_router.toml"] {
        assert!(sidecar.contains(part), "{part} in {sidecar}");
    }
}

/// A folder with a right configuration.
fn gateway() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    let key = witgate_gateway::keys::NewKey::random();
    write(
        "keys.toml",
        &crate::harness::key_entry("alice", &key, "pro"),
    );
    write("secret", "sk-ant-secret");
    write(
        "witgate.toml",
        "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\nfile = \"keys.toml\"\n[plugins]\ndirectory = \"policies\"\nrequired = [\"nosuch\"]\n\
         [upstreams.default]\nbase_url = \"http://127.0.0.1:9\"\ncredential = { file = \"secret\" }\n",
    );
    folder
}

#[test]
fn a_check_of_the_gateway_names_sidecars_that_no_plugin_reads() {
    let folder = gateway();
    let policies = folder.path().join("policies");
    ROUTE.install_as(&policies, "tool_router").unwrap();
    std::fs::write(policies.join("tool-router.toml"), "order = 5\n").unwrap();
    std::fs::write(policies.join("gone.toml"), "").unwrap();
    let told = printed(&witgate(folder.path(), &["check"]));
    let line = |start: &str| {
        let mut lines = told.lines();
        lines
            .find(|line| line.contains(start))
            .unwrap_or_else(|| panic!("{start} in {told}"))
    };
    let gone = line("gone.toml: no plugin reads this sidecar");
    assert!(gone.contains("/gone.wasm"), "what is missing: {gone}");
    let misnamed = line("tool-router.toml: no plugin reads this sidecar");
    assert!(
        misnamed.ends_with("tool_router.toml"),
        "its right name: {misnamed}"
    );
}

#[test]
fn a_check_counts_in_words_and_has_one_line_for_a_required_plugin_that_is_missing() {
    let folder = gateway();
    let told = printed(&witgate(folder.path(), &["check"]));
    assert!(told.contains("1 key, 1 upstream\n"), "{told}");
    assert!(!told.contains("nosuch: \n"), "no empty line: {told}");
    assert!(told.contains("nosuch: required"), "{told}");
}
