//! The imports of guests that are written as text.
//!
//! Bodies call the host by the names of version 0.2, with the request's handle first. In a guest of a newer version, functions
//! of these names drop the handle, so one body serves in all versions.

use std::fmt::Write as _;

/// A function of the request: its name in the contract, its name in bodies, and its parameters after the handle.
const OF_REQUEST: [(&str, &str, &[&str]); 6] = [
    ("header", "$header", &["i32", "i32", "i32"]),
    ("headers", "$headers", &["i32", "i32", "i32"]),
    ("head", "$head", &["i32"]),
    ("tools", "$tools", &["i32"]),
    ("member", "$member", &["i32", "i32", "i32"]),
    ("body-read", "$body_read", &["i64", "i32", "i32"]),
];

/// Functions of interfaces that have to be granted, imported as far as they are used.
const GRANTED: [(&str, &str, &str); 5] = [
    (
        "$count",
        "metrics",
        r#""count" (func $count (param i32 i32 i64))"#,
    ),
    (
        "$unix_ms",
        "clock",
        r#""unix-ms" (func $unix_ms (result i64))"#,
    ),
    (
        "$kv_set",
        "kv",
        r#""set" (func $kv_set (param i32 i32 i32 i32 i32 i64 i32))"#,
    ),
    (
        "$kv_increment",
        "kv",
        r#""increment" (func $kv_increment (param i32 i32 i64 i32 i64 i32))"#,
    ),
    (
        "$kv_get",
        "kv",
        r#""get" (func $kv_get (param i32 i32 i32))"#,
    ),
];

/// Returns whether a version lends the request as a handle, as those before 0.3 do.
pub(super) fn has_handle(version: &str) -> bool {
    ["0.1.", "0.2."].iter().any(|old| version.starts_with(old))
}

/// Returns the interfaces that a guest of a version may import.
pub(super) fn interfaces(version: &str) -> &'static [&'static str] {
    let all = &[
        "types",
        "log",
        "metrics",
        "settings",
        "clock",
        "kv",
        "request",
        "caller",
        "context",
        "upstreams",
        "planned",
        "receipts",
        "tables",
        "texts",
    ];
    if has_handle(version) { &all[..6] } else { all }
}

/// Returns the imports of a guest whose bodies are `used`.
pub(super) fn imports(version: &str, used: &str) -> String {
    let mut text = format!(
        r#"
        (import "witgate:plugin/log@{version}" "write" (func $log (param i32 i32 i32)))
        (import "witgate:plugin/log@{version}" "failure" (func $failure (param i32 i32)))
        (import "witgate:plugin/settings@{version}" "json" (func $settings (param i32)))
        "#
    );
    let granted = GRANTED.iter().filter(|(name, ..)| {
        used.contains(&format!("{name})")) || used.contains(&format!("{name} "))
    });
    for (_, interface, function) in granted {
        writeln!(
            text,
            "(import \"witgate:plugin/{interface}@{version}\" {function})"
        )
        .unwrap();
    }
    for (name, alias, params) in OF_REQUEST {
        let params = params.join(" ");
        if has_handle(version) {
            writeln!(
                text,
                r#"(import "witgate:plugin/types@{version}" "[method]request.{name}" (func {alias} (param i32 {params})))"#
            )
        } else {
            writeln!(
                text,
                r#"(import "witgate:plugin/request@{version}" "{name}" (func {alias}_of_call (param {params})))"#
            )
        }
        .unwrap();
    }
    if has_handle(version) {
        writeln!(
            text,
            r#"(import "witgate:plugin/types@{version}" "[resource-drop]request" (func $drop (param i32)))"#
        )
        .unwrap();
    }
    text
}

/// Returns the functions that take a handle where the host's take none.
pub(super) fn wrappers(version: &str) -> String {
    if has_handle(version) {
        return String::new();
    }
    let mut text = "(func $drop (param i32))\n".to_owned();
    for (_, alias, params) in OF_REQUEST {
        let given = (1..=params.len()).map(|index| format!("(local.get {index}) "));
        writeln!(
            text,
            "(func {alias} (param i32 {}) (call {alias}_of_call {}))",
            params.join(" "),
            given.collect::<String>()
        )
        .unwrap();
    }
    text
}
