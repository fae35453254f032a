//! Documented defaults: a configuration that sets one is the same as one that doesn't.

use std::path::Path;

use witgate_gateway::config::Config;

const DOCS: &str = include_str!("../../../../docs/configuration.md");

/// A row of the table of keys.
struct Row<'a> {
    table: &'a str,
    key: &'a str,
    default: &'a str,
}

/// The rows of the table, each with the table that its key is in.
fn rows() -> Vec<Row<'static>> {
    let mut table = "";
    let mut rows = Vec::new();
    for line in DOCS.lines().filter(|line| line.starts_with('|')) {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        let (Some(key), Some(default)) = (cells.next(), cells.next()) else {
            continue;
        };
        if let Some(named) = key
            .strip_prefix("**`")
            .and_then(|key| key.split('`').next())
        {
            table = named.trim_matches(['[', ']']);
        } else if let Some(key) = key.strip_prefix('`').and_then(|key| key.split('`').next()) {
            rows.push(Row {
                table,
                key,
                default,
            });
        }
    }
    rows
}

/// Words in the place of a default, of keys whose absence has a meaning that no value has.
fn is_told_in_words(default: &str) -> bool {
    let literal = default.starts_with('"')
        || default.bytes().all(|byte| byte.is_ascii_digit())
        || ["true", "false"].contains(&default);
    !literal || default.is_empty()
}

/// A configuration with one more line in one of its tables.
fn with(table: &str, line: &str) -> String {
    let base = [
        ("", ""),
        ("listen", "address = \"127.0.0.1:0\""),
        ("keys", "file = \"Cargo.toml\""),
        ("admin", "address = \"127.0.0.1:0\""),
        ("plugins", "directory = \".\""),
        ("upstreams.NAME", "base_url = \"https://x\""),
        ("upstreams.NAME.capacity", "tokens_per_minute = 1"),
        ("resources.NAME", ""),
        ("groups.NAME2", "members = [{ upstream = \"NAME\" }]"),
        ("capture", "dir = \".\""),
        ("state", "directory = \"state\""),
        (
            "budgets",
            "webhook.url = \"https://x\"\nwebhook.secret = { file = \"Cargo.toml\" }\nwebhook.dead_letters = \"x\"",
        ),
        (
            "receipts.sinks.NAME",
            "type = \"webhook\"\nurl = \"https://x\"",
        ),
    ];
    let table = if table == "groups.NAME" {
        "groups.NAME2"
    } else {
        table
    };
    let mut text = String::new();
    let mut written = false;
    for (name, lines) in base {
        if !name.is_empty() {
            text += &format!("[{name}]\n");
        }
        text += &format!("{lines}\n");
        if name == table {
            text += &format!("{line}\n");
            written = true;
        }
    }
    if !written && !line.is_empty() {
        text += &format!("[{table}]\n{line}\n");
    }
    text
}

fn parsed(text: &str) -> String {
    match Config::parse(Path::new("w.toml"), text) {
        Ok(config) => format!("{config:?}"),
        Err(problems) => panic!("the docs' own words are taken:\n{problems}\nin\n{text}"),
    }
}

#[test]
fn every_default_in_the_docs_is_what_holds_without_the_key() {
    let plain = parsed(&with("", ""));
    let mut compared = 0;
    for Row {
        table,
        key,
        default,
    } in rows()
    {
        if is_told_in_words(default) {
            continue;
        }
        let said = parsed(&with(table, &format!("{key} = {default}")));
        assert_eq!(said, plain, "[{table}] {key} = {default} is the default");
        compared += 1;
    }
    assert!(compared >= 30, "the table was read: {compared} defaults");
}

#[test]
fn the_defaults_that_stand_in_examples_hold_as_well() {
    for key in ["retry", "breaker", "health"] {
        let start = format!("{key} = {{");
        let example = DOCS
            .lines()
            .find(|line| line.starts_with(&start))
            .expect("the example has the key");
        // Without the key there are no health checks, so there the table without a word in it is the other side.
        let plain = match key {
            "health" => with("upstreams.NAME", "health = {}"),
            _ => with("", ""),
        };
        assert_eq!(
            parsed(&with("upstreams.NAME", example)),
            parsed(&plain),
            "{example}"
        );
    }
    let capture = DOCS.split("[capture]").nth(1).unwrap();
    for key in ["sample", "max_bytes", "insecure_content"] {
        let line = capture
            .lines()
            .find(|line| line.starts_with(key))
            .expect("the example has the key");
        assert_eq!(
            parsed(&with("capture", line)),
            parsed(&with("", "")),
            "{line}"
        );
    }
}
