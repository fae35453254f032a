//! Tables of plugins: where their content comes from, and what stays when it doesn't come.

mod remote;
mod retry;
mod written;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use witgate_artifacts::LOOKUP;
use witgate_runtime::{
    AdmissionError, FaultKind, Plugin, Rejection, Runtime, SidecarText, Source, TableStatus,
};

use crate::folder::{Folder, LONG};
use crate::guest::{Guest, NEWEST};
use crate::request::{PATIENT, admit, asking, plain, route, runtime};

/// Admits the guest that refuses the models of its table, with a sidecar in this folder.
fn admitted(
    runtime: &Runtime,
    folder: &Path,
    sidecar: &str,
) -> Result<Arc<Plugin>, AdmissionError> {
    let mut source = Source::new("lookup", LOOKUP.bytes());
    let text = format!("{PATIENT}{sidecar}");
    source.sidecar = Some(SidecarText::new(folder.join("lookup.toml"), text));
    runtime.admit(&source)
}

/// Returns what became of a request for this model: the reason of its refusal, or the rule of its plan.
fn asked(plugin: &Arc<Plugin>, model: &'static str) -> String {
    match route(plugin, &asking(Some(model), 0)) {
        Ok(plan) => plan.and_then(|plan| plan.rule).unwrap_or_default(),
        Err(Rejection::Refusal { refusal, .. }) => refusal.message,
        Err(other) => panic!("{other}"),
    }
}

/// Returns the kind of the fault of a request.
fn fault(plugin: &Arc<Plugin>) -> Option<FaultKind> {
    match route(plugin, &asking(Some("a"), 0)) {
        Err(Rejection::Fault(fault)) => Some(fault.kind),
        _ => None,
    }
}

fn status(plugin: &Plugin) -> TableStatus {
    let mut tables = plugin.tables();
    assert_eq!(tables.len(), 1, "one table");
    tables.remove(0)
}

/// Waits until something is so that nothing tells about.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "never: {what}");
        thread::yield_now();
    }
}

const FILE: &str = "[tables.models]\nfile = \"models.csv\"\nrefresh_ms = 100\n";

#[test]
fn a_look_up_finds_what_the_file_has_and_soon_what_it_has_next() {
    let folder = Folder::new();
    folder.rename_in("models.csv", b"a,no a\n");
    let plugin = admitted(&runtime(), folder.dir.path(), FILE).expect("it is admitted");
    assert_eq!(asked(&plugin, "a"), "no a", "in the table");
    assert_eq!(asked(&plugin, "b"), "read", "not in it");

    folder.rename_in("models.csv", b"b,no b\n");
    until("the new file is read", || asked(&plugin, "b") == "no b");
    assert_eq!(asked(&plugin, "a"), "read", "all of the old one is gone");

    fs::write(folder.path("models.csv"), "a,in place\n").unwrap();
    until("it is written in place", || {
        asked(&plugin, "a") == "in place"
    });
}

#[test]
fn the_last_good_content_stays_while_the_file_is_bad_or_gone() {
    let folder = Folder::new();
    folder.rename_in("models.csv", b"a,no a\n");
    let plugin = admitted(&runtime(), folder.dir.path(), FILE).expect("it is admitted");
    let error = || status(&plugin).last_error.unwrap_or_default();
    for (bad, says) in [
        ("a,b,c\n", "line 1: it has 3 fields"),
        ("\"", "a quoted field has no end"),
    ] {
        folder.rename_in("models.csv", bad.as_bytes());
        until(says, || error().contains(says));
        assert_eq!(asked(&plugin, "a"), "no a", "{says}");
    }
    fs::remove_file(folder.path("models.csv")).unwrap();
    until("it is gone", || error().contains("there is no file"));
    let status = status(&plugin);
    assert_eq!(asked(&plugin, "a"), "no a", "still");
    assert_eq!((status.entries, status.bytes), (1, 7), "{status:?}");
    assert!(status.failures >= 3, "{status:?}");

    folder.rename_in("models.csv", b"");
    until("it is back", || asked(&plugin, "a") == "read");
    until("and well", || error().is_empty());
}

#[test]
fn what_is_too_large_is_not_read_and_the_limit_is_named() {
    let folder = Folder::new();
    folder.rename_in("models.csv", b"a,1\nb,2\n");
    for (limit, says) in [
        (
            "max_bytes = 7",
            "it has more than 7 bytes; raise `max_bytes`",
        ),
        (
            "max_entries = 1",
            "it has more than 1 entries; raise `max_entries`",
        ),
    ] {
        let sidecar = format!("{FILE}{limit}\n");
        let error = admitted(&runtime(), folder.dir.path(), &sidecar).expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
    }
    let sidecar = format!("{FILE}max_bytes = 8\nmax_entries = 2\n");
    let plugin = admitted(&runtime(), folder.dir.path(), &sidecar);
    assert!(plugin.is_ok(), "exactly at the limits: {plugin:?}");
}

