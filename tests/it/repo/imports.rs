//! Imports stand in three groups with a blank line between them: the standard library, other crates, this crate.

use super::source::{Source, crates, sources};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Std,
    Foreign,
    Own,
}

#[test]
fn imports_stand_in_three_groups() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for folder in crates(&["host", "plugins", "tests", "benches", "examples"]) {
        for source in sources(&folder) {
            checked += 1;
            if let Some(line) = first_out_of_order(&source) {
                wrong.push(format!("{}:{line}", source.path));
            }
        }
    }
    assert!(checked > 400, "all sources were read: {checked}");
    assert!(
        wrong.is_empty(),
        "std, other crates, this crate, with a blank line between them:\n{}",
        wrong.join("\n")
    );
}

/// Returns the line of the first import that stands after one of a later group, or without the blank line that separates
/// it from an earlier one.
fn first_out_of_order(source: &Source) -> Option<usize> {
    let lines: Vec<_> = source.text.lines().collect();
    let children: Vec<_> = lines
        .iter()
        .filter_map(|line| {
            let line = line
                .trim_start_matches("pub")
                .trim_start_matches("(crate)")
                .trim_start_matches("(super)");
            line.trim().strip_prefix("mod ")?.strip_suffix(';')
        })
        .collect();
    let (mut last, mut after_blank, mut inside) = (None, true, false);
    for (index, line) in lines.iter().enumerate() {
        if inside {
            // The rest of an import of several lines.
            inside = !line.ends_with(';');
            continue;
        }
        if line.trim().is_empty() {
            after_blank = true;
            continue;
        }
        let Some(path) = line.strip_prefix("use ") else {
            // Attributes and comments belong to the import below them; any other item ends the block.
            if !line.starts_with('#') && !line.starts_with("//") {
                last = None;
            }
            continue;
        };
        inside = !line.ends_with(';');
        let group = group(path, &children);
        match last {
            Some(before) if group < before => return Some(index + 1),
            Some(before) if group > before && !after_blank => return Some(index + 1),
            _ => {}
        }
        last = Some(group);
        after_blank = false;
    }
    None
}

fn group(path: &str, children: &[&str]) -> Group {
    let first = path.split([':', ' ', ';']).next().unwrap_or_default();
    match first {
        "std" | "core" | "alloc" => Group::Std,
        "crate" | "super" | "self" => Group::Own,
        child if children.contains(&child) => Group::Own,
        _ => Group::Foreign,
    }
}

#[test]
fn another_order_is_seen() {
    let line_in = |text: &str| {
        first_out_of_order(&Source {
            path: String::new(),
            text: text.to_owned(),
        })
    };
    let good = "//! Doc.\n\nmod child;\n\nuse std::fmt;\nuse std::io;\n\nuse serde::{\n    A,\n};\n\nuse crate::a;\nuse child::B;\n";
    assert_eq!(line_in(good), None, "three groups");
    assert_eq!(
        line_in("use crate::a;\n\nuse std::fmt;\n"),
        Some(3),
        "std is first"
    );
    assert_eq!(
        line_in("use std::fmt;\nuse serde::A;\n"),
        Some(2),
        "a blank line is between"
    );
    let apart = "use crate::a;\n\nfn f() {}\n\nuse std::fmt;\n";
    assert_eq!(line_in(apart), None, "a later block begins anew");
}
