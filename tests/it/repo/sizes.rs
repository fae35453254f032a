//! The size of the shipped plugins, which every gateway compiles and every author looks at first.

use witgate_artifacts::{AUDIT, Artifact, BUDGET, ENVELOPE, GUARD, ROUTE, RUST};

/// The most that a file may have, in bytes.
const MOST: usize = 100_000;

#[test]
fn the_shipped_plugins_stay_small() {
    // The last one is an author's, with the names of its functions.
    for plugin in [AUDIT, BUDGET, ENVELOPE, GUARD, ROUTE, RUST] {
        let (name, size) = (plugin.name(), plugin.bytes().len());
        assert!(
            size <= MOST,
            "`{name}` has {size} bytes, and may have {MOST}; `serde_json`, floats, `{{:?}}`, `BTreeMap` and searches for a text are what usually takes the room"
        );
    }
}

#[test]
fn the_shipped_plugins_have_no_names_of_functions_and_those_of_authors_have() {
    let has_names = |plugin: &Artifact| {
        let mangled = b"_ZN";
        let mut windows = plugin.bytes().windows(mangled.len());
        windows.any(|window| window == mangled)
    };
    for plugin in [AUDIT, BUDGET, ENVELOPE, GUARD, ROUTE] {
        assert!(!has_names(&plugin), "`{}` has names", plugin.name());
    }
    assert!(has_names(&RUST), "an author's backtraces have names");
}
