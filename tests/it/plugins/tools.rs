//! The tools for authors of plugins: `witgate plugin new`, `check`, `run` and `diff`.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use witgate_artifacts::{HOSTILE, ROUTE, SWAP_A, SWAP_B};

use crate::harness::{binary, text, witgate};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Requests as somebody would write them by hand.
fn requests(folder: &TempDir) -> PathBuf {
    let file = folder.path().join("requests.jsonl");
    let line = |model: &str| {
        format!(
            "{{\"headers\": [[\"x-team\", \"blue\"]], \"caller\": {{\"key_id\": \"k1\"}}, \
             \"body\": {{\"model\": \"{model}\", \"max_tokens\": 5, \"messages\": []}}}}\n"
        )
    };
    std::fs::write(&file, line("claude-opus-5-5") + &line("claude-haiku-5-5")).unwrap();
    file
}

/// The source of the standard library for wasm32, as in the build of this workspace's own guests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Std {
    Installed,
    FromSource,
}

pub(crate) fn find_std() -> Std {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .unwrap();
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    match sysroot
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .is_dir()
    {
        true => Std::Installed,
        false => Std::FromSource,
    }
}

/// Runs cargo on a crate that stands outside this workspace.
pub(crate) fn cargo(folder: &Path, arguments: &[&str], std: Std) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(folder)
        .args(arguments)
        .arg("--target-dir")
        .arg(root().join("target/new-plugins"));
    if std == Std::FromSource {
        cargo
            .env("RUSTC_BOOTSTRAP", "1")
            .arg("-Zbuild-std=std,panic_abort");
    }
    let output = cargo.output().unwrap();
    assert!(
        output.status.success(),
        "cargo {arguments:?}: {}",
        text(&output)
    );
}

#[test]
fn a_new_plugin_of_each_hook_builds_passes_its_test_and_is_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let sdk = root().join("plugins/sdk");
    let requests = requests(&folder);
    for hook in ["envelope", "guard", "route", "budget", "audit"] {
        let name = format!("my-{hook}");
        let made = witgate(
            folder.path(),
            &[
                "plugin",
                "new",
                &name,
                "--hook",
                hook,
                "--sdk",
                sdk.to_str().unwrap(),
            ],
        );
        assert!(made.status.success(), "{}", text(&made));
        let crate_ = folder.path().join(&name);
        // The versions that this workspace has, so that nothing has to be fetched.
        std::fs::copy(root().join("Cargo.lock"), crate_.join("Cargo.lock")).unwrap();
        cargo(&crate_, &["test", "--offline"], Std::Installed);
        let build = ["build", "--offline", "--release", "--target", TARGET];
        cargo(&crate_, &build, find_std());
        let file = format!("my_{hook}.wasm");
        let built = root()
            .join("target/new-plugins")
            .join(TARGET)
            .join("release")
            .join(file);
        let wasm = crate_.join(format!("{name}.wasm"));
        std::fs::copy(built, &wasm).unwrap();

        let checked = witgate(&crate_, &["plugin", "check", &format!("{name}.wasm")]);
        let told = text(&checked);
        assert!(checked.status.success(), "{told}");
        assert!(
            told.contains(&format!("admitted    yes, for {hook}")),
            "{told}"
        );
        let run = witgate(
            &crate_,
            &[
                "plugin",
                "run",
                &format!("{name}.wasm"),
                "--requests",
                requests.to_str().unwrap(),
            ],
        );
        assert!(run.status.success(), "{}", text(&run));
        let lines = std::fs::read_to_string(crate_.join("src/lib.rs")).unwrap();
        let hook_lines = lines.split("#[cfg(test)]").next().unwrap().lines().count();
        assert!(
            hook_lines <= 35,
            "{hook}: {hook_lines} lines, comments and settings included"
        );
    }
    let again = witgate(
        folder.path(),
        &["plugin", "new", "my-route", "--hook", "route"],
    );
    assert!(!again.status.success(), "nothing is overwritten");
    assert!(text(&again).contains("already exists"), "{}", text(&again));
}

