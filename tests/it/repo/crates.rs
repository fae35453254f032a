//! The crates that others embed or build on can be published, with everything that they are built from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use super::source::{root, sources};

/// The published crates, and the folder of each.
const PUBLISHED: [(&str, &str); 3] = [
    ("witgate-config-file", "host/config-file"),
    ("witgate-runtime", "host/runtime"),
    ("witgate-plugin", "plugins/sdk"),
];

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The paths of the files that each published crate would have.
static PACKAGED: LazyLock<BTreeMap<&str, BTreeSet<String>>> = LazyLock::new(|| {
    let list = |name| cargo(&["package", "--list", "--allow-dirty", "--package", name]);
    let files = |name| list(name).lines().map(str::to_owned).collect();
    PUBLISHED
        .iter()
        .map(|(name, _)| (*name, files(*name)))
        .collect()
});

/// Returns the texts in quotes that follow `before`.
fn quoted<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
}

/// Removes `.` and `..` from a relative path, and returns `None` if it leaves the folder it starts in.
fn normal(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str().unwrap()),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

#[test]
fn a_published_crate_has_every_file_that_it_is_built_from() {
    let mut read = 0;
    for (name, folder) in PUBLISHED {
        let files = &PACKAGED[name];
        for source in sources(&format!("{folder}/src")) {
            let at = Path::new(&source.path).strip_prefix(folder).unwrap();
            let text: String = source
                .text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            let included = quoted(&text, "include_str!(\"")
                .chain(quoted(&text, "include_bytes!(\""))
                .map(str::to_owned)
                .chain(listed(&text))
                .map(|path| at.parent().unwrap().join(path));
            for path in included {
                let inside = normal(&path).is_some_and(|path| files.contains(&path));
                assert!(inside, "{name} includes {} from elsewhere", path.display());
                read += 1;
            }
            // `bindgen!` and `generate!` read whole folders of WIT.
            if text.contains("bindgen!({") || text.contains("wit_bindgen::generate!({") {
                for path in quoted(&text, "path: \"") {
                    let below = normal(Path::new(path)).map(|path| format!("{path}/types.wit"));
                    let inside = below.is_some_and(|below| files.contains(&below));
                    assert!(inside, "{name} reads {path} from elsewhere");
                    read += 1;
                }
            }
        }
    }
    assert!(read > 20, "includes are found: {read}");
}

/// Returns the paths of `files!("FOLDER": "NAME" "NAME")`, which includes each.
fn listed(text: &str) -> impl Iterator<Item = String> {
    text.split("files!(\"").skip(1).flat_map(|list| {
        let list = list.split(')').next().unwrap_or_default();
        let (folder, names) = list.split_once("\":").expect("a folder");
        let names = names.split('"').skip(1).step_by(2);
        names.map(move |name| format!("{folder}{name}"))
    })
}

#[test]
fn a_published_crate_says_what_a_registry_shows() {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    for (name, folder) in PUBLISHED {
        let package = packages.iter().find(|package| package["name"] == name);
        let package = package.expect("the crate is there");
        assert!(package["publish"].is_null(), "{name} may be published");
        for key in [
            "description",
            "license",
            "repository",
            "documentation",
            "readme",
        ] {
            assert!(package[key].is_string(), "{name} has no `{key}`");
        }
        for (key, most) in [("keywords", 5), ("categories", 5)] {
            let some = package[key].as_array().map_or(0, Vec::len);
            assert!((1..=most).contains(&some), "{name}: {some} {key}");
        }
        let files = &PACKAGED[name];
        for file in ["README.md", "LICENSE"] {
            assert!(files.contains(file), "{name} comes without its {file}");
        }
        let readme = std::fs::read_to_string(root().join(folder).join("README.md")).unwrap();
        assert!(readme.contains("```rust"), "{name} shows no example");

        // A registry has no paths: what it is built from needs a version, too.
        for dependency in package["dependencies"].as_array().unwrap() {
            let local = dependency["path"].is_string() && dependency["kind"].is_null();
            let anyone = dependency["req"] == "*";
            assert!(
                !local || !anyone,
                "{name}: {} has no version",
                dependency["name"]
            );
        }
    }
}

#[test]
fn patterns_of_the_host_and_the_sdk_have_the_same_cases() {
    let of = |path: &str| std::fs::read_to_string(root().join(path)).expect("the cases are there");
    let host = of("host/runtime/src/globs.txt");
    assert!(host.lines().count() > 20, "cases");
    assert_eq!(host, of("plugins/sdk/src/globs.txt"), "in both crates");
}
