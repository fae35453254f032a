//! The size of the shipped plugins, which every gateway compiles and every author looks at first.

use witgate_artifacts::{AUDIT, Artifact, BUDGET, ENVELOPE, GUARD, OPENAI, ROUTE, RUST};

/// The most that a file may have, in bytes.
const MOST: usize = 100_000;

/// The same for a plugin that translates another API.
const MOST_OF_A_DIALECT: usize = 170_000;

#[test]
fn the_shipped_plugins_stay_small() {
    // The last one is an author's, with the names of its functions.
    for plugin in [AUDIT, BUDGET, ENVELOPE, GUARD, OPENAI, ROUTE, RUST] {
        let (name, size) = (plugin.name(), plugin.bytes().len());
        let most = match name {
            // It has two APIs in it.
            "openai" => MOST_OF_A_DIALECT,
            _ => MOST,
        };
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
    for plugin in [AUDIT, BUDGET, ENVELOPE, GUARD, OPENAI, ROUTE] {
        assert!(!has_names(&plugin), "`{}` has names", plugin.name());
    }
    assert!(has_names(&RUST), "an author's backtraces have names");
}
