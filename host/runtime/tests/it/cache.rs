//! Compiled plugins on disk: used where they can be trusted, made again where not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use witgate_runtime::{Allocation, Runtime, RuntimeError, RuntimeOptions, Source};

use crate::guest::{Guest, PLAN};
use crate::request::{PATIENT, granting, plain, route};

/// A process that starts with this cache, as far as the host is concerned.
fn started(cache: &Path) -> Result<Runtime, RuntimeError> {
    Runtime::try_new(
        RuntimeOptions::default()
            .with_cache(Some(cache.to_owned()))
            .with_allocation(Allocation::OnDemand),
    )
}

/// Admits a plugin in a process of its own and asks it. Tells how often something was compiled.
fn compilations(cache: &Path, sidecar: &str) -> u64 {
    let runtime = started(cache).unwrap_or_else(|error| panic!("{error}"));
    let guest = Guest::route(PLAN).with("lifecycle", "").build();
    let source = Source::new("probe", guest).with_sidecar(granting(sidecar));
    let plugin = runtime
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    let plan = route(&plugin, &plain()).expect("it serves");
    assert!(plan.is_some(), "whatever it was made of");
    runtime.compilations()
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn only_entry(cache: &Path) -> PathBuf {
    let all = entries(cache);
    assert_eq!(all.len(), 1, "one entry: {all:?}");
    all.into_iter().next().unwrap()
}

fn fresh_dir() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("code");
    (folder, cache)
}

#[test]
fn what_was_compiled_once_is_not_compiled_again() {
    let (_folder, cache) = fresh_dir();
    assert_eq!(compilations(&cache, PATIENT), 1, "the first start");
    assert_eq!(compilations(&cache, PATIENT), 0, "the second one");
    let limits = format!("{PATIENT}host_calls = 7\n");
    assert_eq!(
        compilations(&cache, &limits),
        0,
        "its sidecar is not in the code"
    );
    let mode = fs::metadata(&cache).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else's business");
}

#[test]
fn an_image_with_settings_in_it_is_used_for_these_settings_only() {
    let (_folder, cache) = fresh_dir();
    let fresh =
        |settings: &str| format!("instances = \"fresh\"\n{PATIENT}[settings]\n{settings}\n");
    let first = compilations(&cache, &fresh("a = 1"));
    assert!(first > 0, "the first start");
    assert_eq!(compilations(&cache, &fresh("a = 1")), 0, "the same again");
    assert!(
        compilations(&cache, &fresh("a = 2")) > 0,
        "with others it is configured anew"
    );
}

#[test]
fn an_entry_that_is_damaged_or_cut_short_is_made_again() {
    let (_folder, cache) = fresh_dir();
    compilations(&cache, PATIENT);
    let entry = only_entry(&cache);
    let whole = fs::read(&entry).unwrap();
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    for (damage, bytes) in [
        ("a bit has changed", flipped),
        ("half of it is there", whole[..whole.len() / 2].to_vec()),
        ("it is empty", Vec::new()),
        ("it is something else", b"#!/bin/sh\n".repeat(100)),
    ] {
        fs::write(&entry, bytes).unwrap();
        assert_eq!(compilations(&cache, PATIENT), 1, "{damage}");
        assert_eq!(fs::read(&entry).unwrap(), whole, "and is whole again");
    }
}

#[test]
fn an_entry_that_others_could_have_written_is_not_run() {
    let (folder, cache) = fresh_dir();
    compilations(&cache, PATIENT);
    let entry = only_entry(&cache);

    fs::set_permissions(&entry, Permissions::from_mode(0o666)).unwrap();
    assert_eq!(compilations(&cache, PATIENT), 1, "anybody may write it");

    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&entry, &elsewhere).unwrap();
    symlink(&elsewhere, &entry).unwrap();
    assert_eq!(compilations(&cache, PATIENT), 1, "it leads elsewhere");
}

#[test]
fn a_directory_that_others_may_write_is_no_cache() {
    let (_folder, cache) = fresh_dir();
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, Permissions::from_mode(0o770)).unwrap();
    match started(&cache) {
        Err(error @ RuntimeError::Cache(_)) => {
            let text = error.to_string();
            assert!(text.contains("chmod 700"), "what to do: {text}");
        }
        other => panic!("it is not used: {other:?}"),
    }
}

#[test]
fn old_entries_make_room_for_new_ones() {
    let (_folder, cache) = fresh_dir();
    compilations(&cache, PATIENT);
    let entry = only_entry(&cache);
    for number in 0..100 {
        fs::write(cache.join(format!("old-{number}")), b"").unwrap();
    }
    fs::remove_file(&entry).unwrap();
    compilations(&cache, PATIENT);
    let all = entries(&cache);
    assert!(all.len() <= 64, "{} entries are left", all.len());
    assert!(all.contains(&entry), "the newest is among them");
}
