//! The directory, changed as people and tools change it.

mod churn;
mod counts;
mod places;
mod writes;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use witgate_runtime::{PluginState, Policies, PoliciesOptions, Rejection};

use crate::folder::{
    Folder, LONG, has_plan, next_lineup, only, open, plans, plans_nothing, status,
};
use crate::guest::{Guest, on_probe};
use crate::request::{PATIENT, granting, plain, probing, runtime};

#[test]
fn a_plugin_that_is_renamed_into_place_serves_and_requests_keep_their_lineup() {
    let folder = Folder::new();
    folder.rename_in("route.toml", PATIENT.as_bytes());
    folder.rename_in("route.wasm", &plans_nothing());
    let policies = folder.open();
    policies.watch().unwrap();
    let pinned = policies.current();
    assert!(!has_plan(&pinned), "the old one serves");

    folder.rename_in("route.wasm", &plans());
    let lineup = next_lineup(&policies, pinned.generation());
    assert!(has_plan(&lineup), "the new one serves");
    assert!(!has_plan(&pinned), "who holds the old lineup stays with it");

    let old = Arc::downgrade(&only(&pinned));
    drop(pinned);
    assert!(
        old.upgrade().is_none(),
        "the old plugin dies with its last request"
    );
}

#[test]
fn a_file_that_is_written_in_pieces_serves_when_it_is_whole() {
    let folder = Folder::new();
    folder.rename_in("route.toml", PATIENT.as_bytes());
    folder.rename_in("route.wasm", &plans_nothing());
    let policies = folder.open();
    policies.watch().unwrap();
    let first = policies.current();

    let bytes = plans();
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    let mut file = fs::File::create(folder.path("route.wasm")).unwrap();
    file.write_all(head).unwrap();
    file.flush().unwrap();
    let seen = policies.progress().scans;
    policies
        .wait(LONG, |progress| progress.scans > seen + 1)
        .expect("the half file is looked at");
    assert_eq!(
        policies.generation(),
        first.generation(),
        "half a file changes nothing"
    );
    assert_eq!(
        status(&policies, "route").state,
        PluginState::LastGood,
        "and is told"
    );

    file.write_all(tail).unwrap();
    drop(file);
    assert!(
        has_plan(&next_lineup(&policies, first.generation())),
        "the whole one serves"
    );
    let status = status(&policies, "route");
    assert_eq!(
        (status.state, status.last_error),
        (PluginState::Serving, None),
        "all is well"
    );
}

#[test]
fn a_bad_or_empty_file_keeps_the_last_good_plugin() {
    let folder = Folder::new();
    folder.rename_in("route.toml", PATIENT.as_bytes());
    folder.rename_in("route.wasm", &plans());
    let policies = folder.open();
    let good = only(&policies.current());

    for bad in [&b""[..], b"not wasm", &plans()[..100]] {
        folder.rename_in("route.wasm", bad);
        let lineup = policies.reload_now().unwrap();
        assert!(
            Arc::ptr_eq(&only(&lineup), &good),
            "the last good one serves"
        );
        let status = status(&policies, "route");
        assert_eq!(status.state, PluginState::LastGood, "and it is to be seen");
        assert!(
            status.last_error.unwrap().contains("route.wasm"),
            "with the reason"
        );
    }
    folder.rename_in("route.wasm", &plans());
    assert!(
        Arc::ptr_eq(&only(&policies.reload_now().unwrap()), &good),
        "put back"
    );
    assert_eq!(
        status(&policies, "route").state,
        PluginState::Serving,
        "it serves"
    );
}

#[test]
fn a_bad_new_file_does_not_keep_the_others_from_serving() {
    let folder = Folder::new();
    folder.rename_in("route.wasm", &plans());
    folder.rename_in("bad.wasm", b"not wasm");
    folder.rename_in(".hidden.wasm", &plans());
    folder.rename_in("notes.txt", b"nothing to load");
    let policies = folder.open();
    assert_eq!(
        &**only(&policies.current()).name(),
        "route",
        "the good one serves"
    );
    assert_eq!(
        status(&policies, "bad").state,
        PluginState::Refused,
        "the bad one is told"
    );
    assert_eq!(
        policies.status().len(),
        2,
        "dot-names and other files are not looked at"
    );
}

#[test]
fn a_deleted_file_leaves_the_lineup_and_a_required_one_stops_requests() {
    let folder = Folder::new();
    folder.rename_in("route.wasm", &plans());
    let options = PoliciesOptions::default().with_required(vec!["route".to_owned()]);
    let policies = Policies::open(runtime(), folder.dir.path(), options).unwrap();
    assert!(policies.current().missing().is_empty(), "it is there");

    fs::remove_file(folder.path("route.wasm")).unwrap();
    let lineup = policies.reload_now().unwrap();
    assert!(lineup.plugins().is_empty(), "it is gone");
    let read = lineup.begin(plain()).envelope();
    assert!(
        matches!(read, Err(Rejection::Fault(_))),
        "the gate is shut: {read:?}"
    );
    assert_eq!(
        status(&policies, "route").state,
        PluginState::Absent,
        "and says so"
    );
}

