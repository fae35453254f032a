//! A refused plugin is tried again when something comes that its sidecar refers to.

use witgate_runtime::{PluginState, Policies};

use super::FILE;
use super::remote::{Answer, Server, URL, runtime_with};
use crate::folder::{Folder, LONG, next_lineup, open_with, plans, status};
use crate::request::{PATIENT, runtime};

/// Waits until a plugin of a watched directory is in this state.
fn until_state(policies: &Policies, state: PluginState) {
    let is = || status(policies, "lookup").state == state;
    policies
        .wait(LONG, |_| is())
        .unwrap_or_else(|| panic!("never {state:?}: {:?}", status(policies, "lookup")));
}

#[test]
fn a_plugin_whose_secret_or_table_was_missing_serves_when_the_file_appears() {
    let secret = "[settings]\nsalt = { file = \"later\" }\n";
    let table = "[tables.t]\nfile = \"later\"\nformat = \"lines\"\n";
    for sidecar in [secret, table] {
        let folder = Folder::new();
        folder.rename_in("lookup.toml", format!("{PATIENT}{sidecar}").as_bytes());
        folder.rename_in("lookup.wasm", &plans());
        let policies = folder.open();
        policies.watch().unwrap();
        let before = status(&policies, "lookup");
        assert_eq!(before.state, PluginState::Refused, "{sidecar}: {before:?}");
        let generation = policies.generation();

        folder.rename_in("later", b"s3cr3t");
        next_lineup(&policies, generation);
        until_state(&policies, PluginState::Serving);
    }
}

#[test]
fn a_table_that_is_mended_is_enough_for_a_new_version() {
    let folder = Folder::new();
    folder.rename_in("lookup.toml", PATIENT.as_bytes());
    folder.rename_in("lookup.wasm", &plans());
    let policies = folder.open();
    policies.watch().unwrap();
    folder.rename_in("models.csv", b"a,b,c");
    folder.rename_in("lookup.toml", format!("{PATIENT}{FILE}").as_bytes());
    until_state(&policies, PluginState::LastGood);
    folder.rename_in("models.csv", b"a,b");
    until_state(&policies, PluginState::Serving);
}

#[test]
fn a_refused_plugin_is_not_compiled_again_while_nothing_changes() {
    let folder = Folder::new();
    let runtime = witgate_runtime::Runtime::try_new(runtime().options().clone()).unwrap();
    folder.rename_in("lookup.toml", format!("{PATIENT}{FILE}").as_bytes());
    folder.rename_in("lookup.wasm", &plans());
    let policies = open_with(folder.dir.path(), runtime.clone());
    let compiled = runtime.compilations();
    for _ in 0..3 {
        policies.reload_now().unwrap();
    }
    assert_eq!(runtime.compilations(), compiled, "it is as it was");
}

#[test]
fn a_plugin_whose_url_did_not_answer_serves_when_it_does() {
    let (server, fetch) = Server::new();
    let runtime = runtime_with(fetch);
    let folder = Folder::new();
    folder.rename_in("lookup.toml", format!("{PATIENT}{URL}").as_bytes());
    folder.rename_in("lookup.wasm", &plans());
    server.then(Answer::Error("no connection"));
    let policies = open_with(folder.dir.path(), runtime.clone());
    let refused = status(&policies, "lookup");
    let error = refused.last_error.unwrap_or_default();
    assert_eq!(refused.state, PluginState::Refused, "{error}");
    assert!(
        error.contains("`tables.models.url`: no connection"),
        "{error}"
    );
    assert_eq!(runtime.compilations(), 0, "nothing is compiled for nothing");

    policies.watch().unwrap();
    server.then(Answer::Content("{}", None));
    until_state(&policies, PluginState::Serving);
}
