//! Unreadable files in the place of plugins, and directories that change while they are watched.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use witgate_runtime::file::{Heard, Watcher};
use witgate_runtime::{PluginState, Policies};

use crate::child;
use crate::folder::{
    Folder, LONG, has_plan, next_lineup, only, open, plans, plans_nothing, status,
};
use crate::request::PATIENT;

/// `v1` has a plugin that gives no plan, `v2` one that does.
fn two_versions(root: &Path) {
    for (version, bytes) in [("v1", plans_nothing()), ("v2", plans())] {
        fs::create_dir(root.join(version)).unwrap();
        fs::write(root.join(version).join("route.wasm"), bytes).unwrap();
        fs::write(root.join(version).join("route.toml"), PATIENT).unwrap();
    }
}

/// Waits for a plugin to be in a state.
fn until(policies: &Policies, state: PluginState) {
    let there = || {
        let all = policies.status();
        all.iter()
            .any(|one| one.name == "route" && one.state == state)
    };
    policies
        .wait(LONG, |_| there())
        .unwrap_or_else(|| panic!("it is {state:?}: {:?}", policies.status()));
}

/// Returns whether a process may mount in a namespace of its own.
fn may_mount() -> bool {
    let probe = Folder::new();
    let (a, b) = (probe.path("a"), probe.path("b"));
    fs::create_dir(&a).unwrap();
    fs::create_dir(&b).unwrap();
    let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());
    child::succeeds(&["unshare", "-Urm", "mount", "--bind", a, b])
}

#[test]
fn a_directory_that_is_mounted_over_is_seen() {
    if child::is_child() {
        return mount_over();
    }
    if may_mount() {
        let test = concat!(module_path!(), "::a_directory_that_is_mounted_over_is_seen");
        return child::must_pass(test, &["unshare", "-Urm"]);
    }
    println!(
        "this process may not mount: the directory is renamed away and another takes its place"
    );
    let folder = Folder::new();
    let root = folder.dir.path();
    two_versions(root);
    fs::rename(root.join("v1"), root.join("policies")).unwrap();
    let policies = open(&root.join("policies"));
    policies.watch().unwrap();
    let first = policies.current();
    fs::rename(root.join("policies"), root.join("old")).unwrap();
    fs::rename(root.join("v2"), root.join("policies")).unwrap();
    let lineup = next_lineup(&policies, first.generation());
    assert!(has_plan(&lineup), "the other directory's plugin serves");
}

/// In a mount namespace of its own.
fn mount_over() {
    let folder = Folder::new();
    let root = folder.dir.path();
    two_versions(root);
    let at = root.join("policies");
    fs::create_dir(&at).unwrap();
    let mount = |version: &str| {
        let version = root.join(version);
        let (from, to) = (version.to_str().unwrap(), at.to_str().unwrap());
        assert!(child::succeeds(&["mount", "--bind", from, to]), "mounted");
    };
    mount("v1");
    let policies = open(&at);
    policies.watch().unwrap();
    let first = policies.current();
    assert!(!has_plan(&first), "the first version serves");

    // What is watched is underneath.
    mount("v2");
    let second = next_lineup(&policies, first.generation());
    assert!(has_plan(&second), "the second version serves");

    let unmount = || {
        assert!(
            child::succeeds(&["umount", at.to_str().unwrap()]),
            "unmounted"
        );
    };
    unmount();
    let third = next_lineup(&policies, second.generation());
    assert!(!has_plan(&third), "the first is to be seen again");
    drop(policies);
    unmount();
    println!("with real mounts");
}

#[test]
fn a_mount_is_heard() {
    if child::is_child() {
        return hear_a_mount();
    }
    if may_mount() {
        let test = concat!(module_path!(), "::a_mount_is_heard");
        return child::must_pass(test, &["unshare", "-Urm"]);
    }
    println!("this process may not mount");
}

/// In a mount namespace of its own.
fn hear_a_mount() {
    let folder = Folder::new();
    two_versions(folder.dir.path());
    let (from, to) = (folder.path("v1"), folder.path("v2"));
    let (mut watcher, _waker) = Watcher::try_new().unwrap();
    watcher.watch([to.join("route.wasm").as_path()]);
    assert_eq!(
        watcher.wait(Duration::ZERO),
        Heard::Quiet,
        "nothing happened"
    );
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    assert!(child::succeeds(&["mount", "--bind", from, to]), "mounted");
    assert_eq!(watcher.wait(LONG), Heard::Mount, "it is told");
    assert!(child::succeeds(&["umount", to]), "unmounted");
    assert_eq!(watcher.wait(LONG), Heard::Mount, "that is told, too");
    println!("with real mounts");
}

/// The capabilities that root gives up, so that permissions apply.
const HUMBLE: [&str; 3] = [
    "setpriv",
    "--bounding-set",
    "-dac_override,-dac_read_search",
];

