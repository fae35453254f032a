//! `witgate plugin new` and `plugin wit`, away from any checkout.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{GatewayBuilder, TestGateway, Upstream, within_timeout};
use crate::harness::{complaint, printed, text, witgate};
use crate::plugins::tools::{Std, TARGET, cargo, find_std};

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn outside_a_checkout_a_new_crate_has_a_copy_of_the_sdk_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let made = witgate(
        folder.path(),
        &["plugin", "new", "team", "--hook", "envelope"],
    );
    assert!(made.status.success(), "{}", text(&made));
    let told = printed(&made);
    assert!(
        told.contains("copied to vendor/witgate-plugin"),
        "which SDK: {told}"
    );
    let manifest = std::fs::read_to_string(folder.path().join("team/Cargo.toml")).unwrap();
    assert!(
        manifest.contains(r#"witgate-plugin = { path = "vendor/witgate-plugin" }"#),
        "{manifest}"
    );
    assert_eq!(names(folder.path()), ["team"], "nothing is left over");
}

#[test]
fn the_sdk_may_come_from_a_git_repository() {
    let folder = tempfile::tempdir().unwrap();
    let url = "https://git.example/witgate.git";
    let new = ["plugin", "new", "team", "--hook", "route", "--sdk", url];
    let made = witgate(folder.path(), &new);
    assert!(made.status.success(), "{}", text(&made));
    assert!(
        printed(&made).contains(&format!("with the SDK from {url}")),
        "{}",
        text(&made)
    );
    let manifest = std::fs::read_to_string(folder.path().join("team/Cargo.toml")).unwrap();
    assert!(
        manifest.contains(&format!("{{ git = \"{url}\" }}")),
        "{manifest}"
    );
}

#[test]
fn a_wrong_sdk_leaves_nothing_behind_and_the_next_try_is_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = witgate(
        folder.path(),
        &[
            "plugin", "new", "team", "--hook", "route", "--sdk", "/nowhere",
        ],
    );
    assert!(!wrong.status.success(), "{}", text(&wrong));
    assert!(
        complaint(&wrong).contains("/nowhere is not the crate"),
        "{}",
        text(&wrong)
    );
    assert!(
        names(folder.path()).is_empty(),
        "{:?}",
        names(folder.path())
    );

    let right = witgate(folder.path(), &["plugin", "new", "team", "--hook", "route"]);
    assert!(right.status.success(), "{}", text(&right));
    let again = witgate(folder.path(), &["plugin", "new", "team", "--hook", "route"]);
    assert!(
        complaint(&again).contains("already exists"),
        "{}",
        text(&again)
    );
    assert_eq!(names(folder.path()), ["team"], "nothing is left over");
}

#[test]
fn the_contract_can_be_had_as_files_for_other_languages() {
    let folder = tempfile::tempdir().unwrap();
    let wit = witgate(folder.path(), &["plugin", "wit", "--hook", "route"]);
    assert!(wit.status.success(), "{}", text(&wit));
    let world = std::fs::read_to_string(folder.path().join("wit/world.wit")).unwrap();
    assert!(world.contains("export witgate:plugin/route@"), "{world}");
    let contract = names(&folder.path().join("wit/deps/witgate-plugin"));
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let files: Vec<_> = names(&ours)
        .into_iter()
        .filter(|name| name.ends_with(".wit"))
        .collect();
    assert_eq!(contract, files, "all of it");
}

/// Makes the envelope scaffold with a copy of the SDK, and builds it. It stands at the same place each time, so that the
/// copy is not built under a new name with each run.
fn built() -> (PathBuf, PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().unwrap();
    let into = root.join("target/new-plugins-vendored");
    let crate_ = into.join("team");
    // It is not there the first time.
    let _ = std::fs::remove_dir_all(&crate_);
    std::fs::create_dir_all(&into).unwrap();
    let new = [
        "plugin", "new", "team", "--hook", "envelope", "--sdk", "vendored",
    ];
    let made = witgate(&into, &new);
    assert!(made.status.success(), "{}", text(&made));
    // The versions that this workspace has, so that nothing has to be fetched.
    std::fs::copy(root.join("Cargo.lock"), crate_.join("Cargo.lock")).unwrap();
    cargo(&crate_, &["test", "--offline"], Std::Installed);
    let build = ["build", "--offline", "--release", "--target", TARGET];
    cargo(&crate_, &build, find_std());
    let wasm = root
        .join("target/new-plugins")
        .join(TARGET)
        .join("release/team.wasm");
    (crate_.join("team.toml"), wasm)
}

async fn installed(gate: &TestGateway) {
    let (sidecar, wasm) = tokio::task::spawn_blocking(built).await.unwrap();
    std::fs::copy(sidecar, gate.policies().join("team.toml")).unwrap();
    // Whole under another name first, as the guide has it for large files.
    std::fs::copy(wasm, gate.policies().join(".team.wasm")).unwrap();
    std::fs::rename(
        gate.policies().join(".team.wasm"),
        gate.policies().join("team.wasm"),
    )
    .unwrap();
    within_timeout("the new plugin", async {
        while !gate.admin("/plugins").await.text().contains("\"team\"") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crate_with_a_copy_of_the_sdk_builds_and_its_team_cannot_be_forged_by_other_means() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    installed(&gate).await;

    let body = json!({
        "model": "claude-haiku-4-5", "max_tokens": 5, "messages": [],
        "vmx": {"metadata": {"team": "red"}}
    });
    let request = gate.messages(&body);
    let request = request.set_header("x-vmx-metadata-team", "red");
    let nameless = gate.ask(&request).await;
    assert_eq!(
        nameless.status,
        400,
        "the header is needed: {}",
        nameless.text()
    );
    let named = gate.ask(&request.set_header("x-team", "blue")).await;
    assert_eq!(named.status, 200, "{}", named.text());
    let receipts = gate.receipts_when(2).await;
    let answered = receipts.iter().find(|receipt| receipt["status"] == 200);
    let answered = answered.expect("the receipt of the second");
    assert_eq!(
        answered["metadata"]["team"], "blue",
        "the plugin's word stands, not the body's: {answered}"
    );
}
