//! Documented defaults: a sidecar that sets one is the same as one that doesn't.

use witgate_runtime::Sidecar;

const DOCS: &str = include_str!("../../../../../docs/sidecar.md");

/// A number as the docs write it, `1,000` or `64 KiB`, as a sidecar does.
fn number(told: &str) -> Option<u64> {
    let (digits, unit) = told.split_once(' ').unwrap_or((told, ""));
    let number: u64 = digits.replace(',', "").parse().ok()?;
    match unit {
        "" => Some(number),
        "KiB" => Some(number << 10),
        "MiB" => Some(number << 20),
        _ => None,
    }
}

/// Formats a parsed sidecar, without the text that it was parsed from.
fn parsed(text: &str) -> String {
    let sidecar =
        Sidecar::parse("probe.toml", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    // The document is the last field.
    let parsed = format!("{sidecar:?}");
    parsed.split("document: ").next().unwrap().to_owned()
}

#[test]
fn every_default_in_the_docs_is_what_holds_without_the_key() {
    let mut table = String::new();
    let mut compared = 0;
    for line in DOCS.lines().filter(|line| line.starts_with('|')) {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        let (Some(keys), Some(default)) = (cells.next(), cells.next()) else {
            continue;
        };
        if let Some(named) = keys.strip_prefix("**`") {
            let named = named.split('`').next().unwrap();
            table = named.replace("hooks.HOOK", "hooks.route");
            // A table has a source.
            if table == "[tables.NAME]" {
                table += "\nfile = \"names.csv\"";
            }
            continue;
        }
        let default = default.trim_matches('`');
        // The keys of a cell are in backticks, some of them with `or` between.
        for key in keys.split('`').skip(1).step_by(2) {
            let value = match number(default) {
                Some(bytes) if key == "memory_mib" => (bytes >> 20).to_string(),
                Some(number) => number.to_string(),
                None if default.starts_with('"') || ["true", "false", "[]"].contains(&default) => {
                    default.to_owned()
                }
                None => continue,
            };
            assert_eq!(
                parsed(&format!("{table}\n{key} = {value}\n")),
                parsed(&table),
                "{table} {key} = {value} is the default"
            );
            compared += 1;
        }
    }
    assert!(compared >= 20, "the table was read: {compared} defaults");
    // The default that differs between hooks.
    let deadlines = "[hooks]\nenvelope.deadline_ms = 5\nroute.deadline_ms = 5\nbudget.deadline_ms = 5\naudit.deadline_ms = 50\ntranslate.deadline_ms = 500\n";
    assert!(
        DOCS.contains("| `deadline_ms` | 5, audit 50, translate 500 |"),
        "the docs say so"
    );
    assert_eq!(parsed(deadlines), parsed(""), "deadlines");
}