#[test]
fn a_file_that_may_not_be_read_keeps_the_last_good_plugin_until_it_may() {
    if child::is_child() {
        return deny_and_allow();
    }
    let probe = Folder::new();
    let secret = probe.path("secret");
    fs::write(&secret, "x").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
    if fs::read(&secret).is_err() {
        return deny_and_allow();
    }
    let humbly = |command: &[&str]| child::succeeds(&[&HUMBLE[..], command].concat());
    if humbly(&["true"]) && !humbly(&["cat", secret.to_str().unwrap()]) {
        let test = concat!(
            module_path!(),
            "::a_file_that_may_not_be_read_keeps_the_last_good_plugin_until_it_may"
        );
        return child::must_pass(test, &HUMBLE);
    }
    println!(
        "this process may read everything and can't give that up: nothing is denied to it here"
    );
}

fn deny_and_allow() {
    let folder = Folder::new();
    folder.rename_in("route.toml", PATIENT.as_bytes());
    folder.rename_in("route.wasm", &plans_nothing());
    let policies = folder.open();
    policies.watch().unwrap();
    let first = policies.current();

    let hidden = folder.path(".next");
    fs::write(&hidden, plans()).unwrap();
    fs::set_permissions(&hidden, Permissions::from_mode(0o000)).unwrap();
    fs::rename(&hidden, folder.path("route.wasm")).unwrap();
    until(&policies, PluginState::LastGood);
    let error = status(&policies, "route").last_error.expect("a reason");
    assert!(error.contains("Permission denied"), "it is named: {error}");
    assert_eq!(
        policies.generation(),
        first.generation(),
        "the old one serves"
    );
    fs::set_permissions(folder.path("route.wasm"), Permissions::from_mode(0o644)).unwrap();
    let second = next_lineup(&policies, first.generation());
    assert!(has_plan(&second), "now it may be read");

    fs::set_permissions(folder.path("route.toml"), Permissions::from_mode(0o000)).unwrap();
    until(&policies, PluginState::LastGood);
    fs::set_permissions(folder.path("route.toml"), Permissions::from_mode(0o644)).unwrap();
    until(&policies, PluginState::Serving);
    assert_eq!(
        policies.generation(),
        second.generation(),
        "a sidecar that may not be read is no absent sidecar"
    );

    fs::set_permissions(folder.dir.path(), Permissions::from_mode(0o000)).unwrap();
    assert!(
        policies.reload_now().is_err(),
        "the directory may not be listed"
    );
    assert_eq!(policies.current().plugins().len(), 1, "what served, serves");
    fs::set_permissions(folder.dir.path(), Permissions::from_mode(0o700)).unwrap();
    println!("with real permissions");
}

/// Replaces a served file and checks that the last good version serves.
fn instead(put: impl Fn(&Path), told: &str) {
    let folder = Folder::new();
    folder.rename_in("route.toml", PATIENT.as_bytes());
    folder.rename_in("route.wasm", &plans());
    let policies = folder.open();
    let good = only(&policies.current());
    let file = folder.path("route.wasm");
    fs::remove_file(&file).unwrap();
    put(&file);
    let lineup = policies.reload_now().unwrap();
    assert!(
        std::sync::Arc::ptr_eq(&only(&lineup), &good),
        "the last good one serves"
    );
    let status = status(&policies, "route");
    assert_eq!(status.state, PluginState::LastGood, "and it is to be seen");
    let error = status.last_error.unwrap_or_default();
    assert!(error.contains(told), "with the reason: {error}");
}

#[test]
fn a_link_that_leads_nowhere_keeps_the_last_good_plugin() {
    instead(
        |file| symlink("..data/gone.wasm", file).unwrap(),
        "No such file",
    );
    instead(|file| symlink(file, file).unwrap(), "symbolic links");
}

#[test]
fn a_directory_or_a_pipe_with_a_plugins_name_is_told_and_never_read() {
    // A container runtime makes a directory for a file that isn't there to be mounted.
    instead(|file| fs::create_dir(file).unwrap(), "it is a directory");
    instead(
        |file| {
            assert!(
                child::succeeds(&["mkfifo", file.to_str().unwrap()]),
                "a pipe"
            );
        },
        "it is not a regular file",
    );
}

#[test]
fn a_sidecar_that_leads_nowhere_is_not_the_same_as_none() {
    let folder = Folder::new();
    folder.rename_in("route.wasm", &plans());
    folder.rename_in("route.toml", format!("order = 7\n{PATIENT}").as_bytes());
    let policies = folder.open();
    fs::remove_file(folder.path("route.toml")).unwrap();
    symlink("..data/route.toml", folder.path("route.toml")).unwrap();
    let lineup = policies.reload_now().unwrap();
    assert_eq!(only(&lineup).order(), 7, "the settings stay");
    assert_eq!(
        status(&policies, "route").state,
        PluginState::LastGood,
        "and it is told"
    );
    fs::remove_file(folder.path("route.toml")).unwrap();
    let lineup = policies.reload_now().unwrap();
    assert_eq!(only(&lineup).order(), 100, "without one: the default");
}
