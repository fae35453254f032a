//! The size of the shipped plugins, which every gateway compiles and every author looks at first.

use witgate_artifacts::{AUDIT, Artifact, BUDGET, ENVELOPE, ROUTE, RUST};

/// The most that each file may have, in bytes. Route has the most settings, and its reader of them is half of it.
const MOST: [(Artifact, usize); 5] = [
    (AUDIT, 80_000),
    (BUDGET, 102_000),
    (ENVELOPE, 100_000),
    (ROUTE, 148_000),
    // Of an author, with the names of its functions.
    (RUST, 100_000),
];

#[test]
fn the_shipped_plugins_stay_small() {
    for (plugin, most) in MOST {
        let (name, size) = (plugin.name(), plugin.bytes().len());
        assert!(
            size <= most,
            "`{name}` has {size} bytes, and may have {most}; `serde_json`, floats, `{{:?}}`, `BTreeMap` and searches for a text are what usually takes the room"
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
    for plugin in [AUDIT, BUDGET, ENVELOPE, ROUTE] {
        assert!(!has_names(&plugin), "`{}` has names", plugin.name());
    }
    assert!(has_names(&RUST), "an author's backtraces have names");
}