#[test]
fn a_table_that_the_sidecar_does_not_declare_is_a_fault_that_names_the_line() {
    let error = admitted(&runtime(), Path::new(""), "").expect_err("it looks up in `models`");
    let text = error.to_string();
    assert!(
        text.contains("there is no table `models`; declare `[tables.models]` with `file` or `url`"),
        "{text}"
    );
}

#[test]
fn a_file_that_is_not_there_refuses_the_plugin_with_the_line_unless_it_is_optional() {
    let folder = Folder::new();
    let error = admitted(&runtime(), folder.dir.path(), FILE).expect_err("no file");
    let text = error.to_string();
    assert!(
        text.contains("lookup.toml:5: `tables.models.file`: there is no file")
            && text.contains("models.csv"),
        "{text}"
    );
    let sidecar = format!("{FILE}optional = true\n");
    let plugin = admitted(&runtime(), folder.dir.path(), &sidecar).expect("it starts empty");
    assert_eq!(
        asked(&plugin, "a"),
        "never read",
        "no content, and it knows"
    );
    assert_eq!(status(&plugin).age_ms, None, "never read");

    folder.rename_in("models.csv", b"a,no a\n");
    until("it is read", || asked(&plugin, "a") == "no a");
}

#[test]
fn content_that_is_too_old_is_a_fault_that_is_not_the_plugins() {
    let folder = Folder::new();
    let sidecar = format!("{FILE}max_age_ms = 60000\noptional = true\n");
    let plugin = admitted(&runtime(), folder.dir.path(), &sidecar).expect("it starts empty");
    for _ in 0..5 {
        assert_eq!(
            fault(&plugin),
            Some(FaultKind::StaleTable),
            "older than any"
        );
    }
    assert!(plugin.suspended().is_none(), "its source is to blame");
    assert!(status(&plugin).stale, "{:?}", status(&plugin));

    folder.rename_in("models.csv", b"");
    until("it is read", || fault(&plugin).is_none());
    assert!(!status(&plugin).stale, "{:?}", status(&plugin));
}

#[test]
fn the_next_version_of_a_plugin_takes_over_a_table_whose_source_is_the_same() {
    let folder = Folder::new();
    folder.rename_in("models.csv", b"a,no a\n");
    let runtime = runtime();
    let here = folder.dir.path();
    let first = admitted(&runtime, here, FILE).expect("it is admitted");
    fs::remove_file(folder.path("models.csv")).unwrap();
    let changed = format!("{FILE}max_age_ms = 86400000\n");
    let second = admitted(&runtime, here, &changed).expect("the content is there");
    assert_eq!(asked(&second, "a"), "no a", "without a file");
    drop(first);
    assert_eq!(asked(&second, "a"), "no a", "and without the first");

    let other = format!("{FILE}max_entries = 5\n");
    let error = admitted(&runtime, here, &other).expect_err("it would be another content");
    assert!(error.to_string().contains("there is no file"), "{error}");
}

#[test]
fn tables_are_not_there_while_a_plugin_starts() {
    let ask =
        "(call $get (i32.const 16) (i32.const 7) (i32.const 16) (i32.const 7) (i32.const 3072))";
    let guest = |body: &str| {
        Guest::route("")
            .with("lifecycle", body)
            .version(NEWEST)
            .fact("tables#get", "$get", "(param i32 i32 i32 i32 i32)")
    };
    let plugin = admit(&guest(""), PATIENT);
    assert!(
        route(&plugin, &plain()).is_ok(),
        "the import alone is nothing"
    );
    let source = crate::request::source(guest(ask).build(), PATIENT);
    let error = runtime().admit(&source).expect_err("it asks too early");
    assert!(
        error
            .to_string()
            .contains("`tables` is not available while the plugin starts"),
        "{error}"
    );
}

#[test]
fn a_look_up_counts_as_a_call_of_the_host_and_its_bytes_as_copied() {
    let folder = Folder::new();
    folder.rename_in(
        "models.csv",
        format!("a,{}\n", "x".repeat(2_000)).as_bytes(),
    );
    let sidecar = format!("copy_bytes = 1024\n{FILE}");
    let plugin = admitted(&runtime(), folder.dir.path(), &sidecar).expect("it is admitted");
    assert_eq!(fault(&plugin), Some(FaultKind::CopyLimit), "a long value");
    let sidecar = format!("host_calls = 1\n{FILE}");
    let error = admitted(&runtime(), folder.dir.path(), &sidecar).expect_err("two calls");
    assert!(error.to_string().contains("more than 1 calls"), "{error}");
}