#[test]
fn an_unchanged_plugin_is_the_same_after_any_reload() {
    let folder = Folder::new();
    folder.rename_in("route.toml", PATIENT.as_bytes());
    folder.rename_in("route.wasm", &plans());
    let policies = folder.open();
    let before = policies.current();
    has_plan(&before);

    let again = policies.reload_now().unwrap();
    assert_eq!(
        again.generation(),
        before.generation(),
        "nothing changed, no new lineup"
    );
    folder.rename_in("other.wasm", &plans_nothing());
    folder.rename_in("route.wasm", &plans());
    let lineup = policies.reload_now().unwrap();
    assert!(
        lineup.generation() > before.generation(),
        "another plugin came"
    );
    let route = lineup.plugin("route").expect("it is there");
    assert!(
        Arc::ptr_eq(route, &only(&before)),
        "the unchanged one is the same object"
    );
    let calls: u64 = status(&policies, "route")
        .metrics
        .hooks
        .values()
        .map(|hook| hook.calls)
        .sum();
    assert_eq!(calls, 1, "and keeps its numbers");
}

#[test]
fn a_change_of_settings_alone_reloads() {
    let folder = Folder::new();
    folder.rename_in("route.wasm", &plans());
    let policies = folder.open();
    let before = only(&policies.current());
    folder.rename_in("route.toml", b"order = 7");
    let after = only(&policies.reload_now().unwrap());
    assert!(!Arc::ptr_eq(&before, &after), "another plugin");
    assert_eq!(after.order(), 7, "with the new word");
    assert_eq!(
        before.identity().wasm,
        after.identity().wasm,
        "of the same bytes"
    );

    folder.rename_in("route.toml", b"odrer = 8");
    let kept = only(&policies.reload_now().unwrap());
    assert!(
        Arc::ptr_eq(&after, &kept),
        "a bad sidecar keeps the last good plugin"
    );
    let error = status(&policies, "route").last_error.expect("a reason");
    assert!(
        error.contains("route.toml:1: `odrer`"),
        "with its line: {error}"
    );

    fs::remove_file(folder.path("route.toml")).unwrap();
    assert_eq!(
        only(&policies.reload_now().unwrap()).order(),
        100,
        "without one: the default"
    );
}

#[test]
fn a_swap_of_the_directory_behind_a_link_is_seen() {
    // As Kubernetes mounts a ConfigMap: files link to ..data/FILE, and ..data is swapped by a rename.
    let folder = Folder::new();
    let root = folder.dir.path();
    for (version, bytes) in [("..v1", plans_nothing()), ("..v2", plans())] {
        fs::create_dir(root.join(version)).unwrap();
        fs::write(root.join(version).join("route.wasm"), bytes).unwrap();
        fs::write(root.join(version).join("route.toml"), PATIENT).unwrap();
    }
    symlink("..v1", root.join("..data")).unwrap();
    symlink("..data/route.wasm", root.join("route.wasm")).unwrap();
    symlink("..data/route.toml", root.join("route.toml")).unwrap();
    let policies = folder.open();
    policies.watch().unwrap();
    let first = policies.current();
    assert!(!has_plan(&first), "the first version serves");

    symlink("..v2", root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    assert!(
        has_plan(&next_lineup(&policies, first.generation())),
        "the second serves"
    );
}

#[test]
fn a_swap_of_the_whole_directory_is_seen() {
    let folder = Folder::new();
    let root = folder.dir.path();
    for (version, bytes) in [("v1", plans_nothing()), ("v2", plans())] {
        fs::create_dir(root.join(version)).unwrap();
        fs::write(root.join(version).join("route.wasm"), bytes).unwrap();
    }
    symlink("v1", root.join("policies")).unwrap();
    let policies = open(&root.join("policies"));
    policies.watch().unwrap();
    let first = policies.current();
    symlink("v2", root.join("next")).unwrap();
    fs::rename(root.join("next"), root.join("policies")).unwrap();
    let lineup = next_lineup(&policies, first.generation());
    assert_ne!(
        only(&lineup).identity(),
        only(&first).identity(),
        "the other directory's plugin serves"
    );
}

#[test]
fn a_suspended_plugin_is_to_be_seen() {
    let folder = Folder::new();
    folder.rename_in("route.toml", granting(PATIENT).as_bytes());
    folder.rename_in(
        "route.wasm",
        &Guest::route(&on_probe("unreachable")).build(),
    );
    let policies = folder.open();
    for _ in 0..3 {
        let lineup = policies.current();
        let decided = lineup.begin(probing()).route(&Arc::default(), None);
        assert!(decided.is_err(), "it traps");
    }
    let status = status(&policies, "route");
    assert_eq!(status.state, PluginState::Suspended, "it is suspended");
    assert_eq!(
        status.metrics.faults.get("trap"),
        Some(&3),
        "with its faults"
    );
    let json = serde_json::to_value(&status).expect("it is JSON");
    assert_eq!(json["state"], "suspended", "for the admin API");
    assert_eq!(
        json["metrics"]["hooks"]["route"]["calls"], 3,
        "with its numbers"
    );
}

#[test]
fn a_directory_that_goes_away_keeps_the_lineup() {
    let folder = Folder::new();
    folder.rename_in("route.wasm", &plans());
    let policies = folder.open();
    fs::remove_dir_all(folder.dir.path()).unwrap();
    assert!(policies.reload_now().is_err(), "it is told");
    assert_eq!(policies.current().plugins().len(), 1, "what served, serves");
    assert!(
        Policies::open(runtime(), folder.dir.path(), PoliciesOptions::default()).is_err(),
        "at the start it is an error"
    );
}
