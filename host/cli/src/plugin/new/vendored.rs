//! A copy of the SDK and of the contract inside this program, so that plugins can be built with nothing but the program.

use anyhow::Context as _;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};
use witgate_runtime::CONTRACT_TEXT;

/// Folder of the copy in the new crate.
pub(super) const FOLDER: &str = "vendor/witgate-plugin";

/// Includes files of `plugins/sdk` by their relative paths.
macro_rules! sdk {
    ($($path:literal)*) => {
        &[$(($path, include_str!(concat!("../../../../../plugins/sdk/", $path)))),*]
    };
}

const FILES: &[(&str, &str)] = sdk! {
    "examples/night_shift.rs"
    "src/bindings.rs"
    "src/call_memory.rs"
    "src/call_memory/chunk.rs"
    "src/call_memory/large.rs"
    "src/call_memory/small.rs"
    "src/call_memory/tests.rs"
    "src/clock.rs"
    "src/export.rs"
    "src/export/component.rs"
    "src/functions.rs"
    "src/glob.rs"
    "src/globs.txt"
    "src/host.rs"
    "src/json.rs"
    "src/json/parser.rs"
    "src/json/tests.rs"
    "src/kv.rs"
    "src/lib.rs"
    "src/log.rs"
    "src/metrics.rs"
    "src/notes.rs"
    "src/plugin.rs"
    "src/prelude.rs"
    "src/receipts.rs"
    "src/request.rs"
    "src/settings.rs"
    "src/settings/declare.rs"
    "src/settings/reader.rs"
    "src/settings/reader/node.rs"
    "src/settings/reader/node/parts.rs"
    "src/settings/setting.rs"
    "src/settings/setting/tests.rs"
    "src/settings/table.rs"
    "src/settings/tests.rs"
    "src/settings/value_error.rs"
    "src/tables.rs"
    "src/testing.rs"
    "src/testing/facts.rs"
    "src/testing/grants.rs"
    "src/testing/guard.rs"
    "src/testing/host.rs"
    "src/testing/notes.rs"
    "src/testing/request.rs"
    "src/testing/scan.rs"
    "src/testing/tests.rs"
    "src/testing/tests/guard.rs"
    "src/types.rs"
    "src/types/codes.rs"
    "src/types/edits.rs"
    "src/types/envelope.rs"
    "src/types/guard.rs"
    "src/types/interest.rs"
    "src/types/plan.rs"
    "src/types/receipt_edits.rs"
    "src/types/refusal.rs"
    "src/types/tests.rs"
    "src/types/translate.rs"
};

const MANIFEST: &str = include_str!("../../../../../plugins/sdk/Cargo.toml");
/// The workspace manifest, to which the SDK's manifest refers.
const WORKSPACE: &str = include_str!("../../../../../Cargo.toml");
const LICENSE: &str = include_str!("../../../../../LICENSE");
const README: &str = include_str!("../../../../../plugins/sdk/README.md");

/// Returns the files of the copy, as paths in [`FOLDER`] and texts.
///
/// # Errors
///
/// Returns an error if a manifest is invalid, which a test rules out.
pub(super) fn files() -> anyhow::Result<Vec<(String, String)>> {
    let mut files = vec![
        ("Cargo.toml".to_owned(), manifest()?),
        ("LICENSE".to_owned(), LICENSE.to_owned()),
        ("README.md".to_owned(), README.to_owned()),
    ];
    let code = FILES
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    files.extend(code);
    let contract = CONTRACT_TEXT
        .iter()
        .map(|(path, text)| (format!("wit/{path}"), (*text).to_owned()));
    files.extend(contract);
    Ok(files)
}

/// Returns the SDK's manifest with the values of its workspace filled in.
fn manifest() -> anyhow::Result<String> {
    let workspace: DocumentMut = WORKSPACE.parse()?;
    let workspace = workspace
        .get("workspace")
        .context("the workspace has a manifest")?;
    let mut manifest: DocumentMut = MANIFEST.parse()?;
    // Lints of the SDK's workspace do not concern an author.
    manifest.remove("lints");
    for (section, shared) in [("package", "package"), ("dependencies", "dependencies")] {
        if let (Some(table), Some(shared)) =
            (table(&mut manifest, &[section]), workspace.get(shared))
        {
            write_out(table, shared)?;
        }
    }
    let targets: Vec<String> = manifest
        .get("target")
        .and_then(Item::as_table_like)
        .map(|targets| targets.iter().map(|(name, _)| name.to_owned()).collect())
        .unwrap_or_default();
    for target in targets {
        let path = ["target", &target, "dependencies"];
        if let (Some(table), Some(shared)) =
            (table(&mut manifest, &path), workspace.get("dependencies"))
        {
            write_out(table, shared)?;
        }
    }
    Ok(manifest.to_string())
}

fn table<'a>(manifest: &'a mut DocumentMut, path: &[&str]) -> Option<&'a mut Table> {
    let mut table = manifest.as_table_mut();
    for name in path {
        table = table.get_mut(name)?.as_table_mut()?;
    }
    Some(table)
}

/// Replaces references to the workspace in a table by the workspace's values.
fn write_out(table: &mut Table, shared: &Item) -> anyhow::Result<()> {
    for (name, item) in table.iter_mut() {
        let refers = item
            .get("workspace")
            .and_then(Item::as_bool)
            .unwrap_or(false);
        if !refers {
            continue;
        }
        let value = shared
            .get(name.get())
            .and_then(Item::as_value)
            .with_context(|| format!("the workspace has no `{name}`"))?;
        let value = match item.get("features").and_then(Item::as_array) {
            Some(more) => with_features(value, more),
            None => value.clone(),
        };
        *item = Item::Value(value);
    }
    Ok(())
}

/// Returns a dependency with additional features.
fn with_features(dependency: &Value, more: &Array) -> Value {
    let mut table = match dependency {
        Value::InlineTable(table) => table.clone(),
        version => InlineTable::from_iter([("version", version.clone())]),
    };
    let mut features = table
        .get("features")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    for feature in more {
        features.push(feature.clone());
    }
    features.fmt();
    table.insert("features", features.into());
    Value::InlineTable(table)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The files below a folder, as paths in it.
    fn below(folder: &Path, under: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder.join(under)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{under}/{name}");
            match entry.path().is_dir() {
                true => below(folder, &path, found),
                false => found.push(path),
            }
        }
    }

    #[test]
    fn every_file_of_the_sdk_is_in_the_copy() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/sdk");
        let mut found = Vec::new();
        below(&sdk, "src", &mut found);
        below(&sdk, "examples", &mut found);
        found.sort();
        let copied: Vec<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(copied, found, "add new files to the list, in order");
    }

    #[test]
    fn the_copy_refers_to_nothing_outside_of_it() {
        let mut contract = 0;
        for (path, text) in files().unwrap() {
            assert!(!text.contains("\"../../"), "{path} leaves the copy");
            assert!(
                !text.contains("workspace = true"),
                "{path} needs a workspace"
            );
            contract += usize::from(path.starts_with("wit/"));
        }
        assert_eq!(contract, CONTRACT_TEXT.len(), "the whole contract");
    }

    #[test]
    fn features_of_the_workspace_and_of_the_crate_are_joined() {
        let manifest = manifest().unwrap();
        assert!(manifest.contains("edition = \"2024\""), "{manifest}");
        assert!(
            manifest.contains(r#"features = ["preserve_order", "raw_value"]"#),
            "{manifest}"
        );
    }
}
