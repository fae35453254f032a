//! Imports run downwards: no more than five files of a crate may import each other in a circle.
//!
//! A node is a file; an arrow is a `use` line or a path in the code that leads to an item of another file. Re-exports are
//! followed to the file that defines the item, so a parent that only passes on names of its children is no part of a
//! circle. Code that is compiled for tests only does not count.

mod graph;
mod parse;

use std::fmt::Write as _;

use self::graph::Graph;
use super::source::{crates, sources};

/// The most files that may form a circle.
const LIMIT: usize = 5;

#[test]
fn no_circle_of_imports_has_more_than_five_files() {
    let mut complaints = String::new();
    let mut checked = 0;
    for folder in crates(&["host", "plugins"]) {
        let sources = sources(&format!("{folder}/src"));
        let files: Vec<_> = sources
            .iter()
            .map(|source| (&source.path[folder.len() + "/src/".len()..], &*source.text))
            .collect();
        if files.is_empty() {
            continue;
        }
        checked += 1;
        let graph = Graph::of(&files);
        for circle in graph.circles().iter().filter(|circle| circle.len() > LIMIT) {
            let files = circle.len();
            let _ = writeln!(
                complaints,
                "{folder}: {files} files import each other, at most {LIMIT} may:"
            );
            for arrow in graph.arrows_within(circle) {
                let _ = writeln!(complaints, "  {arrow}");
            }
        }
    }
    assert!(checked >= 9, "all crates were read: {checked}");
    assert!(complaints.is_empty(), "{complaints}");
}

/// Returns the circles of a made-up crate, each as its files in one line.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let circles = Graph::of(files);
    circles
        .circles()
        .iter()
        .map(|circle| circle.iter().copied().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn files_that_import_each_other_are_a_circle() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c::{C, other::*}; pub struct B;"),
        ("c.rs", "pub struct C; pub fn c() { super::a::A; }"),
    ]);
    assert_eq!(
        found,
        ["a.rs b.rs c.rs"],
        "by `use`, in groups, and by a path in the code"
    );
}

#[test]
fn a_parent_that_only_passes_names_on_is_no_part_of_a_circle() {
    let parent =
        "pub mod one; mod two; pub use one::One; pub(crate) use self::two::{Two as Second};";
    let passes_on = circles(&[
        ("lib.rs", "mod parent;"),
        ("parent.rs", parent),
        ("parent/one.rs", "use super::Second; pub struct One;"),
        ("parent/two.rs", "pub struct Two;"),
    ]);
    assert!(passes_on.is_empty(), "{passes_on:?}");

    let uses = format!("{parent} pub struct Own(One);");
    let used = circles(&[
        ("lib.rs", "mod parent;"),
        ("parent.rs", &uses),
        ("parent/one.rs", "use super::Own; pub struct One;"),
        ("parent/two.rs", "pub struct Two;"),
    ]);
    assert_eq!(
        used,
        ["parent.rs parent/one.rs"],
        "a parent that uses what it passes on is one"
    );
}

#[test]
fn a_name_is_followed_to_the_file_that_defines_it() {
    let found = circles(&[
        (
            "lib.rs",
            "mod a; mod b; pub use b::*; mod names { pub use crate::a::A as Renamed; }",
        ),
        ("a.rs", "use crate::Deep; pub struct A;"),
        ("b.rs", "mod deep; pub use deep::Deep;"),
        (
            "b/deep.rs",
            "use crate::names; pub struct Deep(names::Renamed);",
        ),
    ]);
    assert_eq!(
        found,
        ["a.rs b/deep.rs"],
        "through globs, inline modules and other names"
    );
}

#[test]
fn a_child_is_known_by_its_bare_name() {
    let found = circles(&[
        ("main.rs", "mod parent;"),
        ("parent.rs", "mod child; pub const X: u8 = child::Y;"),
        ("parent/child.rs", "pub const Y: u8 = super::X;"),
    ]);
    assert_eq!(
        found,
        ["parent.rs parent/child.rs"],
        "`child::Y` is an arrow"
    );
}

#[test]
fn code_of_tests_and_words_in_comments_and_texts_do_not_count() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "pub struct A; #[cfg(test)] mod tests; #[cfg(test)] mod more { use crate::b::B; }",
        ),
        ("a/tests.rs", "use crate::b::B;"),
        (
            "b.rs",
            "use crate::a::A; #[cfg(test)] use crate::a::tests; pub struct B;",
        ),
    ]);
    assert!(found.is_empty(), "{found:?}");
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "// crate::b::B\npub struct A; const T: &str = \"crate::b::B\";",
        ),
        ("b.rs", "use crate::a::A; pub struct B;"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_module_that_is_imported_counts_where_it_is_used() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        (
            "a.rs",
            "use crate::b; pub struct A; mod x; pub fn f() { b::low::g() }",
        ),
        ("a/x.rs", ""),
        ("b.rs", "pub mod low; pub struct B(crate::a::A);"),
        ("b/low.rs", "pub fn g() {}"),
    ]);
    assert!(
        found.is_empty(),
        "`use crate::b` for `b::low` needs `b/low.rs` only: {found:?}"
    );
}