#[test]
fn a_check_says_what_a_plugin_is_and_what_would_have_to_be_granted() {
    let folder = tempfile::tempdir().unwrap();
    ROUTE.install(folder.path()).unwrap();
    let checked = witgate(folder.path(), &["plugin", "check", "route.wasm"]);
    let told = text(&checked);
    assert!(checked.status.success(), "{told}");
    for part in [
        "sha256      ",
        "core module",
        "route@0.3.0",
        "settings@0.3.0",
        "KiB of memory",
        "to compile",
        "admitted    yes, for route",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }

    HOSTILE.install(folder.path()).unwrap();
    let checked = witgate(folder.path(), &["plugin", "check", "hostile.wasm"]);
    let told = text(&checked);
    assert_eq!(checked.status.code(), Some(1), "{told}");
    assert!(told.contains("metrics = true"), "what to write: {told}");

    std::fs::write(folder.path().join("junk.wasm"), "no wasm").unwrap();
    let checked = witgate(folder.path(), &["plugin", "check", "junk.wasm"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        text(&checked).contains("not WebAssembly"),
        "{}",
        text(&checked)
    );
}

#[test]
fn a_large_plugin_is_compiled_in_a_process_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut large = ROUTE.bytes().to_vec();
    // A custom section of 4 MiB: its kind, its length and that of its name as LEB128, the name, and zeros.
    large.extend([0, 0x83, 0x80, 0x80, 0x02, 2, b'p', b'd']);
    large.resize(large.len() + (4 << 20), 0);
    std::fs::write(folder.path().join("large.wasm"), large).unwrap();
    let checked = Command::new(binary())
        .args(["plugin", "check", "large.wasm"])
        .current_dir(folder.path())
        .env("WITGATE_LOG", "debug")
        .env("XDG_CACHE_HOME", folder.path().join("cache"))
        .output()
        .unwrap();
    let told = text(&checked);
    assert!(checked.status.success(), "{told}");
    assert!(told.contains("compiled in a child process"), "{told}");
    assert!(told.contains("admitted    yes"), "{told}");
}

#[test]
fn a_run_prints_what_is_decided_as_a_table_or_json_and_fails_on_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let requests = requests(&folder);
    let requests = requests.to_str().unwrap();
    SWAP_A.install(folder.path()).unwrap();
    let run = witgate(
        folder.path(),
        &[
            "plugin",
            "run",
            "swap_a.wasm",
            "--requests",
            requests,
            "--repeat",
            "10",
        ],
    );
    let told = text(&run);
    assert!(run.status.success(), "{told}");
    assert!(
        told.contains("POST /v1/messages") && told.contains("p99"),
        "{told}"
    );
    let route = told
        .lines()
        .find(|line| line.starts_with("route "))
        .unwrap();
    assert!(route.contains("20"), "two requests, ten times: {route}");

    let run = witgate(
        folder.path(),
        &[
            "plugin",
            "run",
            "swap_a.wasm",
            "--requests",
            requests,
            "--json",
        ],
    );
    for line in text(&run).lines() {
        let decided: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(decided["took_ns"]["route"].as_u64() > Some(0), "{decided}");
    }

    HOSTILE.install(folder.path()).unwrap();
    std::fs::write(
        folder.path().join("hostile.toml"),
        "[grants]\nbody = \"read\"\nheaders = [\"*\"]\nkv = true\nmetrics = true\nclock = true\n\
         [settings]\nroute = \"panic\"\n",
    )
    .unwrap();
    let run = witgate(
        folder.path(),
        &["plugin", "run", "hostile.wasm", "--requests", requests],
    );
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
}

#[test]
fn a_diff_names_each_request_that_two_versions_decide_differently() {
    let folder = tempfile::tempdir().unwrap();
    let requests = requests(&folder);
    let requests = requests.to_str().unwrap();
    SWAP_A.install(folder.path()).unwrap();
    SWAP_B.install(folder.path()).unwrap();
    let diff = |old: &str, new: &str| {
        witgate(
            folder.path(),
            &["plugin", "diff", old, new, "--requests", requests],
        )
    };
    let differ = diff("swap_a.wasm", "swap_b.wasm");
    let told = text(&differ);
    assert_eq!(differ.status.code(), Some(1), "{told}");
    assert!(told.contains("-> "), "both values: {told}");
    assert!(
        told.contains("2 of 2 requests are decided differently"),
        "{told}"
    );

    let same = diff("swap_a.wasm", "swap_a.wasm");
    assert!(same.status.success(), "{}", text(&same));
}
