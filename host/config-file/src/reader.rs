//! Reads a document into a type, past everything that is wrong with it.
//!
//! serde stops at the first wrong value. The reader therefore starts again after each problem, with a placeholder for
//! the value that was wrong or missing, until a reading succeeds. No caller can use a placeholder by mistake: the problem
//! that it stands for is reported beside the value.

mod node;
mod placeholder;

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use self::node::{Node, Pass};
use crate::document::Document;
use crate::path::join;
use crate::problem::Problems;
use crate::value_error::ValueError;

/// Maximum number of problems reported for one file. Each one costs another reading of the file.
const MAX_PROBLEMS: usize = 200;

/// Reads a document. Returns the value, or `None` if even placeholders don't make one, and every problem.
pub(crate) fn read<T: DeserializeOwned>(document: &Document) -> (Option<T>, Problems) {
    let mut problems = Problems::default();
    let mut dropped = BTreeSet::new();
    let unknown = RefCell::default();
    let value = loop {
        let root = Node {
            pass: Pass {
                problems: &problems,
                dropped: &dropped,
                unknown: &unknown,
            },
            place: document.root(),
            path: String::new(),
        };
        let wrong = match T::deserialize(root) {
            Ok(value) => break Some(value),
            Err(wrong) => wrong,
        };
        if problems.iter().len() >= MAX_PROBLEMS {
            let message = format!("has more than {MAX_PROBLEMS} problems; these are the first");
            problems.push(document.problem("", message));
            break None;
        }
        if !replace(document, &mut problems, &mut dropped, wrong) {
            break None;
        }
    };
    for path in unknown.take() {
        let problem = document.problem(&path, "unknown key; check its spelling and its table");
        problems.push(problem);
    }
    (value, problems)
}

/// Records a problem and puts a placeholder in the place of the value. If the value is a placeholder already, drops the
/// element of a list, or else replaces the table around it. Returns whether there was anything left to replace.
fn replace(
    document: &Document,
    problems: &mut Problems,
    dropped: &mut BTreeSet<String>,
    wrong: ValueError,
) -> bool {
    let table = wrong.path.unwrap_or_default();
    let mut key = match wrong.missing {
        Some(missing) => join(&table, missing),
        None => table.clone(),
    };
    if !problems.has_placeholder(&key) {
        problems.push(document.problem(&table, wrong.message));
    }
    while !key.is_empty() {
        let is_element = key.ends_with(']');
        if problems.put_placeholder(key.clone()) || is_element && dropped.insert(key.clone()) {
            return true;
        }
        let around = key.rfind(['.', '[']).unwrap_or(0);
        key.truncate(around);
    }
    false
}
