//! Every promise of `docs/promises.md` has a test, and it is there; so has every fault of `docs/faults.md`, and every
//! attack of `docs/THREAT_MODEL.md`, with the function that stops it.

use std::collections::BTreeSet;

use super::source::root;

/// A row of a table: what is promised, and the tests that show it, each a file and a name in it.
struct Row {
    promise: String,
    tests: Vec<(String, String)>,
}

/// The rows of all tables: two cells, the second with `path::name` in backticks, once or more often.
fn rows(document: &str) -> Vec<Row> {
    let lines = document.lines().filter(|line| line.starts_with("| "));
    let cells = lines.map(|line| {
        let cells = line.trim_matches('|').rsplit_once(" | ");
        cells.unwrap_or_else(|| panic!("two cells in {line:?}"))
    });
    cells
        .filter(|(_, shown)| shown.trim() != "shown by")
        .map(|(promise, shown)| Row {
            promise: promise.trim().to_owned(),
            tests: places(shown),
        })
        .collect()
}

/// Returns the files and the names in them that stand in backticks.
fn places(cell: &str) -> Vec<(String, String)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted
        .map(|place| {
            let (path, name) = place.split_once("::").expect("`path::name`");
            (path.to_owned(), name.to_owned())
        })
        .collect()
}

/// Returns true if a file has a test of that name or, as a driver of real clients, a check.
fn has_test(path: &str, text: &str, name: &str) -> bool {
    if !path.ends_with(".rs") {
        return [format!("\"{name}\""), format!("'{name}'")]
            .iter()
            .any(|quoted| text.contains(quoted));
    }
    let Some(at) = text.find(&format!("fn {name}(")) else {
        return false;
    };
    // Its attributes stand right above it.
    let above = text[..at].trim_end_matches("async ").trim_end();
    above
        .lines()
        .rev()
        .map(str::trim)
        .take_while(|line| !line.is_empty() && !line.ends_with('}'))
        .any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
}

/// Returns the faults of a document's rows: promises without a test, with one that does not exist, or made twice.
fn problems(rows: &[Row]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for Row { promise, tests } in rows {
        if tests.is_empty() {
            problems.push(format!("no test shows: {promise}"));
        }
        if !seen.insert(promise) {
            problems.push(format!("promised twice: {promise}"));
        }
        for (path, name) in tests {
            match std::fs::read_to_string(root().join(path)) {
                Err(_) => problems.push(format!("there is no {path}, for: {promise}")),
                Ok(text) if !has_test(path, &text, name) => {
                    problems.push(format!("{path} has no test {name}, for: {promise}"));
                }
                Ok(_) => {}
            }
        }
    }
    problems
}

fn document(path: &str, least: usize) -> Vec<Row> {
    let rows = rows(&std::fs::read_to_string(root().join(path)).unwrap());
    assert!(
        rows.len() > least,
        "the tables could be read: {}",
        rows.len()
    );
    rows
}

#[test]
fn every_promise_names_tests_that_exist() {
    let problems = problems(&document("docs/promises.md", 40));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_fault_says_what_is_done_and_names_tests_that_exist() {
    let rows = document("docs/faults.md", 25);
    let mut problems = problems(&rows);
    for row in &rows {
        let cells = row.promise.split(" | ").filter(|cell| !cell.is_empty());
        if cells.count() != 2 {
            problems.push(format!("a fault and what is done: {}", row.promise));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_attack_names_the_functions_that_stop_it_and_tests_that_exist() {
    let rows = document("docs/THREAT_MODEL.md", 40);
    let mut problems = problems(&rows);
    for row in &rows {
        let (attack, stopped) = row.promise.rsplit_once(" | ").expect("three cells");
        let functions = places(stopped);
        if functions.is_empty() {
            problems.push(format!("nothing stops: {attack}"));
        }
        for (path, name) in functions {
            let text = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
            let defined = ["(", "<"].map(|after| format!("fn {name}{after}"));
            if !defined.iter().any(|start| text.contains(start)) {
                problems.push(format!("{path} has no function {name}, for: {attack}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_question_of_the_threat_model_is_answered_with_a_number() {
    let text = std::fs::read_to_string(root().join("docs/THREAT_MODEL.md")).unwrap();
    let sections = text.split("\n## ");
    let questions = sections.filter(|section| section.starts_with("Who can make us "));
    let mut asked = 0;
    for question in questions {
        asked += 1;
        let rows = question.lines().filter(|line| line.starts_with("| "));
        for row in rows.filter(|row| !row.starts_with("| who |")) {
            let bound = row.split(" | ").nth(2).unwrap_or_default();
            assert!(bound.contains(|c: char| c.is_ascii_digit()), "{row}");
        }
    }
    assert_eq!(asked, 4, "memory, writing, forgetting, refusing others");
}

#[test]
fn a_promise_whose_test_is_gone_is_seen() {
    let text = "#[test]\nfn there() {}\n\nfn helper() {}\n";
    assert!(has_test("a.rs", text, "there"), "a test");
    assert!(
        !has_test("a.rs", text, "helper"),
        "a function without the attribute is none"
    );
    assert!(
        !has_test("a.rs", text, "gone"),
        "nor is a name that is not there"
    );
    assert!(
        has_test("a.py", "check(\"a name\", act)", "a name"),
        "a check"
    );
    let rows = rows("| promise | shown by |\n|---|---|\n| It holds. | `a.rs::x`, `b.rs::y` |\n");
    assert_eq!(rows.len(), 1, "the head of a table is no promise");
    assert_eq!(rows[0].tests.len(), 2, "both tests");
}
